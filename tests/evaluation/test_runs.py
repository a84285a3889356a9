"""What an evaluation refuses to read."""

import pytest
from builders import training_cell

from pimvae.chain import write_record
from pimvae.config.schema import LinearData
from pimvae.data.job import data_file
from pimvae.data.job import run as make_data
from pimvae.errors import UserError
from pimvae.evaluation import job
from pimvae.files import sha256

DATA = LinearData(loading="dense", modalities=3, dim_low=3, dim_high=7, latent=2, samples=20)


@pytest.fixture
def data(tmp_path):
    make_data(DATA, [0, 1], tmp_path / "data")
    return tmp_path / "data"


def test_data_of_the_training_are_accepted(data):
    job.check_data({"data_sha256": {str(seed): sha256(data_file(data, seed)) for seed in (0, 1)}}, data, (0, 1))


@pytest.mark.parametrize("record", [{}, {"data_sha256": {}}, {"data_sha256": {"0": "f" * 64}}, {"data_sha256": None}])
def test_other_data_are_refused(data, record):
    with pytest.raises(UserError, match=r"seed0\.safetensors is not what the run was trained on"):
        job.check_data(record, data, (0,))


def test_data_that_are_not_there_are_refused(data):
    with pytest.raises(UserError, match=r"seed7\.safetensors does not exist"):
        job.check_data({"data_sha256": {"7": "f" * 64}}, data, (7,))


def test_the_evaluation_checks_its_data(data, tmp_path):
    cell = training_cell("sum_pooling").model_copy(update={"data": DATA, "seeds": (0,)})
    (tmp_path / "run").mkdir()
    record = {"cell": cell.model_dump(mode="json"), "replicas": [], "data_sha256": {"0": "f" * 64}}
    write_record(tmp_path / "run", record)
    with pytest.raises(UserError, match="trained on"):
        job.run(cell, data, tmp_path / "run")
