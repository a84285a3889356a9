"""The chain from data to collected results: whatever is not what the last stage wrote is refused."""

import json
import shutil
from pathlib import Path

import pytest
from builders import training_cell
from report.synthetic import write_cells

import pimvae
from pimvae import chain
from pimvae.cli import main
from pimvae.config.schema import LinearData
from pimvae.data.job import data_file
from pimvae.data.job import run as make_data
from pimvae.errors import UserError
from pimvae.evaluation import job as evaluation
from pimvae.results import collect
from pimvae.results.collected import check_collected
from pimvae.results.files import read_metrics
from pimvae.results.ship import ship
from pimvae.training import job as training

DATA = LinearData(loading="dense", modalities=3, dim_low=3, dim_high=7, latent=2, samples=40)


def cell(seeds=(0, 1), **changes):
    return training_cell("poe", steps=2, history_every=1, **changes).model_copy(update={"data": DATA, "seeds": seeds})


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with data and a run, which every test gets a copy of."""
    folder = tmp_path_factory.mktemp("trained")
    make_data(DATA, [0, 1], folder / "data")
    training.run(cell(), folder / "data", folder / "run", "cpu")
    return folder


@pytest.fixture
def data(tmp_path, trained) -> Path:
    return shutil.copytree(trained / "data", tmp_path / "data")


@pytest.fixture
def run(tmp_path, trained) -> Path:
    return shutil.copytree(trained / "run", tmp_path / "run")


def flip(path: Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9, 1.0])
def test_one_flipped_bit_of_the_weights_is_refused(data, run, place):
    flip(run / "weights.safetensors", place)
    with pytest.raises(UserError, match=r"weights\.safetensors are not what the training wrote"):
        evaluation.run(cell(), data, run)


@pytest.mark.parametrize("change", [{"steps": 3}, {"replicas": []}, {"weights_sha256": {}}])
def test_a_changed_record_is_refused(data, run, change):
    path = run / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=r"run\.json is not what the training wrote"):
        evaluation.run(cell(), data, run)


def change_record(run: Path) -> None:
    path = run / "run.json"
    path.write_text(path.read_text().replace('"steps": 2', '"steps": 3'))


DAMAGE = {
    "weights": (lambda data, run: flip(run / "weights.safetensors", 0.9), "not what the training wrote"),
    "record": (lambda data, run: change_record(run), "its checksum differs"),
    "data": (lambda data, run: data_file(data, 1).replace(data_file(data, 0)), "not what the run was trained on"),
}


@pytest.mark.parametrize(("spoil", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_library_loads_no_model_that_is_not_the_trainings(data, run, spoil, message):
    assert pimvae.load(run, data=data).seed == 0
    spoil(data, run)
    with pytest.raises(UserError, match=message):
        pimvae.load(run, data=data)


@pytest.mark.parametrize("name", ["weights.safetensors", "run.json", "history.csv", "weights-50.safetensors"])
def test_a_checkpoint_has_no_name_of_a_file_of_the_run(data, tmp_path, name):
    """It is removed when the training is done."""
    with pytest.raises(UserError, match="has the name of a file of the run"):
        training.run(cell(), data, tmp_path / "out", "cpu", tmp_path / "out" / name)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", ["seed0.safetensors", "manifest.json", ""])
def test_a_checkpoint_does_not_replace_what_is_none(data, tmp_path, file):
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    with pytest.raises(UserError, match="is no checkpoint and would be lost"):
        training.run(cell(), data, tmp_path / "out", "cpu", data / file)
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before


def test_simple_models_are_fitted_to_no_other_data(data, tmp_path, root, capsys):
    scale = ["--scale", "smoke", "--root", str(root)]
    assert main(["baselines", "linear", "dense", "--data", str(data), "--out", str(tmp_path / "b.csv"), *scale]) == 1
    assert "was drawn with other settings than the cell's" in capsys.readouterr().err
    assert not (tmp_path / "b.csv").exists()


def test_references_are_computed_from_the_data_of_the_cells(data, run, tmp_path):
    evaluation.run(cell(), data, run)
    reference = tmp_path / "simple.csv"
    first, second = (run / "metrics.csv").read_text().splitlines()[:2]
    place = first.split(",").index("baseline")
    row = second.split(",")
    reference.write_text(f"{first}\n{','.join([*row[:place], 'average', *row[place + 1 :]])}\n")
    digests = json.loads((run / "run.json").read_text())["data_sha256"]
    chain.seal_file(reference, data_sha256=digests)
    collect.run([run], tmp_path / "out", [reference])
    chain.seal_file(reference, data_sha256=digests | {"1": "0"})
    with pytest.raises(UserError, match="was computed from other data than the cells of 'dense'"):
        collect.run([run], tmp_path / "out", [reference])


def test_further_weights_of_a_run_are_held_to_the_record_too(data, run):
    record = chain.read_record(run)
    (run / "weights-50.safetensors").write_bytes(b"half the steps")
    chain.write_record(run, {key: record[key] for key in record if not key.endswith("_sha256")})
    (run / "weights-50.safetensors").write_bytes(b"other ones")
    with pytest.raises(UserError, match=r"weights-50\.safetensors"):
        chain.check_weights(run, chain.read_record(run))


def other_seed(data: Path) -> None:
    data_file(data, 1).replace(data_file(data, 0))


def other_settings(data: Path) -> None:
    make_data(DATA.model_copy(update={"latent": 3}), [0, 1], data)


def other_version(data: Path) -> None:
    path = data / "manifest.json"
    path.write_text(path.read_text().replace('"generator_version": "', '"generator_version": "0'))


FOREIGN = {
    "another seed": (other_seed, "its sha256 differs"),
    "other settings": (other_settings, "other settings than the cell's"),
    "another generator": (other_version, "other settings than the cell's"),
    "no manifest": (lambda data: (data / "manifest.json").unlink(), r"manifest\.json does not exist"),
    "no list": (lambda data: (data / "manifest.json").write_text("{}"), "is damaged"),
    "not listed": (lambda data: (data / "manifest.json").write_text("[1, {}]"), "does not list seed0"),
}


@pytest.mark.parametrize(("spoil", "message"), FOREIGN.values(), ids=FOREIGN)
def test_data_that_are_not_the_manifests_are_refused(data, run, spoil, message):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    spoil(data)
    with pytest.raises(UserError, match=message):
        training.run(cell(), data, run, "cpu")
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_training_again_leaves_nothing_of_before(data, run):
    evaluation.run(cell(), data, run)
    for name in ("examples.npz", "weights-50.safetensors"):
        (run / name).write_bytes(b"stale")
    training.run(cell(), data, run, "cpu")
    assert sorted(path.name for path in run.iterdir()) == ["history.csv", "run.json", "weights.safetensors"]
    with pytest.raises(UserError, match=r"metrics\.csv does not exist"):
        collect.run([run], run.parent / "out")


def test_what_belongs_together_is_collected(data, run, tmp_path):
    evaluation.run(cell(), data, run)
    collect.run([run], tmp_path / "out")
    written = len((run / "metrics.csv").read_text().splitlines()) - 1
    assert len(read_metrics(tmp_path / "out" / "metrics.csv", "")) == written
    assert json.loads((run / "metrics.json").read_text())["rows"] == written


def test_collected_settings_are_those_of_the_evaluation(data, run, tmp_path):
    fewer = cell().model_copy(update={"evaluation": cell().evaluation.model_copy(update={"samples": 7})})
    evaluation.run(fewer, data, run)
    collect.run([run], tmp_path / "out")
    assert ",cell.evaluation.samples,7\n" in (tmp_path / "out" / "settings.csv").read_text()


def lost_row(folder: Path) -> None:
    path = folder / "metrics.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def emptied(folder: Path) -> None:
    path = folder / "metrics.csv"
    first, _, rest = path.read_text().rpartition(",")
    path.write_text(f"{first},\n" if rest else first)


def without_a_curve(folder: Path) -> None:
    path = folder / "history.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def other_pictures(folder: Path) -> None:
    (folder / "examples.npz").write_bytes(b"those of this cell")
    chain.seal(folder)
    (folder / "examples.npz").write_bytes(b"those of another")


def of_another_training(folder: Path) -> None:
    record = chain.read_record(folder)
    chain.write_record(folder, {key: value for key, value in record.items() if key != chain.DIGEST} | {"steps": 7})


SPOILT = {
    "a row is lost": (lost_row, "is not what the evaluation wrote"),
    "a value is empty": (emptied, "'value' is empty"),
    "curves": (without_a_curve, r"history\.csv is not as it was written"),
    "pictures": (other_pictures, r"examples\.npz is not as it was written"),
    "no seal": (lambda folder: (folder / "metrics.json").unlink(), r"metrics\.json does not exist"),
    "seal is no JSON": (lambda folder: (folder / "metrics.json").write_text("{"), "is damaged"),
    "another training": (of_another_training, "was computed from another training"),
    "other weights": (lambda folder: flip(folder / "run.json", 0.5), r"run\.json"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILT.values(), ids=SPOILT)
def test_metrics_that_are_not_the_cells_are_not_collected(tmp_path, spoil, message):
    folder = write_cells(tmp_path, range(2))[0]
    spoil(folder)
    with pytest.raises(UserError, match=message):
        collect.run([folder], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_metrics_of_another_cell_and_of_fewer_replicas_are_not_collected(tmp_path):
    first, second = write_cells(tmp_path, range(2))[:2]
    (first / "metrics.csv").write_bytes((second / "metrics.csv").read_bytes())
    chain.seal(first)  # as if the evaluation had been given the wrong folder
    with pytest.raises(UserError, match="is of another cell"):
        collect.run([first], tmp_path / "out")
    rows = (second / "metrics.csv").read_text().splitlines(keepends=True)
    place = rows[0].split(",").index("seed")
    (second / "metrics.csv").write_text("".join(row for row in rows if row.split(",")[place] != "1"))
    chain.seal(second)
    with pytest.raises(UserError, match="holds 1 replicas, 2 were trained"):
        collect.run([second], tmp_path / "out")


def test_a_table_of_no_run_is_held_to_its_seal(tmp_path):
    path = tmp_path / "ceiling.csv"
    path.write_text("a\n1\n2\n")
    assert chain.check_metrics(path) == {}
    chain.seal_file(path)
    assert chain.check_metrics(path)["rows"] == 2
    path.write_text("a\n1\n")
    with pytest.raises(UserError, match=r"1 rows, 2 were written\): make it again"):
        chain.check_metrics(path)


def test_names_are_text_whatever_they_look_like(tmp_path):
    """A data set '001' is not the data set '1', and one called 'NA' has a name."""
    header = "experiment,dataset,aggregator,objective,prior,beta,seed,share,baseline,split,subset,metric,value\n"
    rows = [f"own,{name},1e3,inf,nan,1.0,0,1,,test,007,true,0.5\n" for name in ("001", "NA", "1")]
    (tmp_path / "metrics.csv").write_text(header + "".join(rows))
    found = read_metrics(tmp_path / "metrics.csv", "")
    assert found["dataset"].tolist() == ["001", "NA", "1"]
    for column, value in {"aggregator": "1e3", "objective": "inf", "prior": "nan", "subset": "007", "metric": "true",
                          "baseline": ""}.items():  # fmt: skip
        assert set(found[column]) == {value}
    assert found["value"].tolist() == [0.5] * 3


@pytest.fixture
def collected(data, run, tmp_path) -> Path:
    evaluation.run(cell(), data, run)
    collect.run([run], tmp_path / "collected")
    return tmp_path / "collected"


def test_collected_tables_stay_with_their_cells(collected, tmp_path):
    check_collected(collected)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("collected", "run"):
        (tmp_path / name).rename(moved / name)
    check_collected(moved / "collected")


@pytest.mark.parametrize("name", ["collected/metrics.csv", "collected/runs.csv", "run/run.json", "run/metrics.csv"])
def test_what_changed_since_it_was_collected_is_not_shipped(collected, tmp_path, name):
    path = tmp_path / name
    path.write_text(path.read_text() + "\n")
    with pytest.raises(UserError, match="collect the cells again"):
        ship(collected, tmp_path / "shipped")
    assert not (tmp_path / "shipped").exists()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"tables": {}}', '{"tables": 1, "cells": {}}', '{"tables": {}, "cells": 1}']
)
def test_a_damaged_seal_of_collected_tables_is_one_line(collected, content):
    (collected / "collected.json").write_text(content)
    with pytest.raises(UserError, match="damaged"):
        check_collected(collected)
