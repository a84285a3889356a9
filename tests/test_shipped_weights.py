"""Weights that are shipped: one replica that answers as it did in the stack, and is never taken for a trained cell."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import training_cell

import pimvae
from pimvae import archive, chain
from pimvae.cli import main
from pimvae.config.schema import LinearData
from pimvae.data.dataset import load as load_data
from pimvae.data.job import data_file
from pimvae.data.job import run as make_data
from pimvae.errors import UserError
from pimvae.evaluation import job as evaluation
from pimvae.results import collect, weights
from pimvae.results.ship import ship
from pimvae.results.weights import FOLDER, LIMIT, cut
from pimvae.training import job as training

DATA = LinearData(loading="dense", modalities=3, dim_low=3, dim_high=7, latent=2, samples=40)
SHIPPED = Path(__file__).parents[1] / "results" / "shipped"


def cell(steps=4, betas=(0.5, 1.0)):
    made = training_cell("sum_pooling", steps=steps, history_every=1)
    train = made.train.model_copy(update={"averaging": 0.1, "shares": (0.5, 1.0)})  # of two moments, in one file
    objective = made.objective.model_copy(update={"betas": betas})
    return made.model_copy(update={"data": DATA, "seeds": (0, 3), "train": train, "objective": objective})


NAME = f"{cell().experiment}/{cell().name}"


def trained(root: Path, steps: int = 4) -> Path:
    """A finished run of one cell below ``root``."""
    data, run = root / cell().experiment / "data" / cell().dataset, root / NAME
    make_data(DATA, [0, 3], data)
    training.run(cell(steps), data, run, "cpu")
    evaluation.run(cell(steps), data, run)
    collect.run([run], root)
    return root


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("laptop"))


@pytest.fixture
def shipped(results, tmp_path) -> Path:
    ship(results, tmp_path / "shipped", weights={NAME: 3})
    return tmp_path / "shipped"


def datasets(results: Path) -> dict:
    return {seed: load_data(data_file(results / "linear" / "data" / "dense", seed)) for seed in cell().seeds}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def test_a_cut_replica_answers_as_it_did_in_the_stack(results, shipped):
    """The stack holds two seeds with two β each, after a half and after all of the steps; β = 1 is the last one."""
    alone, whole = pimvae.load(shipped / FOLDER / NAME), pimvae.load(results / NAME, seed=3)
    assert alone.seeds == (3,) and alone.cell.objective.betas == (1.0,) and whole.cell.objective.betas == (0.5,)
    data = {str(s): values.astype(float) for s, values in enumerate(datasets(results)[3].train.x)}
    other = whole.encode(data, refined=False).mean
    whole.models = evaluation.load_models(results / NAME, cell(), datasets(results))[3:]
    for refined in (False, True):
        found, expected = (model.encode(data, refined=refined) for model in (alone, whole))
        np.testing.assert_array_equal(found.mean, expected.mean)
        np.testing.assert_array_equal(found.scale, expected.scale)
        values = [model.log_likelihood(data, refined=refined, draws=8).value for model in (alone, whole)]
        np.testing.assert_array_equal(*values)
    assert not np.array_equal(other, alone.encode(data, refined=False).mean)


def test_its_record_names_its_origin(results, shipped):
    whole = chain.read_record(results / NAME)
    record = chain.read_record(shipped / FOLDER / NAME, cut=True)
    chain.check_weights(shipped / FOLDER / NAME, record)
    origin = record["cut_from"]
    assert origin["weights_sha256"] == whole["weights_sha256"]["weights.safetensors"]
    assert origin["record_sha256"] == whole["record_sha256"] and (origin["replica"], origin["replicas"]) == (3, 4)
    assert record["replicas"] == whole["replicas"][3:] and record["data_sha256"].keys() == {"3"}
    assert record["versions"] == whole["versions"] and record["steps"] == whole["steps"]


@pytest.mark.parametrize("name", ["weights.safetensors", "run.json"])
def test_a_flipped_bit_is_refused(shipped, tmp_path, name):
    place = shutil.copytree(shipped / FOLDER / NAME, tmp_path / "copy")
    pimvae.load(place)
    flip(place / name)
    with pytest.raises(UserError, match=f"{name}"):
        pimvae.load(place)
    flip(shipped / FOLDER / NAME / name)
    with pytest.raises(UserError, match=f"{name} was changed after it was shipped"):
        archive.verify(shipped)


def test_it_is_no_trained_cell(results, shipped, tmp_path):
    """Not even for a configuration of this one replica, and with metrics beside it."""
    run, alone = shutil.copytree(shipped / FOLDER / NAME, tmp_path / "run"), cell()
    alone = alone.model_copy(update={"seeds": (3,), "train": alone.train.model_copy(update={"shares": (1.0,)}),
                                     "objective": alone.objective.model_copy(update={"betas": (1.0,)})})  # fmt: skip
    with pytest.raises(UserError, match="it is no trained cell"):
        evaluation.run(alone, results / "linear" / "data" / "dense", run)
    for name in ("metrics.csv", "history.csv"):
        shutil.copy(results / NAME / name, run)
    chain.seal(run)
    with pytest.raises(UserError, match="it is no trained cell"):
        collect.run([run], tmp_path / "out")


def test_a_replica_that_is_not_there_or_diverged_is_refused(results, tmp_path):
    with pytest.raises(UserError, match=r"has no seed 1 \(known: 0, 3\)"):
        cut(results / NAME, 1)
    with pytest.raises(UserError, match=r"no cell 'linear/dense-poe-masked' in the results \(known: .*; did you mean"):
        ship(results, tmp_path / "out", weights={"linear/dense-poe-masked": None})
    root = shutil.copytree(results, tmp_path / "copy")
    record = chain.read_record(root / NAME)
    lost = [replica | {"diverged": replica["seed"] == 0} for replica in record["replicas"]]
    chain.write_record(root / NAME, record | {"replicas": lost})
    with pytest.raises(UserError, match=r"seed 0 of .* diverged: name another one"):
        cut(root / NAME)
    assert set(cut(root / NAME, 3)) == {"weights.safetensors", "run.json"}
    flip(root / NAME / "weights.safetensors")
    with pytest.raises(UserError, match="are not what the training wrote"):
        cut(root / NAME, 3)


def test_too_many_weights_are_not_shipped(results, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "LIMIT", 1000)
    with pytest.raises(UserError, match=r"the weights of .*-masked are 0\.\d MB, more than the 0\.001 MB"):
        ship(results, tmp_path / "shipped", weights={NAME: None})
    assert not (tmp_path / "shipped").exists()


def test_shipping_again_keeps_the_choice(results, shipped, tmp_path):
    """The same run: the same bytes; another training: the same seed of it; without its weights: none."""
    before = archive.read_manifest(shipped).files
    assert ship(results, shipped).weights == [NAME] and archive.read_manifest(shipped).files == before
    again = trained(tmp_path / "again", steps=8)
    assert ship(again, shipped).weights == [NAME]
    assert pimvae.load(shipped / FOLDER / NAME).seeds == (3,)
    assert chain.read_record(shipped / FOLDER / NAME, cut=True)["steps"] == 8
    (results_only := shutil.copytree(results, tmp_path / "results")).joinpath(NAME, "weights.safetensors").unlink()
    assert ship(results_only, shipped).weights == []
    ship(results, shipped, weights={NAME: 0})
    assert ship(results, shipped, keep=False).weights == []


def test_the_command_line_takes_cells_and_seeds(results, tmp_path, capsys):
    start = ["ship", "--results", str(results), "--out", str(tmp_path / "shipped")]
    assert main([*start, "--weights", NAME, "--seed", "3"]) == 0
    assert f"weights of one replica of {NAME}; " in capsys.readouterr().out
    assert pimvae.load(tmp_path / "shipped" / FOLDER / NAME).seeds == (3,)
    assert main([*start, "--seed", "3"]) == 1
    assert "0 times --weights, 1 times --seed" in capsys.readouterr().err


@pytest.mark.parametrize("folder", sorted(SHIPPED.glob("*/weights/*/*")), ids=lambda path: path.name)
def test_what_is_shipped_here_belongs_to_the_shipped_run(folder):
    model, name = pimvae.load(folder), f"{folder.parent.name}/{folder.name}"
    runs = json.loads(gzip.decompress((folder.parents[2] / "runs.json.gz").read_bytes()))
    assert chain.read_record(folder, cut=True)["cut_from"]["record_sha256"] == runs[name]["record_sha256"]
    assert all(np.isfinite(values).all() for values in model.sample(2).values())


def test_what_is_shipped_here_is_small():
    for scale in SHIPPED.iterdir():
        assert sum(path.stat().st_size for path in scale.glob("weights/*/*/*.safetensors")) <= LIMIT
