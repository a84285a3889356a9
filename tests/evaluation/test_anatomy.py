"""The anatomy of the gap against bounds that are computed independently."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from pimvae.config.schema import LinearData
from pimvae.data.linear import linear
from pimvae.evaluation.anatomy import kl_mixture_to_posterior, masked_anatomy, mixture_anatomy
from pimvae.evaluation.oracle import LinearGaussian, kl_to_posterior
from pimvae.posteriors import Mixture, single

assert_close = partial(np.testing.assert_allclose, rtol=1e-11)  # the default 1e-7 would hide single precision
SAMPLES, LATENT, DIM, VARIANCE = 5, 2, 3, 0.4
SUBSETS = [torch.tensor(subset) for subset in product([False, True], repeat=3)]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def model():
    return LinearGaussian(normal(3, DIM, LATENT, seed=1), normal(3, DIM, seed=2), VARIANCE, torch.tensor([DIM] * 3))


@pytest.fixture
def x():
    return normal(SAMPLES, 3, DIM, seed=3)


def gaussian(seed):
    return normal(SAMPLES, LATENT, seed=seed), normal(SAMPLES, LATENT, seed=seed + 50).abs() + 0.3


def mixture(seed, components=3):
    return Mixture(normal(SAMPLES, components, seed=seed), normal(SAMPLES, components, LATENT, seed=seed + 1),
                   normal(SAMPLES, components, LATENT, seed=seed + 2).abs() + 0.3)  # fmt: skip


def as_normal(mean, scale):
    return Independent(Normal(mean, scale), 1)


def expected_log_likelihood(model, x, subset, mean, scale):
    """E log p(x_S | z) from the residual vectors."""
    result = torch.zeros(SAMPLES).double()
    for s in torch.nonzero(subset).flatten():
        w = model.loading[s]
        residual = x[:, s] - mean @ w.T - model.offset[s]
        squares = residual.square().sum(-1) + torch.einsum("dl,nl,dl->n", w, scale.square(), w)
        result += -0.5 * (DIM * np.log(2 * np.pi * VARIANCE) + squares / VARIANCE)
    return result


def log_likelihood(model, x):
    """log p(x) with the dense covariance."""
    w = model.loading.flatten(0, 1)
    covariance = w @ w.T + VARIANCE * torch.eye(len(w), dtype=w.dtype)
    return torch.distributions.MultivariateNormal(model.offset.flatten(), covariance).log_prob(x.flatten(1))


def prior():
    return as_normal(torch.zeros(SAMPLES, LATENT).double(), torch.ones(SAMPLES, LATENT).double())


@pytest.mark.parametrize("subset", SUBSETS)
def test_masked_terms_sum_to_the_gap(model, x, subset):
    q_subset, q_full = gaussian(10), gaussian(20)
    bound = expected_log_likelihood(model, x, subset, *q_subset) - kl_divergence(as_normal(*q_subset), prior())
    bound += expected_log_likelihood(model, x, ~subset, *q_full)
    bound -= kl_divergence(as_normal(*q_full), as_normal(*q_subset))
    parts = masked_anatomy(model, x, subset, single(*q_subset), single(*q_full))
    assert_close(parts.gap, log_likelihood(model, x) - bound, atol=1e-10)


@pytest.mark.parametrize("subset", SUBSETS)
def test_mixture_terms_sum_to_the_gap(model, x, subset):
    q_subset = gaussian(10)
    bound = expected_log_likelihood(model, x, torch.ones(3, dtype=torch.bool), *q_subset)
    bound -= kl_divergence(as_normal(*q_subset), prior())
    parts = mixture_anatomy(model, x, subset, single(*q_subset))
    assert_close(parts.gap, log_likelihood(model, x) - bound, atol=1e-10)
    assert not parts.full_kl.any()
    assert not kl_mixture_to_posterior(single(*q_subset), model.posterior(x, subset))[1].any()  # a closed form


@pytest.mark.parametrize("subset", SUBSETS)
def test_divergences_are_those_to_the_dense_posteriors(model, x, subset):
    (mean_s, scale_s), (mean_o, scale_o) = gaussian(10), gaussian(20)
    parts = masked_anatomy(model, x, subset, single(mean_s, scale_s), single(mean_o, scale_o))
    exact = model.posterior(x, subset)
    assert_close(parts.subset_kl, kl_to_posterior(mean_s, scale_s**2, exact), atol=1e-12)
    w, rest = model.loading[~subset].flatten(0, 1), (x - model.offset)[:, ~subset].flatten(1)
    precision = torch.diag_embed(scale_s**-2) + w.T @ w / VARIANCE
    linear_term = mean_s / scale_s**2 + rest @ w / VARIANCE
    tilted = torch.linalg.solve(precision, linear_term)
    p = torch.distributions.MultivariateNormal(tilted, precision_matrix=precision)
    q = torch.distributions.MultivariateNormal(mean_o, torch.diag_embed(scale_o**2))
    assert_close(parts.full_kl, kl_divergence(q, p), atol=1e-10)


def test_full_and_empty_subsets(model, x):
    q = single(*gaussian(10))
    everything, nothing = SUBSETS[-1], SUBSETS[0]
    parts = masked_anatomy(model, x, everything, q, q)
    assert_close(parts.prediction, 0, atol=1e-12)
    assert_close(parts.full_kl, 0, atol=1e-12)
    assert_close(parts.gap, mixture_anatomy(model, x, everything, q).gap, atol=1e-12)
    standard = single(torch.zeros(SAMPLES, LATENT).double(), torch.ones(SAMPLES, LATENT).double())
    parts = masked_anatomy(model, x, nothing, standard, q)
    assert_close(parts.subset_kl, 0, atol=1e-12)
    assert_close(parts.prediction, 0, atol=1e-10)


def test_equal_components_are_one_gaussian(model, x):
    def doubled(mean, scale):
        logits = torch.tensor([0.3, -0.5]).double().expand(SAMPLES, -1)
        return Mixture(logits, torch.stack([mean, mean], 1), torch.stack([scale, scale], 1))

    q_subset, q_full = gaussian(10), gaussian(20)
    noise = normal(2, 4, SAMPLES, LATENT)
    for subset in SUBSETS:
        plain = masked_anatomy(model, x, subset, single(*q_subset), single(*q_full))
        parts = masked_anatomy(model, x, subset, doubled(*q_subset), doubled(*q_full), noise)
        assert_close(parts.subset_kl, plain.subset_kl, atol=1e-10)
        assert_close(parts.prediction, plain.prediction, atol=1e-10)
        assert_close(parts.full_kl, plain.full_kl, atol=1e-10)


def stratified(q, noise, term):
    """Plain Monte Carlo: mean and standard error of E_q term(z)."""
    weights, draws = q.logits.softmax(-1), []
    for k in range(q.components):
        draws.append(weights[:, k] * term(q.loc[:, k] + q.scale[:, k] * noise[k]))
    value = sum(draws)
    return value.mean(0), value.std(0) / len(value) ** 0.5


@pytest.mark.parametrize("subset", SUBSETS)
def test_mixture_posteriors_agree_with_plain_monte_carlo(model, x, subset):
    q_subset, q_full = mixture(10), mixture(20)
    noise, fresh = normal(3, 1000, SAMPLES, LATENT, seed=4), normal(3, 4000, SAMPLES, LATENT, seed=5)
    parts = masked_anatomy(model, x, subset, q_subset, q_full, noise)
    exact, rest = model.posterior(x, subset), ~subset

    def likelihood(z, which):
        return model.log_likelihood_given(x, z)[..., which].sum(-1)

    subset_term = stratified(q_subset, fresh, lambda z: q_subset.log_prob(z) - exact.log_prob(z))
    full_term = stratified(
        q_full, fresh, lambda z: q_full.log_prob(z) - q_subset.log_prob(z) - likelihood(z, rest)
    )  # without log p̃(x_R | x_S)
    conditional = log_likelihood(model, x) - model.log_likelihood(x, subset.expand(SAMPLES, -1))
    full_kl = parts.full_kl - (conditional - parts.prediction)
    blocks = [masked_anatomy(model, x, subset, q_subset, q_full, block) for block in noise.chunk(20, dim=1)]
    for name, actual, (expected, error) in [
        ("subset_kl", parts.subset_kl, subset_term), ("full_kl", full_kl, full_term),
    ]:  # fmt: skip
        own_error = torch.stack([getattr(block, name) for block in blocks]).std(0) / len(blocks) ** 0.5
        assert ((actual - expected).abs() < 5 * (error**2 + own_error**2).sqrt()).all()
    averaged = stratified(q_subset, fresh, lambda z: likelihood(z, rest).exp())
    predictive = (conditional - parts.prediction).exp()
    assert ((predictive - averaged[0]).abs() <= 5 * averaged[1] + 1e-12).all()
    other = mixture_anatomy(model, x, subset, q_subset, noise)
    reconstruction = stratified(q_subset, fresh, lambda z: likelihood(z, rest))
    difference = (conditional - other.prediction - reconstruction[0]).abs()
    assert (difference <= 5 * reconstruction[1] + 1e-10).all()


def test_sampled_divergence_has_less_error_than_plain_monte_carlo(model, x):
    q, noise = mixture(10), normal(3, 1000, SAMPLES, LATENT)
    exact = model.posterior(x, SUBSETS[-1])
    error = kl_mixture_to_posterior(q, exact, noise)[1]
    plain = stratified(q, noise, lambda z: q.log_prob(z) - exact.log_prob(z))[1]
    assert (error < plain).all() and (error > 0).all()


def test_components_of_weight_zero_do_not_matter(model, x):
    noise = normal(3, 10, SAMPLES, LATENT)
    two = [mixture(seed, 2) for seed in (10, 20)]
    three = [Mixture(torch.cat([q.logits, torch.full((SAMPLES, 1), -torch.inf).double()], 1),
                     torch.cat([q.loc, 100 * normal(SAMPLES, 1, LATENT)], 1),
                     torch.cat([q.scale, torch.ones(SAMPLES, 1, LATENT).double()], 1)) for q in two]  # fmt: skip
    for subset in SUBSETS:
        expected, actual = (masked_anatomy(model, x, subset, *qs, noise) for qs in (two, three))
        for name in ("subset_kl", "prediction", "full_kl"):
            assert_close(getattr(actual, name), getattr(expected, name), atol=1e-10)


def test_exact_diagonal_posteriors_close_the_masked_gap_but_not_the_mixture_gap():
    """Orthonormal dense loadings make every exact posterior diagonal, so a diagonal Gaussian can be exact."""
    config = LinearData(loading="dense", modalities=3, dim_low=5, dim_high=6, latent=2, samples=20)
    dataset = linear(config, seed=0)
    loading, offset, dims = (torch.tensor(dataset.truth[name]) for name in ("W", "b", "dims"))
    model = LinearGaussian(loading, offset, 1.0, dims)
    x = torch.tensor(np.stack(dataset.train.x, axis=1)).double()

    def exact(subset):
        posterior = model.posterior(x, subset)
        variance = posterior.covariance.diagonal()
        assert_close(posterior.covariance, variance.diag(), atol=1e-12)
        assert_close(variance, 1 / (1 + int(subset.sum())), atol=1e-12)
        return single(posterior.mean, variance.sqrt().expand_as(posterior.mean))

    for subset in SUBSETS:
        parts = masked_anatomy(model, x, subset, exact(subset), exact(SUBSETS[-1]))
        for term in (parts.subset_kl, parts.prediction, parts.full_kl):
            assert_close(term, 0, atol=1e-10)
        mixture_gap = mixture_anatomy(model, x, subset, exact(subset)).gap.mean()
        assert mixture_gap > 0.1 or (subset.all() and mixture_gap.abs() < 1e-10)


def test_general_loadings_leave_a_gap_for_the_best_diagonal_posterior(model, x):
    """With correlated exact posteriors not even moment-matched diagonal ones are exact."""
    posterior = model.posterior(x, SUBSETS[-1])
    q = single(posterior.mean, posterior.covariance.diagonal().sqrt().expand_as(posterior.mean))
    assert (masked_anatomy(model, x, SUBSETS[-1], q, q).gap > 1e-4).all()


def test_missing_noise_and_laplace_posteriors_are_refused(model, x):
    with pytest.raises(ValueError, match="need noise"):
        mixture_anatomy(model, x, SUBSETS[1], mixture(10))
    laplace = single(*gaussian(10), family="laplace")
    with pytest.raises(ValueError, match="Laplace"):
        mixture_anatomy(model, x, SUBSETS[1], laplace)
