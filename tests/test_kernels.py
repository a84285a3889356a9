"""Where kernels of torch.compile are kept: with the run, unless the user said otherwise."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import training_cell

from pimvae.cli import main
from pimvae.config.schema import LinearData
from pimvae.data.job import run as make_data
from pimvae.kernels import COMPILED, KERNELS, kernels_in
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
    with kernels_in(tmp_path / "run"):
        with kernels_in(tmp_path / "other"):  # the outer one stays
            compiled._keep_kernels()
            assert os.environ[compiled.KERNELS] == str(tmp_path / "run")
        assert os.environ[KERNELS] == str(tmp_path / "run")
    with kernels_in(tmp_path / "run"):
        (tmp_path / "run").mkdir()  # as torch does before it knows whether it compiles
    with kernels_in(None):
        compiled._keep_kernels()
        assert os.environ[KERNELS] == str(tmp_path / "cache" / "pimvae" / "kernels")
    assert KERNELS not in os.environ and not (tmp_path / "run").exists()
    monkeypatch.setenv(KERNELS, "/tmp/torchinductor_me")  # torch did so, when it was asked for its cache
    with kernels_in(tmp_path / "run"):
        assert os.environ[KERNELS] == str(tmp_path / "run")
    assert os.environ[KERNELS] == "/tmp/torchinductor_me"
    monkeypatch.setenv(KERNELS, "mine")
    with kernels_in(tmp_path / "run"):
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


@pytest.mark.parametrize("named", [None, "/mine"])
def test_every_training_with_a_folder_keeps_them_there(root, tmp_path, place, monkeypatch, named):
    if named:
        monkeypatch.setenv(KERNELS, named)
    out, data = tmp_path / "run", {"a": torch.randn(20, 3).numpy(), "b": torch.randn(20, 2).numpy()}
    cell = ["linear", "dense-poe-masked", "--scale", "smoke", "--root", str(root), "--data", "data"]
    with pytest.raises(ReachedError):
        main(["train", *cell, "--out", str(out)])
    with pytest.raises(ReachedError):
        MultimodalVAE.from_data(data).fit(data, checkpoint=Checkpoint(tmp_path / "saved", "", 60.0))
    with pytest.raises(ReachedError):
        MultimodalVAE.from_data(data).fit(data)
    np.savez(tmp_path / "my.npz", **data)
    with pytest.raises(ReachedError):
        main(
            [
                "train",
                "--data",
                str(tmp_path / "my.npz"),
                "--out",
                str(out),
                "--checkpoint",
                str(tmp_path / "c" / "saved"),
            ]
        )
    expected = [str(out / COMPILED), str(tmp_path / COMPILED), None, str(out / COMPILED)]
    assert place == (4 * [named] if named else expected)


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix in (".so", ".cpp")}


def test_a_second_training_of_equal_shape_finds_the_kernels_of_the_first(tmp_path):
    data = LinearData(loading="dense", modalities=2, dim_low=3, dim_high=5, latent=2, samples=20)
    make_data(data, [0], tmp_path / "data")
    cell = training_cell("poe", steps=2, compile="always").model_copy(update={"data": data})
    left = []
    for name in ("first", "second"):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        with kernels_in(tmp_path / COMPILED):
            job.run(cell, tmp_path / "data", tmp_path / name, "cpu")
        counted = torch._dynamo.utils.counters
        missed = counted["inductor"]["fxgraph_cache_miss"] + counted["aot_autograd"]["autograd_cache_miss"]
        left.append((files(tmp_path / COMPILED), missed))
    assert left[0][0] and left[0][1]
    assert left[1] == (left[0][0], 0)
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("first", "second")]
    assert weights[0] == weights[1]
    assert {path.name for path in (tmp_path / "first").iterdir()} == {"history.csv", "run.json", "weights.safetensors"}
