"""Shipped results: what was written is what is read, and nothing else is."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from report import identifiable
from report.synthetic import write_cells

from pimvae import archive
from pimvae.cli import main
from pimvae.config import load
from pimvae.errors import UserError
from pimvae.registry import lookup
from pimvae.results import collect
from pimvae.results.files import BEYOND, CELL, Results
from pimvae.results.jobs import read_jobs
from pimvae.results.ship import ship

CONTENTS = {"a.csv": b"x,y\n1,2\n", "b.csv.gz": b"long\n" * 100, "cell/c.npz": bytes(range(256))}
SCALES = ["laptop", "paper"]


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    archive.pack(CONTENTS, tmp_path / "shipped")
    return tmp_path / "shipped"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Collected results of a made-up run."""
    root = tmp_path_factory.mktemp("run")
    cells, ceilings = identifiable.write_cells(root)
    collect.run([*write_cells(root), *cells], root, ceilings)
    return root


def test_what_is_packed_is_unpacked(shipped, tmp_path):
    written = archive.unpack(shipped, tmp_path / "out")
    assert {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in written} == {
        name.removesuffix(".gz"): content for name, content in CONTENTS.items()
    }
    assert archive.read_manifest(shipped).unpacked == ["a.csv", "b.csv", "cell/c.npz"]


def test_equal_content_gives_equal_bytes(shipped, tmp_path):
    archive.pack(CONTENTS, tmp_path / "again")
    for name in (*CONTENTS, archive.MANIFEST):
        assert (shipped / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_shipping_again_leaves_nothing_of_before(shipped):
    archive.pack({"a.csv": b"new\n"}, shipped)
    assert sorted(path.name for path in shipped.iterdir()) == ["a.csv", archive.MANIFEST]
    assert sorted(path.name for path in shipped.parent.iterdir()) == ["shipped"]


def test_shipped_results_are_not_unpacked_into_themselves(shipped):
    with pytest.raises(UserError, match="holds shipped results: unpack into another folder"):
        archive.unpack(shipped, shipped)
    archive.verify(shipped)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_what_comes_between_two_renames_leaves_what_was_shipped(shipped, monkeypatch, stop):
    rename = Path.rename

    def stopped(self, to):
        if self.suffix == ".tmp":
            raise stop
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(stop):
        archive.pack({"a.csv": b"new\n"}, shipped)
    assert [path.name for path in shipped.parent.iterdir()] == ["shipped"]
    archive.verify(shipped)


def test_what_a_killed_shipping_moved_away_comes_back(shipped):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    former, half = (shipped.with_name(f".shipped.{dead.pid}.{kind}") for kind in ("former", "tmp"))
    shipped.rename(former)
    half.mkdir()
    archive.recover(shipped)
    assert [path.name for path in shipped.parent.iterdir()] == ["shipped"]
    archive.verify(shipped)


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds no shipped results"):
        archive.pack(CONTENTS, tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


FAULTS = {
    "changed": (lambda folder: change(folder / "cell" / "c.npz"), "c.npz was changed"),
    "cut off": (lambda folder: (folder / "a.csv").write_bytes(b"x,y\n"), "a.csv was changed"),
    "missing": (lambda folder: (folder / "b.csv.gz").unlink(), "b.csv.gz is missing"),
    "added": (lambda folder: (folder / "cell" / "d.npz").touch(), "d.npz is not in"),
    "no manifest": (lambda folder: (folder / archive.MANIFEST).unlink(), "manifest.json does not exist"),
    "no JSON": (lambda folder: (folder / archive.MANIFEST).write_text("{"), "is not the manifest"),
    "other JSON": (lambda folder: (folder / archive.MANIFEST).write_text("[1]"), "is not the manifest"),
}


@pytest.mark.parametrize(("spoil", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_line_that_names_the_file(shipped, tmp_path, capsys, spoil, message):
    spoil(shipped)
    assert main(["unpack", "--shipped", str(shipped), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "pimvae-shipped-99", "is of format pimvae-shipped-99, written by pimvae"),
        ("files", {"../a.csv": "0"}, "names files outside"),
        ("files", ["a.csv"], "outside"),
    ],
)
def test_a_manifest_of_another_version_is_refused(shipped, key, value, message):
    path = shipped / archive.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(UserError, match=message):
        archive.verify(shipped)


def test_what_was_collected_beside_the_cells_is_shipped_with_them(run, tmp_path):
    """`snakemake beyond` collects into a folder below that of the cells."""
    shutil.copytree(run, tmp_path / "laptop")
    (tmp_path / "laptop" / BEYOND).mkdir()
    for path in (tmp_path / "laptop").glob("*.csv"):
        path.rename(path.parent / BEYOND / path.name)
    ship(run, tmp_path / "plain")
    ship(tmp_path / "laptop" / BEYOND, tmp_path / "shipped")
    assert archive.verify(tmp_path / "shipped").files == archive.verify(tmp_path / "plain").files


def test_shipped_results_show_what_the_run_shows(run, tmp_path):
    ship(run, tmp_path / "shipped")
    archive.unpack(tmp_path / "shipped", tmp_path / "unpacked")
    both = [Results.load(run), Results.load(tmp_path / "unpacked")]
    pd.testing.assert_frame_equal(both[1].history, Results.load(tmp_path / "shipped").history)
    for name in ("digits", "f3_bimodal", "f4_recovery", "f8_training", "f8_bimodal"):
        shown = [lookup("report.figures", name).data(results) for results in both]
        assert len(shown[0]) > 0
        pd.testing.assert_frame_equal(*shown)
    for frame in ("metrics", "runs", "settings"):
        pd.testing.assert_frame_equal(*(getattr(results, frame) for results in both))
    change(tmp_path / "shipped" / "runs.csv")
    with pytest.raises(UserError, match=r"runs\.csv was changed"):
        Results.load(tmp_path / "shipped")
    records = json.loads((tmp_path / "unpacked" / "runs.json").read_text())
    assert len(records) == len(Results.load(run).runs)
    assert records["linear/dense-poe-masked"] == json.loads((run / "linear/dense-poe-masked/run.json").read_text())


def only(run: Path, folder: Path, experiment: str) -> Path:
    """The results of one experiment alone."""
    shutil.copytree(run, folder)
    (folder / "collected.json").unlink()  # it speaks of all of them
    for path in folder.glob("*.csv"):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        frame[frame["experiment"] == experiment].to_csv(path, index=False)
    return folder


def test_experiments_are_shipped_one_by_one(run, tmp_path):
    first, second = sorted(set(Results.load(run).runs["experiment"]))[:2]
    out = tmp_path / "shipped"
    assert ship(only(run, tmp_path / first, first), out)[1:] == ([first], [], [])
    alone = Results.load(out)
    assert set(alone.runs["experiment"]) == {first}
    assert ship(only(run, tmp_path / second, second), out)[1:] == ([second], [first], [])
    both = Results.load(out)
    whole = Results.load(run)
    for name in ("metrics", "runs", "history", "settings"):
        found, before = getattr(both, name), getattr(alone, name)
        kept = found[found["experiment"] == first].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, before)
    wanted = whole.runs[whole.runs["experiment"].isin([first, second])]
    assert len(both.runs) == len(wanted) == len(json.loads(gzip.decompress((out / "runs.json.gz").read_bytes())))
    before = archive.read_manifest(out).files
    ship(only(run, tmp_path / "again", first), out)  # what is shipped again takes the place of what was there
    assert Results.load(out).runs.shape == wanted.shape
    assert before.keys() == archive.read_manifest(out).files.keys()
    ship(tmp_path / second, out, keep=False)
    assert set(Results.load(out).runs["experiment"]) == {second}


def timed(folder: Path, **seconds: int) -> Path:
    """The run with the times of these jobs; `_` stands for a folder."""
    for name, took in seconds.items():
        path = folder / "benchmarks" / f"{name.replace('_', '/')}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tmax_rss\n{took}\t512\n")
    return folder


def test_times_of_jobs_are_shipped_with_their_experiments(run, tmp_path):
    first, second = sorted(set(Results.load(run).runs["experiment"]))[:2]
    early = timed(only(run, tmp_path / "early", first), **{f"{first}_a-train": 3, f"{first}_b-train": 4, "claims": 5})
    late = timed(only(run, tmp_path / "late", second), **{f"{second}_a-train": 6, "claims": 7})
    again = timed(only(run, tmp_path / "again", first), **{f"{first}_a-train": 8})
    out, unpacked = tmp_path / "shipped", tmp_path / "unpacked"
    ship(early, out)
    archive.unpack(out, unpacked)
    timed(unpacked, unpack=1)  # a report that was made from it
    assert read_jobs(unpacked).equals(read_jobs(early)) and not read_jobs(early).empty
    here = timed(tmp_path / "unpacked_and_trained", **{f"{second}_a-train": 9})
    archive.unpack(out, here)
    assert read_jobs(here)["seconds"].tolist() == [9]  # what was trained in the same folder since
    ship(late, out)
    ship(again, out)
    archive.unpack(out, unpacked)
    jobs = read_jobs(unpacked).set_index("job")["seconds"]
    assert jobs.to_dict() == {f"{first}/a-train": 8, f"{second}/a-train": 6, "claims": 7} and jobs.index[-1] == "claims"


def part_of(run: Path, folder: Path, chosen: list[bool]) -> Path:
    """The same run with some of its cells, and references beside the first of them only."""
    folder = only(run, folder, "multimodal")
    runs = pd.read_csv(folder / "runs.csv", dtype=str, keep_default_na=False)
    cells = [column for column in CELL if column != "experiment"]
    trained = dict(zip(map(tuple, runs[cells].to_numpy()), chosen, strict=True))
    for path in folder.glob("*.csv"):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        rows = [trained.get(tuple(row), chosen[0]) for row in frame[cells].to_numpy()]
        frame[rows].to_csv(path, index=False)
    return folder


def test_rules_stay_with_the_cells_that_were_trained_under_them(run, tmp_path):
    """They stand once, with the first cell: where that one is trained anew under others, they pass to the next."""
    whole = only(run, tmp_path / "whole", "multimodal")
    runs = Results.load(whole).runs
    for name, rules, cells in (
        ("early", "old", [True] * len(runs)),
        ("late", "new", [True] + [False] * (len(runs) - 1)),
    ):
        folder = part_of(run, tmp_path / name, cells)
        settings = pd.read_csv(folder / "settings.csv", dtype=str, keep_default_na=False)
        first = settings.drop_duplicates(CELL).iloc[[0]]
        rows = settings[~settings["key"].str.startswith("claims")]
        added = [first.assign(key=key, value=rules) for key in ("claims_sha256", "claims.C1a")]
        pd.concat([*added, rows]).to_csv(folder / "settings.csv", index=False)
        ship(folder, tmp_path / "shipped", add=name == "late")
    settings = Results.load(tmp_path / "shipped").settings
    found = settings[settings["key"].str.startswith("claims")]
    assert sorted(found["value"]) == ["new", "new", "old", "old"]
    holders = found.groupby("value")["aggregator"].unique()
    assert found[["experiment", "key", "value"]].duplicated().sum() == 0
    old = found[found["value"] == "old"].merge(runs[CELL], on=CELL)
    assert len(old) == 2 and len(holders) == 2


def test_cells_are_added_one_by_one(run, tmp_path):
    whole = only(run, tmp_path / "whole", "multimodal")
    count = len(Results.load(whole).runs)
    early = [place < count // 2 for place in range(count)]
    assert 0 < sum(early) < count
    out = tmp_path / "shipped"
    ship(part_of(run, tmp_path / "early", early), out)
    late = part_of(run, tmp_path / "late", [not done for done in early])
    assert ship(late, out, add=True)[1:] == (["multimodal"], ["multimodal"], [])
    ship(whole, tmp_path / "at_once")
    for name in ("metrics", "runs", "history", "settings"):
        found, wanted = (getattr(Results.load(folder), name) for folder in (out, tmp_path / "at_once"))
        order = [column for column in found if column != "value"]
        frames = [frame.sort_values(order).reset_index(drop=True) for frame in (found, wanted)]
        pd.testing.assert_frame_equal(*frames)
    assert archive.read_manifest(out).files.keys() == archive.read_manifest(tmp_path / "at_once").files.keys()
    ship(late, out)  # without it, an experiment is what the results have of it
    assert len(Results.load(out).runs) == count - sum(early)


def test_cells_of_other_data_are_not_added(run, tmp_path, capsys):
    count = len(Results.load(only(run, tmp_path / "whole", "multimodal")).runs)
    first = [place == 0 for place in range(count)]
    parts = {
        name: part_of(run, tmp_path / name, [keep == (name == "one") for keep in first]) for name in ("one", "other")
    }
    for name, folder in parts.items():
        for path in folder.rglob("run.json"):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"data_sha256": {"0": name}}))
    ship(parts["one"], tmp_path / "shipped")
    with pytest.raises(UserError, match="were trained on other data"):
        ship(parts["other"], tmp_path / "shipped", add=True)
    arguments = ["ship", "--results", str(parts["other"]), "--out", str(tmp_path / "shipped"), "--add", "--replace"]
    assert main(arguments) == 1 and "give one of them" in capsys.readouterr().err


def test_shipped_experiments_of_another_version_are_not_joined(run, tmp_path):
    first, second = sorted(set(Results.load(run).runs["experiment"]))[:2]
    ship(only(run, tmp_path / first, first), tmp_path / "shipped")
    other = only(run, tmp_path / second, second)
    runs = pd.read_csv(other / "runs.csv").assign(further=1)
    runs.to_csv(other / "runs.csv", index=False)
    with pytest.raises(UserError, match=r"runs\.csv of the shipped experiments has other columns: ship all again"):
        ship(other, tmp_path / "shipped")
    assert set(Results.load(tmp_path / "shipped").runs["experiment"]) == {first}


def test_incomplete_results_are_not_shipped(run, tmp_path):
    (tmp_path / "copy").mkdir()
    for path in run.glob("*.csv"):
        (tmp_path / "copy" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UserError, match=r"run\.json does not exist"):
        ship(tmp_path / "copy", tmp_path / "shipped")
    assert not (tmp_path / "shipped").exists()


WITHOUT_TORCH = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ImportError("torch is blocked")
sys.meta_path.insert(0, Blocked())
from pimvae.cli import main
run, shipped, out = sys.argv[1:]
commands = [
    ["ship", "--results", run, "--out", shipped], ["unpack", "--shipped", shipped, "--out", out],
    ["claims", "--results", out, "--out", out], ["tables", "--results", out, "--out", out, "t3_bimodal"],
    ["figures", "--results", out, "--out", out, "f4_recovery"],
]
for command in commands:
    assert main(command) == 0, command
from pimvae import registry
from pimvae.results import provenance
import pimvae.report.comparison_view, pimvae.report.macros
for kind in ("tables", "figures"):
    for name in registry.names(f"report.{kind}"):
        registry.lookup(f"report.{kind}", name)
assert "torch" not in sys.modules
"""


def test_nothing_of_the_report_imports_torch(root, run, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    command = [sys.executable, "-c", WITHOUT_TORCH, run, tmp_path / "shipped", tmp_path / "out"]
    done = subprocess.run(list(map(str, command)), cwd=root, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "C1a" in done.stdout


@pytest.fixture
def checkout(root, tmp_path) -> Path:
    """A root with the configuration and two shipped scales."""
    (tmp_path / "config").symlink_to(root / "config")
    for scale in SCALES:
        archive.pack(CONTENTS, tmp_path / "results" / "shipped" / scale)
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "scale"),
    [({}, "laptop"), ({"device": "cuda"}, "laptop"), ({"scale": "paper"}, "paper"), ({"scale": "laptop"}, "laptop")],
)
def test_the_shipped_scale_is_found(checkout, settings, scale):
    config = load(root=checkout, settings={"experiments": ["linear"], "device": "cpu", "results": "shipped"} | settings)
    assert (config.scale, config.shipped) == (scale, True)
    said = config.headline()
    assert said.startswith(f"scale: {scale} (shipped results") and said.endswith("nothing is trained")


def test_a_scale_that_was_not_shipped_is_refused(checkout, root, tmp_path):
    settings = {"experiments": ["linear"], "results": "shipped", "scale": "smoke"}
    with pytest.raises(UserError, match=r"'smoke' are shipped \(shipped: laptop, paper\)"):
        load(root=checkout, settings=settings)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config").symlink_to(root / "config")
    with pytest.raises(UserError, match="results/shipped is empty"):
        load(root=tmp_path / "empty", settings=settings | {"scale": "auto"})


def test_auto_takes_what_is_shipped(root, tmp_path):
    (tmp_path / "config").symlink_to(root / "config")
    archive.pack(CONTENTS, tmp_path / "results" / "shipped" / "paper")
    settings = {"experiments": ["linear"], "device": "cpu", "results": "shipped"}
    config = load(root=tmp_path, settings=settings)
    assert config.scale == "paper" and "laptop are not shipped" in config.scale_reason
