"""Log-likelihood under the true model against quadrature and against the linear-Gaussian answer."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from pimvae.config.schema import BimodalData, MultimodalData
from pimvae.data._truth import TrueModel
from pimvae.data.bimodal import bimodal
from pimvae.data.dataset import Dataset, Split
from pimvae.data.multimodal import multimodal
from pimvae.evaluation._true_density import TrueDensity
from pimvae.evaluation.ceiling import ceiling


def quadrature(dataset: Dataset, split: Split, points: int = 800) -> np.ndarray:
    """log ∫ p(x_O, z) dz on a regular grid over ± 8 scales around all clusters, for two latents."""
    model = TrueModel.from_arrays(dataset.truth)
    density = TrueDensity(dataset, split)
    low = (model.cluster_mean - 8 * model.cluster_scale).min(axis=0)
    high = (model.cluster_mean + 8 * model.cluster_scale).max(axis=0)
    axes = np.linspace(low, high, points).T
    total = np.full(len(split), -np.inf)
    for value in axes[0]:  # one line of the grid at a time bounds the memory
        line = np.stack([np.full(points, value), axes[1]], axis=1)
        z = np.broadcast_to(line, (len(split), points, 2))
        log_joint = density.log_source(z) + density.log_observation(z)
        total = np.logaddexp(total, logsumexp(log_joint, axis=1))
    return total + np.log((high - low) / (points - 1)).sum()


@pytest.fixture(scope="module")
def two_latents() -> Dataset:
    return bimodal(BimodalData(samples=10, test_samples=10), seed=0)


@pytest.mark.parametrize("observed", [[True, True], [False, True]], ids=["both", "vector"])
def test_bimodal_agrees_with_quadrature(two_latents: Dataset, observed: list[bool]) -> None:
    split = replace(two_latents.train, mask=np.tile(observed, (10, 1)))
    estimate, ess_fraction = ceiling(two_latents, split, particles=20_000)
    difference = estimate - quadrature(two_latents, split)
    assert np.abs(difference).max() < 0.03
    assert abs(difference.mean()) < 4e-3
    assert ess_fraction.min() > 0.3


def test_label_alone_has_the_probability_of_a_cluster(two_latents: Dataset) -> None:
    split = replace(two_latents.train, mask=np.tile([True, False], (10, 1)))
    estimate, _ = ceiling(two_latents, split, particles=2000)
    np.testing.assert_allclose(estimate, np.log(0.2), atol=0.05)


@pytest.mark.parametrize("source", ["gaussian", "laplace"])
def test_two_modalities_with_missing_ones_agree_with_quadrature(source: str) -> None:
    config = MultimodalData(
        samples=10, test_samples=5, modalities=2, clusters=3, latent=2, dim=3, source=source, missing_rate=0.3
    )
    data = multimodal(config, seed=1)
    estimate, _ = ceiling(data, data.train, particles=20_000)
    difference = estimate - quadrature(data, data.train)
    assert np.abs(difference).max() < 0.04
    assert abs(difference.mean()) < 5e-3


def linear_gaussian(clusters: int) -> Dataset:
    """Two modalities that are linear in z: networks of one layer."""
    config = MultimodalData(samples=40, test_samples=5, modalities=2, clusters=clusters, layers=1, missing_rate=0.3)
    return multimodal(config, seed=3)


@pytest.mark.parametrize("clusters", [1, 4])
def test_linear_gaussian_answer(clusters: int) -> None:
    """x_O | c is Gaussian with mean W_O mean_c and covariance W_O diag(scale_c²) W_Oᵀ + noise² I."""
    data = linear_gaussian(clusters)
    model, split = TrueModel.from_arrays(data.truth), data.train
    expected = []
    for i in range(len(split)):
        seen = np.flatnonzero(split.mask[i])
        weight = np.hstack([model.networks[s][0] for s in seen])
        x = np.concatenate([split.x[s][i] for s in seen])
        log_density = [
            multivariate_normal(mean @ weight, weight.T @ np.diag(scale**2) @ weight + 0.25 * np.eye(len(x))).logpdf(x)
            for mean, scale in zip(model.cluster_mean, model.cluster_scale, strict=True)
        ]
        expected.append(logsumexp(log_density) - np.log(clusters))
    estimate, ess_fraction = ceiling(data, split, particles=5000)
    np.testing.assert_allclose(estimate, expected, atol=0.06)
    assert abs(np.mean(estimate - expected)) < 0.01
    assert ess_fraction.min() > 0.5


def test_gradient_and_precision() -> None:
    """The gradient against central differences; in a linear region the precision is minus the Hessian."""
    data = multimodal(MultimodalData(samples=6, test_samples=2, modalities=2, latent=3, dim=4), seed=0)
    density = TrueDensity(data, data.train)
    z = data.train.truth["latents"].astype(np.float64)[:, None]
    gradient, precision = density.curvature(z)
    for a in range(3):
        step = 1e-6 * np.eye(3)[a]
        slope = (density.log_observation(z + step) - density.log_observation(z - step)) / 2e-6
        np.testing.assert_allclose(gradient[..., a], slope, rtol=1e-6, atol=1e-6)
        bend = (density.curvature(z + step)[0] - density.curvature(z - step)[0]) / 2e-6
        np.testing.assert_allclose(precision[..., a], -bend, rtol=1e-5, atol=1e-5)


def test_source_density_integrates_to_one() -> None:
    config = MultimodalData(samples=1, test_samples=1, modalities=1, clusters=2, latent=1, dim=2, source="laplace")
    data = multimodal(config, seed=0)
    grid = np.linspace(-60, 60, 200_001)
    log_source = TrueDensity(data, data.train).log_source(grid[None, :, None])
    assert np.exp(log_source).sum() * (grid[1] - grid[0]) == pytest.approx(1, abs=1e-6)


def test_values_of_missing_modalities_do_not_matter() -> None:
    data = multimodal(MultimodalData(samples=20, test_samples=2, modalities=3, missing_rate=0.5), seed=0)
    spoilt = tuple(np.where(data.train.mask[:, [s]], x, np.float32(np.nan)) for s, x in enumerate(data.train.x))
    (one, _), (other, _) = ceiling(data, data.train, 32), ceiling(data, replace(data.train, x=spoilt), 32)
    np.testing.assert_array_equal(one, other)
    assert np.isfinite(one).all()


def test_data_without_a_true_model_are_refused(two_latents: Dataset) -> None:
    with pytest.raises(KeyError):
        ceiling(replace(two_latents, truth={}), two_latents.train)
