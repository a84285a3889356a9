"""Training of own data that is cut off: the same command goes on to the same bytes, wherever that was."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from pimvae.cli import main
from pimvae.data.readers import read_memory
from pimvae.library import MultimodalVAE
from pimvae.library.data import pack_collection
from pimvae.training import fit as training
from pimvae.training.checkpoint import Checkpoint
from pimvae.training.early_stopping import EarlyStopping
from pimvae.training.loop import Trainer

STEPS, EVERY = 10, 3  # then half as many for the encoders
SIZES = {"train.steps": STEPS, "train.history_every": EVERY, "train.batch_size": 16, "model.latent": 2,
         "model.encoder_widths": [8], "model.features": 8, "model.pooling_width": 8}  # fmt: skip
COMMAND = ["train", "--data", "my.npz", "--seeds", "2", "--out", "run",
           *(text for key, value in SIZES.items() for text in ("--set", f"{key}={value}"))]  # fmt: skip
FILES = ("weights.safetensors", "history.csv")


class Cut(BaseException):
    """As a loss of power would end it."""


def contents(folder: Path) -> dict[str, object]:
    """What does not depend on the clock."""
    record = json.loads((folder / "run.json").read_text())
    kept = {key: record[key] for key in ("training", "replicas", "steps", "entries", "weights_sha256", "cell")}
    return {name: (folder / name).read_bytes() for name in FILES} | kept


def draw(folder: Path) -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(40, 3)), generator.normal(size=(40, 2))
    x[:10] = np.nan
    np.savez(folder / "my.npz", x=x, y=y)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The training that was not cut off, without validation samples (0) and with some."""
    folder = tmp_path_factory.mktemp("whole")
    draw(folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(COMMAND) == 0
    finally:
        os.chdir(before)
    assert sorted(path.name for path in (folder / "run").iterdir()) == sorted([*FILES, "run.json"])
    return contents(folder / "run")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw(tmp_path)


def at_step(monkeypatch, number: int, action) -> None:
    """Do something after the given step, counted over both parts, once a checkpoint is written."""
    plain, steps = Checkpoint.after_step, []

    def counted(self, subject):
        plain(self, subject)
        steps.append(1)
        if len(steps) == number:
            action()

    monkeypatch.setattr(Checkpoint, "after_step", counted)


def cut() -> None:
    raise Cut


def terminated() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("step", [1, EVERY, EVERY + 1, STEPS, STEPS + 1, STEPS + 4])
def test_cut_off_without_notice(monkeypatch, whole, step):
    """In the middle of a window, at its end before the bound is looked at, at the end of a part."""
    with monkeypatch.context() as patched, pytest.raises(Cut):
        at_step(patched, step, cut)
        main([*COMMAND, "--checkpoint-seconds", "0"])
    assert not Path("run/run.json").exists()
    assert main(COMMAND) == 0
    assert contents(Path("run")) == whole
    assert sorted(path.name for path in Path("run").iterdir()) == sorted([*FILES, "run.json"])


@pytest.mark.parametrize("step", [2, STEPS + 2])
def test_told_to_stop(monkeypatch, capsys, whole, step):
    """Long before a checkpoint is due."""
    with monkeypatch.context() as patched:
        at_step(patched, step, terminated)
        assert main([*COMMAND, "--checkpoint", "c"]) == 143
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "pimvae: stopped by SIGTERM: after step 2, the same command goes on from there"
    assert not Path("run").exists() and list(Path().glob("c.*"))
    assert main([*COMMAND, "--checkpoint", "c"]) == 0
    assert "pimvae: going on from c." in capsys.readouterr().err
    assert contents(Path("run")) == whole and not list(Path().glob("c.*"))


@pytest.mark.parametrize("replica", [0, 1])
def test_told_to_stop_among_the_decoders(monkeypatch, capsys, whole, replica):
    """At once: what was done before is saved, and not done again, for decoders take longest."""
    plain, done = training.polish, []

    def polish(*arguments):
        done.append(1)
        return plain(*arguments)

    def told(*arguments):
        if len(done) == replica:
            terminated()
        return polish(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(training, "polish", told)
        assert main(COMMAND) == 143
        assert capsys.readouterr().err.splitlines()[-1] == "pimvae: stopped by SIGTERM"
        assert len(done) == replica
        patched.setattr(training, "polish", polish)
        assert main(COMMAND) == 0
    assert len(done) == 4  # once for each of two seeds and two priors
    assert contents(Path("run")) == whole


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(monkeypatch, capsys, whole):
    with monkeypatch.context() as patched, pytest.raises(Cut):
        at_step(patched, 4, cut)
        main([*COMMAND, "--checkpoint-seconds", "0", "--set", "train.learning_rate=0.1"])
    assert main([*COMMAND, "--bad-checkpoint", "stop"]) == 1
    assert "is of another training" in capsys.readouterr().err.splitlines()[-1]
    assert main(COMMAND) == 0
    assert "training starts afresh" in capsys.readouterr().err
    assert contents(Path("run")) == whole


def test_the_bound_of_many_validation_samples_is_that_of_their_blocks(monkeypatch):
    """Without noise, and with the whole set as subset, it is a mean over samples."""

    def draw(trainer, observed):
        rows, latent = observed.shape[1], trainer.latent
        return observed[:, None], torch.ones(1, 1, rows), torch.zeros(1, trainer.components, 1, 2, rows, latent)

    taken = []
    monkeypatch.setattr(Trainer, "_draw", lambda trainer, rows: taken.append(rows.shape[1]) or draw(trainer, rows))
    g = np.random.default_rng(0)
    views = {"x": g.normal(size=(20, 3)), "y": g.normal(size=(20, 2))}
    model = MultimodalVAE.from_data(views, settings={key: value for key, value in SIZES.items() if "model" in key})
    samples = [pack_collection(read_memory(views), model.modalities)]
    cell = model.cell.model_copy(update={"seeds": (0,)})
    trainer = Trainer(cell, [model.fresh(0)], samples, (0,), [1.0], torch.device("cpu"))
    (at_once,) = EarlyStopping(trainer, samples).look()
    monkeypatch.setattr("pimvae.training.early_stopping.ROWS_LOOKED_AT", 16)
    (in_blocks,) = EarlyStopping(trainer, samples).look()
    assert taken == [1020, 16, 4] and in_blocks == pytest.approx(at_once, rel=1e-5)
