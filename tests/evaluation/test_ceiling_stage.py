"""The stage that computes likelihoods under true models: its rows, its samples, its refusals."""

import csv
from pathlib import Path

import pytest

from pimvae.config.schema import BimodalData, EvaluationConfig, LinearData
from pimvae.data import job as data_job
from pimvae.data.dataset import load
from pimvae.errors import UserError
from pimvae.evaluation import ceiling as stage

SIZES = EvaluationConfig(llh_samples=20, ceiling_particles=64)


def rows_of(path: Path) -> dict[tuple[str, str, str], float]:
    with path.open() as file:
        return {(row["seed"], row["split"], row["metric"]): float(row["value"]) for row in csv.DictReader(file)}


def test_rows_are_of_the_first_samples_of_every_split_and_seed(tmp_path):
    data_job.run(BimodalData(samples=30, test_samples=25), (0, 4), tmp_path)
    stage.run("bimodal", "clusters", SIZES, (0, 4), tmp_path, tmp_path / "ceiling.csv")
    found = rows_of(tmp_path / "ceiling.csv")
    assert {key[:2] for key in found} == {(seed, split) for seed in "04" for split in ("train", "test")}
    assert {key[2] for key in found} == {"llh_ceiling", "llh_ceiling_se", "ess_fraction", "ess_few"}
    data = load(data_job.data_file(tmp_path, 4))
    many, _ = stage.ceiling(data, data.test, particles=5000)
    difference = found["4", "test", "llh_ceiling"] - many[:20].mean()
    assert abs(difference) < 5 * found["4", "test", "llh_ceiling_se"] + 0.005
    assert 0 < found["4", "test", "llh_ceiling_se"] < 0.05
    assert 0.5 < found["4", "test", "ess_fraction"] <= 1


def test_samples_with_few_effective_particles_are_counted(tmp_path, monkeypatch):
    data_job.run(BimodalData(samples=30, test_samples=25), (0,), tmp_path)
    monkeypatch.setattr(stage, "FEW", 1e9)
    stage.run("bimodal", "clusters", SIZES, (0,), tmp_path, tmp_path / "ceiling.csv")
    assert rows_of(tmp_path / "ceiling.csv")["0", "test", "ess_few"] == 1


def test_data_without_clusters_have_no_ceiling(tmp_path):
    data_job.run(LinearData(loading="dense", samples=10), (0,), tmp_path)
    with pytest.raises(UserError, match="not known") as error:
        stage.run("linear", "dense", SIZES, (0,), tmp_path, tmp_path / "ceiling.csv")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ceiling.csv").exists()
