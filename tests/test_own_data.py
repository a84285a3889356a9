"""Own data through the command line: train, evaluate, collect."""

import csv
import json

import numpy as np
import pytest

from pimvae.cli import main

TINY = ["--seeds", "2", "--set", "train.steps=3", "--set", "train.history_every=1", "--set", "model.latent=2",
        "--set", "model.encoder_widths=[8]", "--set", "model.features=8", "--set", "model.pooling_width=8",
        "--set", "train.batch_size=16", "--set", "evaluation.particles=8", "--set", "evaluation.draws=2"]  # fmt: skip
SCHEME = ["--aggregator", "sum_pooling", "--objective", "masked"]


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


def test_from_a_file_to_metrics(file, tmp_path, capsys):
    assert main(["train", "--data", file, *SCHEME, *TINY]) == 0
    folder = tmp_path / "results" / "own" / "my-sum_pooling-masked"
    assert capsys.readouterr().out == "results/own/my-sum_pooling-masked\n"
    record = json.loads((folder / "run.json").read_text())
    assert record["cell"]["data"] == {"kind": "npz", "path": "my.npz", "samples": 40}
    assert record["cell"]["train"]["steps"] == 3 and record["cell"]["seeds"] == [0, 1]

    assert main(["evaluate", "--data", file, *SCHEME]) == 0
    printed = capsys.readouterr().out.splitlines()
    with (folder / "metrics.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    found = {(row["split"], row["metric"], row["subset"]) for row in rows}
    for split in ("train", "test"):
        assert {(split, "llh", "all"), (split, "llh", "unimodal"), (split, "rate", "all"),
                (split, "cross_rate", "unimodal"), (split, "reconstruction", "all")} <= found  # fmt: skip
    assert np.isfinite([float(row["value"]) for row in rows]).all()
    assert len(printed) == len(found) + 1
    mean = np.mean([float(row["value"]) for row in rows
                    if (row["split"], row["metric"], row["subset"]) == ("test", "llh", "all")])  # fmt: skip
    assert any(line.split()[:3] == ["test", "llh", "all"] and float(line.split()[3]) == pytest.approx(mean, rel=1e-4)
               for line in printed)  # fmt: skip

    assert main(["collect", "--out", "joined", str(folder)]) == 0
    assert len((tmp_path / "joined" / "metrics.csv").read_text().splitlines()) == len(rows) + 1

    changed = arrays()
    changed["y"][0, 0] += 1
    np.savez("other.npz", **changed)
    before = (folder / "metrics.csv").read_bytes()
    assert main(["evaluate", "--data", "other.npz", "--run", str(folder)]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("pimvae: error: ") and "is not what the run was trained on" in error
    assert (folder / "metrics.csv").read_bytes() == before


MISTAKES = {
    "no scheme": (["train", "--data", "my.npz"], "required: --aggregator, --objective"),
    "no run": (["evaluate", "--data", "my.npz"], "required: --aggregator, --objective"),
    "aggregator": (["train", "--data", "my.npz", "--aggregator", "sum", "--objective", "masked"], "unknown aggregator"),
    "objective": (["train", "--data", "my.npz", "--aggregator", "poe", "--objective", "maskd"], "mean 'masked'?"),
    "cell": (["train", "linear", "dense-poe-masked", "--data", "my.npz", *SCHEME], "leave 'linear' out"),
    "folder": (["train", "--data", "folder", *SCHEME], "go with --data FILE.npz"),
    "file": (["train", "--data", "mine.npz", *SCHEME], "mine.npz does not exist"),
    "setting": (["train", "--data", "my.npz", *SCHEME, "--set", "steps=3"], "expected part.key=value"),
    "part": (["train", "--data", "my.npz", *SCHEME, "--set", "modle.latent=3"], "did you mean 'model'?"),
    "key": (["train", "--data", "my.npz", *SCHEME, "--set", "model.latents=3"], "did you mean 'latent'?"),
    "value": (["train", "--data", "my.npz", *SCHEME, "--set", "train.steps=many"], "got 'many'"),
    "batch": (["train", "--data", "my.npz", *SCHEME, "--set", "train.batch_size=99"], "exceeds the 40 samples"),
    "seeds": (["train", "--data", "my.npz", *SCHEME, "--seeds", "0"], "--seeds is 0"),
    "private": (["train", "--data", "my.npz", "--aggregator", "private_poe", "--objective", "masked"], "needs private"),
    "scheme": (["train", "--data", "my.npz", *SCHEME, "--set", "model.aggregator=poe"], "say --aggregator NAME"),
    "bound": (["train", "--data", "my.npz", *SCHEME, "--set", "objective.name=mixture"], "say --objective NAME"),
    "checkpoint": (["train", "--data", "my.npz", *SCHEME, "--checkpoint", "c"], "--checkpoint goes with an exp"),
    "scale": (["train", "--data", "my.npz", *SCHEME, "--scale", "paper"], "--scale goes with an experiment's cell"),
    "root": (["evaluate", "--data", "my.npz", *SCHEME, "--root", "x"], "--root goes with an experiment's cell"),
    "set": (["train", "linear", "a", "--data", "d", "--out", "o", "--set", "model.latent=3"], "--set goes with --data"),
    "number": (["train", "linear", "a", "--data", "d", "--out", "o", "--seeds", "4"], "--seeds goes with --data"),
    "nothing there": (["evaluate", "--data", "my.npz", *SCHEME], "run.json does not exist"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(file, tmp_path, capsys, arguments, message):
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and message in captured.err
    assert captured.err.startswith("pimvae: error: ") and captured.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["my.npz"]


def test_data_far_from_unit_scale_are_pointed_out(file, capsys):
    np.savez(file, **{name: values * (1000 if name.startswith("y") else 1) for name, values in arrays().items()})
    assert main(["train", "--data", file, *SCHEME, *TINY]) == 0
    assert "pimvae: note: the spread of modality 1 is " in capsys.readouterr().err


def test_the_record_of_another_version_is_one_line(file, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps({"cell": {"experiment": "own", "colour": "red"}}))
    assert main(["evaluate", "--data", file, "--run", "run"]) == 1
    assert "is not the record of a run of this version" in capsys.readouterr().err
