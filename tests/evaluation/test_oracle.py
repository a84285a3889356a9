"""The linear-Gaussian oracle against dense Gaussians, numerical integration, and probabilistic PCA."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from pimvae.config.schema import LinearData
from pimvae.data.linear import linear
from pimvae.evaluation.oracle import LinearGaussian, kl_to_posterior, maximum_likelihood
from pimvae.posteriors import GaussianPosterior

assert_close = partial(np.testing.assert_allclose, rtol=1e-11)  # the default 1e-7 would hide single precision
DIMS, WIDTH, LATENT, VARIANCE, SAMPLES = (3, 5, 4), 5, 2, 0.7, 6
SUBSETS = list(product([False, True], repeat=len(DIMS)))


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def model():
    valid = torch.arange(WIDTH) < torch.tensor(DIMS)[:, None]
    return LinearGaussian(
        normal(3, WIDTH, LATENT, seed=1) * valid[..., None], normal(3, WIDTH, seed=2) * valid, VARIANCE,
        torch.tensor(DIMS),
    )  # fmt: skip


@pytest.fixture
def x():
    return 2 * normal(SAMPLES, 3, WIDTH, seed=3)


def dense(model, x, subset):
    """Loading [D_S, L], offset [D_S] and values [n, D_S] of a subset without padding, as numpy arrays."""
    keep = [(s, d) for s, on in enumerate(subset) if on for d in range(DIMS[s])]
    rows = torch.tensor([s for s, _ in keep], dtype=torch.long), torch.tensor([d for _, d in keep], dtype=torch.long)
    return model.loading[rows].numpy(), model.offset[rows].numpy(), x[:, rows[0], rows[1]].numpy()


def dense_log_prob(x, mean, covariance):
    if x.shape[-1] == 0:
        return np.zeros(len(x))
    return multivariate_normal(np.zeros(len(covariance)), covariance).logpdf(x - mean)


@pytest.mark.parametrize("subset", SUBSETS)
def test_log_likelihood_is_the_dense_gaussian(model, x, subset):
    w, b, values = dense(model, x, subset)
    expected = dense_log_prob(values, b, w @ w.T + VARIANCE * np.eye(len(b)))
    mask = torch.tensor(subset).expand(SAMPLES, -1)
    assert_close(model.log_likelihood(x, mask), expected, atol=1e-11)


def test_log_likelihood_of_mixed_masks_is_row_by_row(model):
    x, mask = normal(8, 3, WIDTH, seed=4), torch.tensor(SUBSETS)
    rows = [model.log_likelihood(x[i : i + 1], mask[i : i + 1]) for i in torch.randperm(8).tolist()]
    together = model.log_likelihood(x, mask)
    assert_close(sorted(together.tolist()), sorted(torch.cat(rows).tolist()), atol=1e-12)
    assert together[0] == 0.0  # the empty subset comes first


@pytest.mark.parametrize("subset", SUBSETS)
def test_posterior_conditions_the_joint_gaussian(model, x, subset):
    w, b, values = dense(model, x, subset)
    gain = w.T @ np.linalg.inv(w @ w.T + VARIANCE * np.eye(len(b)))
    posterior = model.posterior(x, torch.tensor(subset))
    assert_close(posterior.mean, (values - b) @ gain.T, atol=1e-12)
    assert_close(posterior.covariance, np.eye(LATENT) - gain @ w, atol=1e-12)


def test_posterior_density_and_draws(model, x):
    posterior = model.posterior(x, torch.tensor([True, False, True]))
    z = normal(4, SAMPLES, LATENT)
    for i in range(SAMPLES):
        expected = multivariate_normal(posterior.mean[i], posterior.covariance).logpdf(z[:, i])
        assert_close(posterior.log_prob(z)[:, i], expected, atol=1e-11)
    draws = posterior.sample(normal(40000, SAMPLES, LATENT))
    assert torch.allclose(draws.mean(0), posterior.mean, atol=0.02)
    assert torch.allclose(draws[:, 0].T.cov(), posterior.covariance, atol=0.02)


@pytest.mark.parametrize("subset", SUBSETS)
def test_bayes_rule_holds_at_any_z(model, x, subset):
    subset, z = torch.tensor(subset), normal(5, SAMPLES, LATENT)
    prior = GaussianPosterior(torch.zeros(SAMPLES, LATENT).double(), torch.eye(LATENT).double())
    given = model.log_likelihood_given(x, z)[..., subset].sum(-1)
    evidence = prior.log_prob(z) + given - model.posterior(x, subset).log_prob(z)
    expected = model.log_likelihood(x, subset.expand(SAMPLES, -1)).expand(5, -1)
    assert_close(evidence, expected, atol=1e-11)


def test_likelihood_given_z_is_the_dense_gaussian(model, x):
    z = normal(4, SAMPLES, LATENT)
    for s in range(3):
        w, b, values = dense(model, x, [s == r for r in range(3)])
        expected = [dense_log_prob(values - draw @ w.T, b, VARIANCE * np.eye(len(b))) for draw in z.numpy()]
        assert_close(model.log_likelihood_given(x, z)[..., s], expected, atol=1e-12)


def test_expected_log_likelihood_is_the_gauss_hermite_integral(model, x):
    mean, variance = normal(SAMPLES, LATENT), normal(SAMPLES, LATENT, seed=5).square()
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)  # exact for polynomials of degree 5
    grid = torch.tensor(list(product(nodes, repeat=LATENT)))
    weight = torch.tensor(list(product(weights / weights.sum(), repeat=LATENT))).prod(-1)
    values = model.log_likelihood_given(x, mean + variance.sqrt() * grid[:, None])
    expected = torch.einsum("k,knm->nm", weight, values)
    assert_close(model.expected_log_likelihood(x, mean, variance), expected, atol=1e-11)


@pytest.mark.parametrize("target", SUBSETS)
def test_predictive_likelihood_is_the_dense_gaussian(model, x, target):
    mean, variance = normal(SAMPLES, LATENT), normal(SAMPLES, LATENT, seed=5).square()
    w, b, values = dense(model, x, target)
    actual = model.predictive_log_likelihood(x, torch.tensor(target), mean, variance)
    for i in range(SAMPLES):
        covariance = w @ np.diag(variance[i]) @ w.T + VARIANCE * np.eye(len(b))
        expected = dense_log_prob(values[i : i + 1], b + w @ mean[i].numpy(), covariance)
        assert_close(actual[i], np.squeeze(expected), atol=1e-11)


def test_predictive_likelihood_survives_the_smallest_scales(model, x):
    mean, variance = normal(SAMPLES, LATENT), torch.full((SAMPLES, LATENT), 5e-4**2).double()
    target = torch.tensor([True, True, False])
    actual = model.predictive_log_likelihood(x, target, mean, variance)
    plugged = model.log_likelihood_given(x, mean)[:, target].sum(-1)
    assert torch.allclose(actual, plugged, atol=1e-4) and not torch.equal(actual, plugged)


@pytest.mark.parametrize("given", SUBSETS)
def test_conditional_mean_conditions_the_joint_gaussian(model, x, given):
    actual = model.conditional_mean(x, torch.tensor(given))
    w, b, values = dense(model, x, given)
    gain = np.linalg.inv(w @ w.T + VARIANCE * np.eye(len(b)))
    for s, dim in enumerate(DIMS):
        w_s, b_s, x_s = dense(model, x, [s == r for r in range(3)])
        expected = x_s if given[s] else b_s + (values - b) @ gain.T @ w @ w_s.T
        assert_close(actual[:, s, :dim], expected, atol=1e-12)
        assert not actual[:, s, dim:].any()


def test_unused_values_never_matter(model, x):
    subset = torch.tensor([True, False, True])
    mean, variance = normal(SAMPLES, LATENT), torch.ones(SAMPLES, LATENT).double()
    spoiled = x.clone()
    spoiled[:, 1] = torch.nan
    spoiled[:, 0, DIMS[0] :] = torch.nan
    mask = subset.expand(SAMPLES, -1)

    def everything(values):
        posterior = model.posterior(values, subset)
        return [model.log_likelihood(values, mask), posterior.mean, posterior.covariance,
                model.predictive_log_likelihood(values, subset, mean, variance),
                model.expected_log_likelihood(values, mean, variance)[:, subset],
                model.log_likelihood_given(values, mean)[:, subset],
                model.conditional_mean(values, subset)]  # fmt: skip

    for clean, dirty in zip(everything(x), everything(spoiled), strict=True):
        assert torch.equal(clean, dirty)


def test_kl_to_posterior_agrees_with_torch(model, x):
    mean, variance = normal(SAMPLES, LATENT), normal(SAMPLES, LATENT, seed=5).square()
    posterior = model.posterior(x, torch.tensor([True, True, False]))
    q = torch.distributions.MultivariateNormal(mean, torch.diag_embed(variance))
    p = torch.distributions.MultivariateNormal(posterior.mean, posterior.covariance)
    expected = torch.distributions.kl_divergence(q, p)
    assert_close(kl_to_posterior(mean, variance, posterior), expected, atol=1e-11)
    one_each = GaussianPosterior(posterior.mean, posterior.covariance.expand(SAMPLES, -1, -1))
    assert_close(kl_to_posterior(mean, variance, one_each), expected, atol=1e-11)


def test_invalid_models_are_refused(model):
    with pytest.raises(ValueError, match="positive"):
        LinearGaussian(model.loading, model.offset, 0.0, model.dims)
    with pytest.raises(ValueError, match="beyond dims"):
        LinearGaussian(model.loading + 1, model.offset, 1.0, model.dims)


@pytest.fixture
def sample():
    """Simulated data, padded: x [n, M, D], dims."""
    config = LinearData(loading="dense", modalities=3, dim_low=4, dim_high=7, latent=2, samples=300, noise_variance=0.5)
    dataset = linear(config, seed=0)
    x = [np.pad(values, ((0, 0), (0, 6 - values.shape[1]))) for values in dataset.train.x]
    return torch.tensor(np.stack(x, axis=1)).double(), torch.tensor(dataset.truth["dims"])


def total(model, x):
    return model.log_likelihood(x, torch.ones(len(x), 3, dtype=torch.bool)).sum()


def test_maximum_likelihood_is_stationary_and_best(sample):
    x, dims = sample
    best = maximum_likelihood(x, dims, 2, 0.5)
    loading, offset = best.loading.clone().requires_grad_(), best.offset.clone().requires_grad_()
    value = total(LinearGaussian(loading, offset, 0.5, dims), x)
    for gradient in torch.autograd.grad(value, (loading, offset)):
        assert_close(gradient, 0, atol=1e-9)
    valid = (torch.arange(6) < dims[:, None]).double()
    for seed in range(20):
        step = 0.1 * normal(3, 6, 2, seed=seed) * valid[..., None]
        assert total(LinearGaussian(best.loading + step, best.offset, 0.5, dims), x) < value


def test_maximum_likelihood_is_probabilistic_pca(sample):
    """At PCA's own noise estimate both are the same model, but for scikit-learn dividing by n − 1."""
    from sklearn.decomposition import PCA

    x, dims = sample
    valid = torch.arange(6) < dims[:, None]
    flat = x[:, valid].numpy()
    pca = PCA(2, svd_solver="covariance_eigh").fit(flat - flat.mean(0))
    ratio = (len(x) - 1) / len(x)
    ours = maximum_likelihood(x, dims, 2, float(pca.noise_variance_ * ratio))
    w = ours.loading[valid].numpy()
    assert_close(w @ w.T + ours.noise_variance * np.eye(len(w)), pca.get_covariance() * ratio, atol=1e-10)


def test_too_much_noise_leaves_no_loading(sample):
    x, dims = sample
    assert not maximum_likelihood(x, dims, 2, 1e6).loading.any()
