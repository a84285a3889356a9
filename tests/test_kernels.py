"""Where kernels of torch.compile are kept: with the run, unless the user said otherwise."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import training_cell

from pimvae.cli import main
from pimvae.config import experiments
from pimvae.config.schema import LinearData
from pimvae.data.job import run as make_data
from pimvae.kernels import COMPILED, KERNELS, kernels_in, kernels_of, takes_compilers
from pimvae.library import MultimodalVAE
from pimvae.training import compiled, job
from pimvae.training.checkpoint import Checkpoint


@pytest.fixture(autouse=True)
def unset(monkeypatch, tmp_path):
    """As a user has it who chose nothing; tests of compiled steps may have left a place."""
    monkeypatch.delenv(KERNELS, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(compiled.WORKERS, "1")


def test_the_variable_is_torchs_own_and_as_before_afterwards(tmp_path, monkeypatch):
    with kernels_in(tmp_path / "run", "always"):
        with kernels_in(tmp_path / "other", "always"):  # the outer one stays
            compiled._keep_kernels()
            assert os.environ[compiled.KERNELS] == str(tmp_path / "run")
        assert os.environ[KERNELS] == str(tmp_path / "run")
    with kernels_in(tmp_path / "run", "always"):
        (tmp_path / "run").mkdir()  # as torch does before it knows whether it compiles
    with kernels_in(None, "always"):
        compiled._keep_kernels()
        assert os.environ[KERNELS] == str(tmp_path / "cache" / "pimvae" / "kernels")
    assert KERNELS not in os.environ and not (tmp_path / "run").exists()
    monkeypatch.setenv(KERNELS, "/tmp/torchinductor_me")  # torch did so, when it was asked for its cache
    with kernels_in(tmp_path / "run", "always"):
        assert os.environ[KERNELS] == str(tmp_path / "run")
    assert os.environ[KERNELS] == "/tmp/torchinductor_me"
    monkeypatch.setenv(KERNELS, "mine")
    with kernels_in(tmp_path / "run", "always"):
        assert os.environ[KERNELS] == "mine"
    assert os.environ[KERNELS] == "mine"


class ReachedError(Exception):
    pass


@pytest.fixture
def place(monkeypatch):
    """The folder in which a training would keep its kernels; the training itself is left out."""
    found = []

    def reached(*_args, **_keys):
        found.append(os.environ.get(KERNELS))
        raise ReachedError

    monkeypatch.setattr(job, "run", reached)
    monkeypatch.setattr("pimvae.library.model.fit", reached)
    return found


@pytest.fixture
def compiling(monkeypatch):
    """Cells of the configuration are compiled."""
    find = experiments.find_cell

    def found(*arguments):
        cell = find(*arguments)
        return cell.model_copy(update={"train": cell.train.model_copy(update={"compile": "always"})})

    monkeypatch.setattr(experiments, "find_cell", found)


def commands(root: Path, out: Path, data: Path) -> list[list[str]]:
    """Trainings by the command line: a cell, and data of one's own."""
    own = ["train", "--data", str(data), "--out", str(out), "--checkpoint", str(data.parent / "c" / "saved")]
    cell = ["train", "linear", "dense-poe-masked", "--scale", "smoke", "--root", str(root), "--data", "data"]
    return [[*cell, "--out", str(out)], own]


@pytest.mark.parametrize("named", [None, "/mine"])
def test_every_training_with_a_folder_keeps_them_there(root, tmp_path, place, monkeypatch, compiling, named):
    if named:
        monkeypatch.setenv(KERNELS, named)
    data, settings = {"a": torch.randn(20, 3).numpy(), "b": torch.randn(20, 2).numpy()}, {"train.compile": "always"}
    np.savez(tmp_path / "my.npz", **data)
    cell, own = commands(root, tmp_path / "run", tmp_path / "my.npz")
    for command in (cell, [*own, "--set", "train.compile=always"]):
        with pytest.raises(ReachedError):
            main(command)
    for checkpoint in (Checkpoint(tmp_path / "saved", "", 60.0), None):
        with pytest.raises(ReachedError):
            MultimodalVAE.from_data(data, settings=settings).fit(data, checkpoint=checkpoint)
    run = str(tmp_path / "run" / COMPILED)
    assert place == (4 * [named] if named else [run, run, str(tmp_path / COMPILED), None])


def test_a_training_that_compiles_nothing_names_no_folder(root, tmp_path, place):
    """Torch would make it, and a training that ends before its first step would leave it."""
    np.savez(tmp_path / "my.npz", a=torch.randn(20, 3).numpy(), b=torch.randn(20, 2).numpy())
    for command in commands(root, tmp_path / "run", tmp_path / "my.npz"):
        with pytest.raises(ReachedError):
            main(command)
    assert place == [None, None]


def test_the_jobs_of_a_workflow_share_a_folder_if_any_of_them_compiles(monkeypatch):
    assert kernels_of(["never", "never"], "/runs/(new)") == ""
    assert kernels_of(["never", "auto"], "/runs/(new)") == f" {KERNELS}='/runs/(new)/{COMPILED}'"
    monkeypatch.setenv(KERNELS, "/mine")
    assert kernels_of(["always"], "/runs/(new)") == f" {KERNELS}=/mine"


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix in (".so", ".cpp")}


@pytest.mark.skipif(not takes_compilers(torch.__file__), reason="torch lies in a path with a space")
def test_a_second_training_of_equal_shape_finds_the_kernels_of_the_first(tmp_path):
    data = LinearData(loading="dense", modalities=2, dim_low=3, dim_high=5, latent=2, samples=20)
    make_data(data, [0], tmp_path / "data")
    cell = training_cell("poe", steps=2, compile="always").model_copy(update={"data": data})
    left = []
    for name in ("first", "second"):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        with kernels_in(tmp_path / COMPILED, "always"):
            job.run(cell, tmp_path / "data", tmp_path / name, "cpu")
        counted = torch._dynamo.utils.counters
        missed = counted["inductor"]["fxgraph_cache_miss"] + counted["aot_autograd"]["autograd_cache_miss"]
        left.append((files(tmp_path / COMPILED), missed))
    assert left[0][0] and left[0][1]
    assert left[1] == (left[0][0], 0)
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("first", "second")]
    assert weights[0] == weights[1]
    assert {path.name for path in (tmp_path / "first").iterdir()} == {"history.csv", "run.json", "weights.safetensors"}


def test_a_project_in_a_path_with_a_space_keeps_kernels_elsewhere(tmp_path):
    """Torch's commands for the compiler have no quotes: there would be no compiled step."""
    with kernels_in(tmp_path / "my project" / "run", "always"):
        compiled._keep_kernels()
        assert os.environ[KERNELS] == str(tmp_path / "cache" / "pimvae" / "kernels")
    assert kernels_of(["always"], str(tmp_path / "my project")) == "" != kernels_of(["always"], str(tmp_path))
