"""The bimodal data set against its definition and against the checksum of the published data."""

import numpy as np
import pytest

from pimvae.config.schema import BimodalData
from pimvae.data._mixing import SLOPE, mix
from pimvae.data._truth import TrueModel
from pimvae.data.bimodal import bimodal

CONFIG = BimodalData(samples=3000, test_samples=2000)


def test_shapes_and_types() -> None:
    data = bimodal(CONFIG, seed=0)
    assert data.likelihoods == ("categorical", "gaussian")
    assert (data.max_dim, data.noise_scale) == (5, 0.1)
    assert data.test is not None
    for split, n in ((data.train, 3000), (data.test, 2000)):
        assert [x.shape for x in split.x] == [(n, 5), (n, 2)]
        assert all(x.dtype == np.float32 for x in split.x)
        assert split.mask.all()
        np.testing.assert_array_equal(split.x[0].argmax(axis=1), split.truth["labels"])
        np.testing.assert_array_equal(split.x[0].sum(axis=1), 1)


def test_sources_and_noise_follow_the_true_model() -> None:
    data = bimodal(CONFIG, seed=0)
    model = TrueModel.from_arrays(data.truth)
    for split in (data.train, data.test):
        z, labels = split.truth["latents"], split.truth["labels"]
        unit = (z - model.cluster_mean[labels]) / model.cluster_scale[labels]
        for values, scale in ((unit, 1.0), (split.x[1] - mix(z.astype(np.float64), model.networks[0]), 0.1)):
            assert abs(values.mean()) < 5 * scale / np.sqrt(values.size)
            assert values.std() == pytest.approx(scale, abs=5 * scale / np.sqrt(2 * values.size))
        assert np.bincount(labels, minlength=5).min() > 0.15 * len(labels)
    assert np.abs(model.cluster_mean).max() < 5
    assert model.cluster_scale.min() > 0.5 and model.cluster_scale.max() < 3


def test_mixing_is_orthogonal_layers_with_a_leaky_relu_between() -> None:
    first, second = TrueModel.from_arrays(bimodal(CONFIG, seed=0).truth).networks[0]
    for weight in (first, second):
        np.testing.assert_allclose(weight @ weight.T, np.eye(2), atol=1e-12)
    z = np.random.default_rng(0).normal(size=(50, 2))
    hidden = z @ first
    np.testing.assert_allclose(mix(z, (first, second)), np.where(hidden > 0, hidden, SLOPE * hidden) @ second)


def test_same_seed_same_data_other_seed_other_data() -> None:
    one, same, other = (bimodal(CONFIG, seed=seed).train.x[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.isclose(one, other).any(axis=1).all()


def test_published_draws_reproduce_the_checksum() -> None:
    data = bimodal(BimodalData(draws="published"), seed=1)
    assert data.train.x[1].astype(np.float64).sum() == pytest.approx(-4668.7295, abs=1e-4)
    assert data.train.truth["latents"].astype(np.float64).sum() == pytest.approx(-6359.4516, abs=1e-4)
    assert data.test is None
    np.testing.assert_array_equal(np.bincount(data.train.truth["labels"]), 800)
    first, second = TrueModel.from_arrays(data.truth).networks[0]
    np.testing.assert_array_equal(first, second)


def test_published_rows_stay_together_in_the_permutation() -> None:
    data = bimodal(BimodalData(draws="published"), seed=1)
    model, truth = TrueModel.from_arrays(data.truth), data.train.truth
    residual = data.train.x[1] - mix(truth["latents"].astype(np.float64), model.networks[0])
    assert residual.std() == pytest.approx(0.1, rel=0.05)
    unit = (truth["latents"] - model.cluster_mean[truth["labels"]]) / model.cluster_scale[truth["labels"]]
    assert unit.std() == pytest.approx(1, rel=0.05)
    assert (np.diff(truth["labels"]) != 0).mean() > 0.7  # shuffled
