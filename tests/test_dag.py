"""The workflow's plan: dry runs only, see test_smoke.py for a real one."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pimvae import archive
from pimvae.config import load

ROOT = Path(__file__).parents[1]
CELLS = {scale: len(load(scale, ROOT, device="cpu").cells) for scale in ("smoke", "laptop", "paper")}
DATA = {
    "linear": ["dense", "sparse", "digits"], "bimodal": ["clusters"], "multimodal": ["complete", "half", "laplace"],
    "images": ["triples"],
}  # fmt: skip
BEYOND = {  # part of 'all' at the scale paper, elsewhere of 'beyond'
    "aggregators": ["loadings", "views", "views_half"],
    "audit": [f"loadings_{arm}" for arm in ("corrected", "subsets", "noise", "all")]
    + [f"views_{arm}" for arm in ("corrected", "subsets", "noise", "split", "all")]
    + ["clusters_corrected"],
    "scaling": [f"views_{count}" for count in (2, 4, 8, 16, 32)],
}
REPORT = {"collect": 1, "claims": 1, "tables": 1, "macros": 1, "paper_scale": 1,
          "render_notebook": 4, "all": 1}  # fmt: skip
ONE = "results/smoke/linear/dense-poe-masked"


def plan(root: Path, folder: Path, *options: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--directory", str(folder), *options]
    environment = {**os.environ, "PATH": path}
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment)


def jobs(text: str) -> dict[str, int]:
    """Numbers of jobs by rule, from the table that a dry run prints."""
    table = text.partition("Job stats:")[2].partition("\ntotal")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}


def drawn_at(scale: str, data: dict[str, list[str]]) -> set[str]:
    """Data sets of a scale: the laptop leaves some out."""
    drawn = {f"{experiment}_{name}" for experiment, names in data.items() for name in names}
    return drawn - ({"multimodal_laplace", "aggregators_views_half"} if scale == "laptop" else set())


@pytest.mark.parametrize(
    ("scale", "snakefile"), [("smoke", "workflow/Snakefile"), ("laptop", "Snakefile"), ("paper", "Snakefile")]
)
def test_every_cell_is_trained_and_evaluated(root, tmp_path, scale, snakefile):
    done = plan(root, tmp_path, "--snakefile", str(root / snakefile), "--config", f"scale={scale}", "device=cpu")
    assert done.returncode == 0
    assert f"scale: {scale} (as set), device cpu, {CELLS[scale]} cells\n" in done.stderr
    found = jobs(done.stdout + done.stderr)
    assert found["train"] == found["evaluate"] + found["evaluate_examples"] == CELLS[scale]
    drawn = drawn_at(scale, DATA | (BEYOND if scale == "paper" else {}))
    assert {name for name in found if name.startswith("data_")} == {f"data_{name}" for name in drawn}
    assert {name for name in found if name.startswith("ceiling_")} == {
        f"ceiling_{name}"
        for name in drawn
        if name.partition("_")[0] in ("bimodal", "multimodal") or "views" in name or "clusters" in name
    }
    assert {name for name in found if name.startswith("baselines_")} == {f"baselines_{name}" for name in drawn}
    assert found | REPORT == found


def test_beyond_adds_its_cells_and_makes_a_report_of_its_own(root, tmp_path):
    done = plan(root, tmp_path, "--config", "scale=laptop", "device=cpu", "--", "beyond")
    found = jobs(done.stdout + done.stderr)
    assert found["train"] == len(load("laptop", root, device="cpu", beyond=True).cells) > CELLS["laptop"]
    assert {name for name in found if name.startswith("data_")} == {
        f"data_{name}" for name in drawn_at("laptop", DATA | BEYOND)
    }
    assert [found[name] for name in ("collect", "claims", "tables", "macros")] == [1] * 4
    listed = plan(root, tmp_path, "--summary", "--config", "scale=laptop", "device=cpu", "--", "beyond").stdout
    made = {line.split("\t")[0] for line in listed.splitlines()}
    assert "results/laptop/beyond/claims.csv" in made and "results/laptop/claims.csv" not in made
    printed = {path for path in made if path.startswith(("figures/", "paper/"))} - {"paper/tables/scale.tex"}
    assert printed and all("/beyond/" in path or path == "paper/beyond.pdf" for path in printed)


def test_one_cell_needs_its_own_data_only_and_no_home(root, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    done = plan(root, tmp_path, "--config", "scale=smoke", "--", f"{ONE}/metrics.csv")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-2000:]
    assert jobs(done.stdout + done.stderr) == {"data_linear_dense": 1, "train": 1, "evaluate": 1}


def test_a_run_of_some_betas_tells_its_jobs(root, tmp_path):
    weights = "results/paper/bimodal/clusters-poe-masked/metrics.csv"
    options = ("--printshellcmds", "--config", "scale=paper", "experiments=[bimodal]", "beyond=[]")
    for betas, told in ((("betas=[1,0.1]",), " --betas 1.0 0.1 "), ((), "")):
        text = plan(root, tmp_path, *options, *betas, "--", weights).stdout
        commands = [line for line in text.splitlines() if "pimvae.cli train" in line or "pimvae.cli evaluate" in line]
        assert len(commands) == 2
        assert all(told in f"{line} " and ("--betas" in line) == bool(told) for line in commands)


def test_without_latex_everything_but_the_pdf_is_built(root, tmp_path):
    (tmp_path / "bin").mkdir()
    for program in ("bash", "which"):  # the SLURM plugin, where it is installed, looks around as soon as it is found
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    done = plan(root, tmp_path, "--config", "scale=smoke", path=str(tmp_path / "bin"))
    assert done.returncode == 0
    found = jobs(done.stdout + done.stderr)
    assert "paper" not in found
    assert found | REPORT == found


def test_a_wrong_setting_is_one_line(root, tmp_path):
    """tests/test_config.py has the other mistakes."""
    done = plan(root, tmp_path, "--config", "scal=smoke")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("pimvae: error: ")]
    assert len(errors) == 1
    assert "did you mean 'scale'?" in errors[0]
    assert "Traceback" not in done.stderr


@pytest.fixture
def checkout(root, tmp_path) -> Path:
    """A root with shipped results: files that hold nothing, which is all that a plan looks at."""
    for part in ("config", "notebooks", "paper", "profiles", "src", "workflow"):
        (tmp_path / part).symlink_to(root / part)
    shutil.copy(root / "Snakefile", tmp_path)
    names = ["metrics.csv", "runs.csv", "history.csv.gz", "settings.csv.gz", "runs.json", "linear/a/examples.npz"]
    archive.pack(dict.fromkeys(names, b""), tmp_path / "results" / "shipped" / "laptop")
    return tmp_path


def test_shipped_results_are_not_trained_again(checkout):
    done = plan(checkout, checkout, "--config", "results=shipped", "device=cpu")
    assert done.returncode == 0, done.stderr
    assert "scale: laptop (shipped results), nothing is trained\n" in done.stderr
    found = jobs(done.stdout + done.stderr)
    made = {"claims", "tables", "figure", "macros", "paper_scale"}
    assert set(found) - {"paper", "render_notebook"} == {"unpack", "all"} | made
    assert found["unpack"] == 1
    (checkout / "results" / "shipped" / "laptop" / "metrics.csv").write_text("another number")
    done = plan(checkout, checkout, "--config", "results=shipped", "device=cpu")
    errors = [line for line in done.stderr.splitlines() if line.startswith("pimvae: error: ")]
    assert done.returncode == 1 and len(errors) == 1 and "laptop/metrics.csv was changed" in errors[0]


def test_a_comparison_needs_shipped_results_before_anything_is_trained(root, checkout):
    options = ("--config", "device=cpu", "scale=laptop", "--", "compare")
    found = jobs((done := plan(checkout, checkout, *options)).stdout + done.stderr)
    assert (found["compare"], found["train"]) == (1, CELLS["laptop"])
    shutil.rmtree(checkout / "results")
    done = plan(checkout, checkout, *options)
    assert done.returncode == 1 and "results/shipped/laptop/manifest.json" in done.stdout + done.stderr


def made_up(checkout: Path) -> None:
    """Every file of the smoke scale, empty, with what Snakemake notes about how it was made."""
    options = ("--config", "scale=smoke", "device=cpu")
    listed = plan(checkout, checkout, *options, "--summary").stdout.splitlines()[1:]
    for line in listed:
        path = checkout / line.split("\t")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--touch", *options]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def due(folder: Path, python: str = sys.executable) -> dict[str, int]:
    command = [python, "-m", "snakemake", "--dry-run", "--config", "scale=smoke", "device=cpu"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if "site-packages" in path)}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found = jobs(done.stdout + done.stderr)
    found.pop("all", None)
    return found


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    for part in ("config", "notebooks", "profiles", "src", "tests", "workflow"):
        (folder / part).symlink_to(root / part)
    shutil.copytree(root / "paper", folder / "paper", ignore=shutil.ignore_patterns("tables", "build", "*.pdf"))
    shutil.copy(root / "Snakefile", folder)
    made_up(folder)
    return folder


def test_a_moved_project_and_another_python_make_nothing_due(finished, tmp_path):
    moved = tmp_path / "moved elsewhere"
    subprocess.run(["cp", "-a", finished, moved], check=True)
    (tmp_path / "python").symlink_to(os.path.realpath(sys.executable))
    assert due(moved, str(tmp_path / "python")) == {}


@pytest.mark.parametrize(("lost", "made"), [("", ["train", "evaluate"]), ("metrics.csv", ["evaluate"])])
def test_a_deleted_cell_is_made_again(finished, tmp_path, lost, made):
    moved = tmp_path / "moved"
    subprocess.run(["cp", "-a", finished, moved], check=True)
    shutil.rmtree(moved / ONE) if not lost else (moved / ONE / lost).unlink()
    found = due(moved)
    assert {name: found[name] for name in ("train", "evaluate", "collect") if name in found} == dict.fromkeys(
        [*made, "collect"], 1
    )
