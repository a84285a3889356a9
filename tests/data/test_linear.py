"""Linear-Gaussian data: shapes, orthonormal loadings, blocks, moments, determinism."""

import numpy as np
import pytest

from pimvae.config.schema import LinearData
from pimvae.data.dataset import save
from pimvae.data.linear import linear
from pimvae.errors import UserError
from pimvae.files import sha256

SMALL = {"modalities": 3, "dim_low": 6, "dim_high": 9, "latent": 2, "samples": 50}


@pytest.mark.parametrize(("loading", "latent"), [("dense", 2), ("sparse", 8)])
def test_shapes_and_truth(loading, latent):
    dataset = linear(LinearData(loading=loading, **SMALL), seed=0)
    assert dataset.max_dim == 8 and dataset.noise_scale == 1.0 and dataset.test is None
    assert dataset.train.dims == tuple(dataset.truth["dims"]) and dataset.train.mask.all()
    assert dataset.truth["W"].shape == (3, 8, latent) and dataset.truth["b"].shape == (3, 8)
    assert dataset.train.truth["latents"].shape == (50, latent)
    for s, dim in enumerate(dataset.train.dims):
        assert not dataset.truth["W"][s, dim:].any() and not dataset.truth["b"][s, dim:].any()


def test_dense_loadings_are_orthonormal():
    for w in linear(LinearData(loading="dense", **SMALL), seed=1).truth["W"]:
        np.testing.assert_allclose(w.T @ w, np.eye(2), atol=1e-12)


def test_sparse_loadings_have_orthonormal_shared_and_private_blocks():
    for s, w in enumerate(linear(LinearData(loading="sparse", **SMALL), seed=1).truth["W"]):
        used = np.zeros(8)
        used[[0, 1, 2 + 2 * s, 3 + 2 * s]] = 1
        np.testing.assert_allclose(w.T @ w, np.diag(used), atol=1e-12)


def test_dims_cover_the_half_open_range():
    drawn = {int(d) for seed in range(40) for d in linear(LinearData(loading="dense", **SMALL), seed).truth["dims"]}
    assert drawn == {6, 7, 8}


def test_residuals_are_the_noise():
    config = LinearData(loading="dense", noise_variance=0.25, **SMALL | {"samples": 20000})
    dataset = linear(config, seed=2)
    assert dataset.noise_scale == 0.5
    z = dataset.train.truth["latents"]
    np.testing.assert_allclose(z.T @ z / len(z), np.eye(2), atol=0.05)
    for s, x in enumerate(dataset.train.x):
        dim = x.shape[1]
        noise = x - z @ dataset.truth["W"][s, :dim].T - dataset.truth["b"][s, :dim]
        np.testing.assert_allclose(noise.T @ noise / len(z), 0.25 * np.eye(dim), atol=0.015)
        np.testing.assert_allclose(noise.T @ z / len(z), 0, atol=0.02)


def test_seed_decides_everything(tmp_path):
    config = LinearData(loading="sparse", **SMALL)
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        save(linear(config, seed), tmp_path / name)
    a, b, c = (sha256(tmp_path / name) for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(("changes", "message"), [({"dim_high": 6}, "must be below"), ({"latent": 4}, "at least 8")])
def test_impossible_sizes_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        linear(LinearData(loading="sparse", **SMALL | changes), seed=0)
