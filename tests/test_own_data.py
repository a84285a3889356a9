"""Own data through the command line: describe, train, evaluate, encode, impute, collect."""

import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pimvae.claims.statistics import mean_interval
from pimvae.cli import main
from pimvae.training.early_stopping import EarlyStopping

TINY = ["--seeds", "2", "--set", "train.steps=4", "--set", "train.history_every=2", "--set", "model.latent=2",
        "--set", "model.encoder_widths=[8]", "--set", "model.features=8", "--set", "model.pooling_width=8",
        "--set", "train.batch_size=16", "--set", "evaluation.particles=8", "--set", "evaluation.draws=2"]  # fmt: skip
FOLDER = Path("results") / "own" / "my-sum_pooling-masked"


def arrays() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    x, y, label = generator.normal(size=(60, 3)), generator.normal(size=(60, 2)), generator.integers(3, size=60)
    x[:10], label[10:20] = np.nan, -1
    return {"x": x[:40], "y": y[:40], "label": label[:40], "x_test": x[40:], "y_test": y[40:], "label_test": label[40:]}


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("my.npz", **arrays())
    return "my.npz"


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for name, kept in (("blood, values", slice(0, 40)), ("scan", slice(10, 50))):
        ids = [f"{i:03d}" for i in range(50)][kept]
        pd.DataFrame({"id": ids, "a": generator.normal(size=40), "b": generator.normal(size=40)}).to_csv(
            f"{name}.csv", index=False
        )
    (tmp_path / "group.csv").write_text(
        "id,group\n" + "".join(f"{i:03d},{'hi' if i % 2 else 'lo'}\n" for i in range(45))
    )
    return ["--data", "blood, values.csv", "--data", "scan.csv", "--data", "group.csv"]


def rows_of(path):
    with path.open(encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_from_a_file_to_metrics(file, tmp_path, capsys):
    assert main(["train", "--data", file, *TINY]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{FOLDER}\n"
    assert "label  categorical 3 classes: 0, 1, 2; 10 of 40 missing" in captured.err  # said before it trains
    record = json.loads((FOLDER / "run.json").read_text())
    stated = {"kind": "own", "source": "my.npz", "samples": 40, "validation": 0.15, "chooses_prior": True}
    assert record["cell"]["data"] == stated
    assert record["cell"]["train"]["steps"] == 4 and record["cell"]["seeds"] == [0, 1]

    assert main(["evaluate", "--data", file]) == 0
    printed = capsys.readouterr().out.splitlines()
    rows = rows_of(FOLDER / "metrics.csv")
    trained = len(rows)
    rows += rows_of(FOLDER / "baselines.csv")
    found = {(row["split"], row["metric"], row["subset"], row["baseline"]) for row in rows}
    for split in ("train", "test"):
        assert {(split, "llh", "all", ""), (split, "llh", "modality:x", ""), (split, "rate", "all", ""),
                (split, "r2", "modality:y", ""), (split, "accuracy", "modality:label", ""),
                (split, "cross_rate", "unimodal", ""), (split, "reconstruction", "all", ""),
                (split, "llh", "all", "independent"), (split, "llh", "all", "gaussian"),
                (split, "r2", "modality:y", "regression")} <= found  # fmt: skip
    assert np.isfinite([float(row["value"]) for row in rows]).all()
    values = [float(row["value"]) for row in rows
              if [row[k] for k in ("split", "metric", "subset", "baseline")] == ["test", "llh", "all", ""]]  # fmt: skip
    shown = next(line.split() for line in printed if line.split()[:3] == ["test", "llh", "all"])
    assert float(shown[3]) == pytest.approx(mean_interval(values).mean, rel=1e-4) and "gaussian" in shown
    page = (FOLDER / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4 and "llh" in page
    assert {p.name for p in FOLDER.glob("*.png")} == {"curves.png", "latents.png", "predictions.png", "rates.png"}

    more = ["--references", str(FOLDER / "baselines.csv")]
    assert main(["collect", "--out", "joined", str(FOLDER)]) == 0
    assert len(rows_of(tmp_path / "joined" / "metrics.csv")) == trained
    assert main(["collect", "--out", "joined", str(FOLDER), *more]) == 0
    assert len(rows_of(tmp_path / "joined" / "metrics.csv")) == len(rows)

    changed = arrays()
    changed["y"][0, 0] += 1
    np.savez("other.npz", **changed)
    before = (FOLDER / "metrics.csv").read_bytes()
    assert main(["evaluate", "--data", "other.npz", "--run", str(FOLDER)]) == 1
    assert "is not what the run was trained on" in capsys.readouterr().err.splitlines()[-1]
    assert (FOLDER / "metrics.csv").read_bytes() == before
    # a run is evaluated without naming its data, and its metrics go when it is trained again
    assert main(["evaluate", "--run", str(FOLDER)]) == 0
    assert (FOLDER / "metrics.csv").read_bytes() == before
    assert main(["train", "--data", file, *TINY]) == 0
    assert not (FOLDER / "metrics.csv").exists()


def test_from_tables_to_latents_and_imputations(tables, tmp_path, capsys):
    assert main(["train", *tables, "--id", "id", "--name", "my", "--test-fraction", "0.2", *TINY]) == 0
    assert main(["encode", "--run", str(FOLDER)]) == 0
    latents = pd.read_csv(FOLDER / "latents.csv", dtype={"id": str}).set_index("id")
    assert sorted(latents.index) == [f"{i:03d}" for i in range(50)]
    assert list(latents) == ["z0", "z1", "z0_sd", "z1_sd"] and (latents[["z0_sd", "z1_sd"]] > 0).all(axis=None)
    assert main(["impute", "--run", str(FOLDER), "--out", "filled"]) == 0
    blood = pd.read_csv("filled/blood%2C values.csv", dtype={"id": str}).set_index("id")
    given = pd.read_csv("blood, values.csv", dtype={"id": str}).set_index("id")
    assert list(blood) == ["a", "b", "a_sd", "b_sd"] and len(blood) == 50
    np.testing.assert_array_equal(blood.loc[given.index, ["a", "b"]], given)
    written = {row["id"]: row["a"] for row in rows_of(Path("blood, values.csv"))}
    found = {row["id"]: row["a"] for row in rows_of(Path("filled/blood%2C values.csv"))}
    assert written.items() <= found.items()  # the same text
    assert (blood.loc[given.index, "a_sd"] == 0).all() and (blood["a_sd"].drop(given.index) > 0).all()
    group = pd.read_csv("filled/group.csv", dtype={"id": str}).set_index("id")
    assert list(group) == ["group", "group=hi", "group=lo"] and set(group["group"]) == {"hi", "lo"}
    np.testing.assert_allclose(group[["group=hi", "group=lo"]].sum(axis=1), 1)
    observed = pd.read_csv("group.csv", dtype={"id": str}).set_index("id")["group"].dropna()
    assert 0 < len(observed) < len(group)
    for label in ("hi", "lo"):  # certain where the label is observed, and there alone
        chances = group[f"group={label}"]
        np.testing.assert_array_equal(chances[observed.index], (observed == label).astype(float))
        assert chances.drop(observed.index).between(0, 1, inclusive="neither").all()

    # other samples, of some modalities only
    pd.DataFrame({"id": ["new"], "a": [0.5], "b": [1.5]}).to_csv("scan.csv", index=False)
    assert main(["encode", "--run", str(FOLDER), "--data", "scan.csv", "--id", "id", "--out", "new.csv"]) == 0
    assert rows_of(tmp_path / "new.csv")[0]["id"] == "new"
    np.savez("both.npz", **{"blood, values": [[0.5, 1.5]], "scan": [[0.5, 1.5]]})  # a format without columns of ids
    assert main(["encode", "--run", str(FOLDER), "--data", "both.npz", "--out", "both.csv"]) == 0
    assert len(rows_of(tmp_path / "both.csv")) == 1
    capsys.readouterr()
    assert main(["encode", "--run", str(FOLDER), "--out", "latents.txt"]) == 1
    assert "unknown format '.txt'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["encode", "evaluate"])
def test_data_that_moved_after_the_training(file, capsys, command):
    assert main(["train", "--data", file, *TINY]) == 0
    Path(file).rename("other.npz")
    capsys.readouterr()
    assert main([command, "--run", str(FOLDER)]) == 1
    assert "my.npz, which the run was trained on, does not exist here: say where it is with --data" in (
        capsys.readouterr().err
    )
    assert main([command, "--run", str(FOLDER), "--data", "other.npz"]) == 0


def test_describe_trains_nothing(file, tmp_path, capsys):
    assert main(["train", "--data", file, "--describe", "--kind", "label=categorical"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "40 training samples, 20 held out" and len(printed) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["my.npz"]


def test_few_samples_are_trained_with_a_note(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("my.npz", **{name: np.random.default_rng(0).normal(size=(3, 2)) for name in ("x", "y")})
    options = [part for pair in zip(TINY[::2], TINY[1::2], strict=True) if "batch" not in pair[1] for part in pair]
    assert main(["train", "--data", "my.npz", "--out", "run", *options, "--seeds", "1"]) == 0
    assert "pimvae: note: only 3 training samples: none of fewer than 20 is kept" in capsys.readouterr().err
    assert main(["evaluate", "--run", "run"]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("one seed, no intervals; ") and "the model minus the simple model" in told
    assert main(["train", "--data", "my.npz", "--describe"]) == 0
    assert "only 3 training samples" in capsys.readouterr().out


def test_a_search_decides_by_validation_samples(file, capsys, monkeypatch):
    monkeypatch.setattr("pimvae.own.tuning.CANDIDATES", ({}, {"decoder": "injective", "latent": 0.5}))
    assert main(["train", "--data", file, "--tune", *TINY]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("tried", "chosen"))]
    scores = {line.split(": ")[0].removeprefix("tried "): float(line.split()[-5]) for line in told[:-1]}
    assert told[-1] == f"chosen: {max(scores, key=scores.get)}"


def test_an_imputed_table_with_two_columns_of_one_name_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for name, columns in (("a", "key,x,x_sd"), ("b", "key,y,z")):
        rows = "".join(f"{i},{p!r},{q!r}\n" for i, (p, q) in enumerate(generator.normal(size=(30, 2)).tolist()))
        Path(f"{name}.csv").write_text(f"{columns}\n{rows}")
    assert main(["train", "--data", "a.csv", "--data", "b.csv", "--name", "my", *TINY]) == 0
    capsys.readouterr()
    assert main(["impute", "--run", "results/own/my-sum_pooling-masked"]) == 1
    assert "the table of 'a' would have two columns 'x_sd': rename that of the data" in capsys.readouterr().err
    assert not list(Path().rglob("imputed"))


def test_a_search_without_validation_samples_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("my.npz", **{name: np.random.default_rng(0).normal(size=(19, 2)) for name in ("x", "y")})
    assert main(["train", "--data", "my.npz", "--tune", *TINY]) == 1
    assert "of 19 samples none are kept for that: leave --tune out, or have at least 20" in capsys.readouterr().err
    assert not list(Path("results").rglob("run.json"))


def test_a_used_folder_is_not_written_over_by_another_run(file, capsys):
    assert main(["train", "--data", file, *TINY]) == 0
    before = (FOLDER / "run.json").read_bytes()
    assert main(["train", "--data", file, *TINY, "--set", "train.learning_rate=0.1"]) == 1
    assert "holds a run of other settings (train): name this run with --name" in capsys.readouterr().err
    Path("folder").mkdir()
    np.savez("folder/my.npz", **{name: values[::-1] for name, values in arrays().items()})
    assert main(["train", "--data", "folder/my.npz", *TINY]) == 1
    assert "holds the run of other data" in capsys.readouterr().err
    assert (FOLDER / "run.json").read_bytes() == before
    assert main(["train", "--data", file, *TINY, "--set", "train.learning_rate=0.1", "--name", "fast"]) == 0
    fast = json.loads(Path("results/own/fast-sum_pooling-masked/run.json").read_text())
    assert fast["cell"]["dataset"] == "fast" and fast["cell"]["train"]["learning_rate"] == 0.1


def test_how_data_are_read_and_searched_is_part_of_a_run(file, capsys, monkeypatch):
    monkeypatch.setattr("pimvae.own.tuning.CANDIDATES", ({}, {"decoder": "injective"}))
    for options, changes in (
        ([], {"standardise": ["--no-standardise"], "kinds": ["--kind", "y=gaussian"], "tuned": ["--tune"],
              "model": ["--set", "model.prior=standard"]}),
        (["--tune"], {"train": ["--set", "train.learning_rate=0.1"], "kinds": ["--kind", "y=gaussian"],
                      "model": ["--set", "model.prior=standard"], "tuned_from": ["--set", "model.decoder=injective"]}),
    ):  # fmt: skip
        start = ["train", "--data", file, "--out", f"run{len(options)}", *TINY, *options]
        for _ in range(2):  # the same one may
            assert main(start) == 0
        path = Path(f"run{len(options)}/run.json")
        before = path.read_bytes()
        capsys.readouterr()
        for key, change in changes.items():
            assert main([*start, *change]) == 1
            assert re.search(rf"holds a run of other settings \(.*\b{key}\b.*\): name", capsys.readouterr().err)
        assert path.read_bytes() == before
    for key in ("ids", "kinds", "places", "test_fraction", "standardise"):
        record = json.loads(before)
        path.write_text(json.dumps(record | {"data": record["data"] | {key: "other"}}))
        assert main(start) == 1
        assert f"holds a run of other settings ({key}): name" in capsys.readouterr().err


def test_a_checkpoint_is_of_the_code_that_wrote_it(file, capsys, monkeypatch):
    monkeypatch.setattr("pimvae.training.fit.forget", lambda checkpoint: None)
    start = ["train", "--data", file, *TINY, "--checkpoint-seconds", "0"]
    assert main(start) == 0
    capsys.readouterr()
    assert main(start) == 0
    assert "pimvae: going on from" in capsys.readouterr().err
    monkeypatch.setattr("pimvae.results.provenance.digest", lambda paths: "other code")
    assert main([*start, "--bad-checkpoint", "stop"]) == 1
    assert "is of another training" in capsys.readouterr().err
    assert main(start) == 0
    assert "training starts afresh" in capsys.readouterr().err


@pytest.mark.parametrize("validation", [True, False])
def test_when_every_seed_diverges_it_ends_with_what_to_try(file, tmp_path, capsys, validation):
    """With validation samples the weights before the first step would be the best ones: they are no model either."""
    if not validation:
        np.savez("my.npz", **{name: arrays()[name][10:28] for name in ("x", "y")})  # too few to hold some out
    huge = ["--set", "train.learning_rate=1.0e+30"]
    assert main(["train", "--data", file, *TINY, *huge]) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == (
        "pimvae: error: 2 of 2 replicas of my-sum_pooling-masked diverged: try a train.learning_rate below 1e+30 or a "
        "train.clip below 1000"
    )
    assert captured.out == "" and [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["my.npz"]
    assert not FOLDER.exists()


def test_a_seed_that_diverged_is_counted_and_has_no_other_number(file, capsys, monkeypatch):
    lost = EarlyStopping.lost
    monkeypatch.setattr(EarlyStopping, "lost", lambda self, r: r == 1 or lost(self, r))
    assert main(["train", "--data", file, *TINY]) == 0
    said = capsys.readouterr().err.splitlines()[-1]  # with the prior that was taken
    assert re.fullmatch(r"pimvae: note: 1 of 2 replicas of my-sum_pooling-masked(-mixture_prior)? diverged", said)
    record = json.loads((FOLDER / "run.json").read_text())
    assert [replica["diverged"] for replica in record["replicas"]] == [False, True]
    assert np.isnan(record["training"]["log_likelihood"][1]).all()
    assert main(["evaluate", "--run", str(FOLDER)]) == 0
    assert "1 of 2 seeds diverged and have no other number" in capsys.readouterr().out
    rows = rows_of(FOLDER / "metrics.csv")
    assert {row["metric"] for row in rows if row["seed"] == "1"} == {"diverged"}


TRAIN = ["train", "--data", "my.npz"]
MISTAKES = {
    "aggregator": ([*TRAIN, "--aggregator", "sum"], "unknown aggregator"),
    "objective": ([*TRAIN, "--objective", "maskd"], "mean 'masked'?"),
    "cell": (["train", "linear", "dense-poe-masked", "--data", "my.npz"], "leave 'linear' out"),
    "folder": (["train", "--data", "folder"], "folder"),
    "file": (["train", "--data", "mine.npz"], "mine.npz does not exist"),
    "setting": ([*TRAIN, "--set", "steps=3"], "expected part.key=value"),
    "part": ([*TRAIN, "--set", "modle.latent=3"], "did you mean 'model'?"),
    "key": ([*TRAIN, "--set", "model.latents=3"], "did you mean 'latent'?"),
    "value": ([*TRAIN, "--set", "train.steps=many"], "got 'many'"),
    "twice": ([*TRAIN, "--set", "train.steps=3", "--set", "train.steps=4"], "is given twice"),
    "owner": ([*TRAIN, "--set", "model.aggregator=poe"], "say aggregator instead"),
    "batch": ([*TRAIN, "--set", "train.batch_size=99"], "exceeds the 40 samples"),
    "seeds": ([*TRAIN, "--seeds", "0"], "--seeds is 0"),
    "own seeds": (["train", "linear", "c", "--data", "d", "--out", "o", "--seeds", "0"], "--seeds goes with own data"),
    "private": ([*TRAIN, "--aggregator", "private_poe"], "needs private"),
    "kind": ([*TRAIN, "--kind", "label=class"], "unknown kind 'class'"),
    "kind of nothing": ([*TRAIN, "--kind", "lable=categorical"], "did you mean 'label'?"),
    "form of a kind": ([*TRAIN, "--kind", "label"], "expected NAME=KIND"),
    "held out twice": ([*TRAIN, "--test-fraction", "0.1"], "has held-out samples already"),
    "no date": ([*TRAIN, "--set", "train.clip=2026-99-99"], "'2026-99-99' is not a value"),
    "brackets": ([*TRAIN, "--set", "train.clip=" + "[" * 5000], "is not a value"),
    "endless": ([*TRAIN, "--set", "train.clip=&a [*a]"], "is not a value"),
    "the data as checkpoint": ([*TRAIN, "--checkpoint", "my.npz"], "my.npz is no checkpoint and would be lost"),
    "a record as checkpoint": ([*TRAIN, "--out", "r", "--checkpoint", "r/run.json"], "the name of a file of the run"),
    "memory": ([*TRAIN, "--set", "model.latent=100000000000"], "more memory is needed than there is"),
    "no number": ([*TRAIN, "--set", f"model.latent={10**30}"], "must fit into 64 bits"),
    "scale": ([*TRAIN, "--scale", "smoke"], "--scale does not go with own data"),
    "root": ([*TRAIN, "--root", "elsewhere"], "--root does not go with own data"),
    "nothing there": (["evaluate", "--data", "my.npz"], "run.json does not exist: train on own data first"),
    "no data to evaluate": (["evaluate", "--data", "mine.csv"], "mine.csv does not exist: name a file"),
    "setting of no training": ([*TRAIN, "--describe", "--set", "train.stepz=5"], "did you mean 'steps'?"),
    "places in an archive": ([*TRAIN, "--describe", "--modality", "x=X"], "--modality names places in one .h5ad"),
    "places without data": (["encode", "--run", "r", "--modality", "x=X"], "--modality names places in one .h5ad"),
    "names beside a run": (["evaluate", "--run", "r", "--name", "n"], "leave --aggregator, --objective and --name out"),
    "own options": (["train", "linear", "c", "--data", "d", "--out", "o", "--tune"], "--tune goes with own data only"),
    "no data": (["train"], "required: "),
    "encode": (["encode", "--run", "nowhere"], "run.json does not exist"),
}


def test_names_that_mean_something_to_programs(tmp_path, monkeypatch, capsys):
    """To a shell, a path, HTML, and to Matplotlib, which sets text between two $ as mathematics."""
    monkeypatch.chdir(tmp_path)
    before = arrays()
    names = dict(zip(("x", "y", "label"), ("a$\\frac$b", "<b>&../y", "é 😀"), strict=True))
    np.savez("my.npz", **{names[key.removesuffix("_test")] + "_test" * key.endswith("_test"): values
                          for key, values in before.items()})  # fmt: skip
    (tmp_path / "my.npz").rename(os.fsdecode(b"\xffmy.npz"))
    assert main(["train", "--data", os.fsdecode(b"\xffmy.npz"), "--out", "run", *TINY]) == 0
    for command in ("evaluate", "impute", "encode"):
        assert main([command, "--run", "run"]) == 0
    assert "<b>" not in (tmp_path / "run" / "report.html").read_text(encoding="utf-8").replace("<body>", "")
    assert len(list((tmp_path / "run" / "imputed").iterdir())) == 3
    ids = [row["id"] for row in rows_of(tmp_path / "run" / "latents.csv")]
    assert ids == [str(i) for i in range(60)]  # held-out samples behind the others, none of their ids a second time
    capsys.readouterr()


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(file, tmp_path, capsys, arguments, message):
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and message in captured.err
    assert captured.err.startswith("pimvae: error: ") and captured.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["my.npz"]


def test_the_record_of_another_version_is_one_line(file, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps({"cell": {"experiment": "own", "colour": "red"}}))
    assert main(["evaluate", "--data", file, "--run", "run"]) == 1
    assert "is not the record of a run of this version" in capsys.readouterr().err
