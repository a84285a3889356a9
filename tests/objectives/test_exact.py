"""Bounds on linear-Gaussian models, where every expectation has a closed form or is a one-dimensional integral."""

import itertools

import pytest
import torch
from builders import (
    DIMS,
    FAMILY,
    MAX_DIM,
    ExactVAE,
    double_precision,
    draws,
    linear_gaussian,
    normal,
    observations,
    within,
)
from torch.distributions import Independent, Normal, kl_divergence

from pimvae import registry
from pimvae.posteriors import Mixture
from pimvae.subsets import all_subsets

float64 = pytest.fixture(double_precision, autouse=True)
OBJECTIVES = FAMILY  # the others: test_baselines.py
SUBSETS = all_subsets(len(DIMS))
OBSERVED = SUBSETS[1:]  # seven samples, each with another O
BATCH, REPEATS, BETA = len(OBSERVED), 1_000, 0.7
# S for every sample and subset, [8, 7, 3].
CHOSEN = SUBSETS.unsqueeze(1) & OBSERVED


def value(objective, model, x, samples=1, repeats=1, beta=1.0, stl=True, components=1, seed=0, observed=OBSERVED):
    """The bound for every subset, [8, repeats, sample]: ``repeats`` independent evaluations of each sample."""
    x = torch.where(observed.T.unsqueeze(-1), x, 0.0).repeat(1, repeats, 1)
    chosen = (SUBSETS.unsqueeze(1) & observed).repeat(1, repeats, 1)
    noise = draws(components, samples, len(SUBSETS), repeats * len(observed), model.latent_size, seed)
    bound = registry.lookup("objectives", objective)(model, x, observed.repeat(repeats, 1), chosen, noise, beta, stl)
    return bound.value.unflatten(1, (repeats, len(observed)))


@pytest.fixture
def oracle():
    return linear_gaussian()


@pytest.fixture
def x():
    return observations(BATCH, seed=5)


def evidence(oracle, x, subset):
    """log p(x_S), S [n, batch, M] -> [n, batch]."""
    return torch.stack([oracle.log_likelihood(x.movedim(0, 1), rows) for rows in subset])


def expected_likelihoods(oracle, x, posterior):
    """E_q log p(x_s|z) for a one-component q with batch axes [n, batch], [n, batch, M]."""
    mean, variance = posterior.mean(), posterior.variance()
    log_likelihoods = [oracle.expected_log_likelihood(x.movedim(0, 1), *q) for q in zip(mean, variance, strict=True)]
    return torch.stack(log_likelihoods)


def normals(posterior):
    return Independent(Normal(posterior.loc[..., 0, :], posterior.scale[..., 0, :]), 1)


@pytest.mark.parametrize("samples", [1, 3])
def test_masked_with_exact_posteriors_is_the_log_likelihood_for_every_draw(oracle, x, samples):
    expected = oracle.log_likelihood(x.movedim(0, 1), OBSERVED)
    bound = value("masked", ExactVAE(oracle), x, samples, repeats=20)
    assert (bound - expected).abs().max() <= 1e-9


def test_tc_with_exact_posteriors_and_nothing_known_is_the_log_likelihood_for_every_draw(oracle, x):
    """S = ∅: q(z|x_S) is the prior, so that tc is the ELBO of q(z|x_O)."""
    bound = value("tc", ExactVAE(oracle), x, repeats=20)[0]
    assert (bound - oracle.log_likelihood(x.movedim(0, 1), OBSERVED)).abs().max() <= 1e-9


def test_mixture_with_exact_posteriors_has_its_closed_form(oracle, x):
    r"""log p(x_S) + E_{p(z|x_S)} log p(x_{O∖S}|z): below log p(x_O) unless S = O, where it is that for every draw."""
    model = ExactVAE(oracle)
    bound = value("mixture", model, x, repeats=REPEATS)
    rest = (expected_likelihoods(oracle, x, model.posterior(x, CHOSEN)) * (OBSERVED & ~CHOSEN)).sum(-1)
    expected = evidence(oracle, x, CHOSEN) + rest
    within(bound.movedim(1, 0), expected)
    log_likelihood = oracle.log_likelihood(x.movedim(0, 1), OBSERVED)
    whole = (CHOSEN == OBSERVED).all(-1)
    assert ((log_likelihood - expected)[~whole] > 1e-3).all()
    exact = bound.movedim(1, -1)[whole] - log_likelihood.expand(len(SUBSETS), -1)[whole].unsqueeze(-1)
    assert exact.abs().max() <= 1e-9


def closed_form(objective, oracle, x, model, beta):
    """The expected bound for any one-component posteriors, [n, batch]."""
    q_subset, q_full = model.posterior(x, CHOSEN), model.posterior(x, OBSERVED.unsqueeze(0))
    likelihood_subset, likelihood_full = (expected_likelihoods(oracle, x, q) for q in (q_subset, q_full))
    prior = Independent(Normal(torch.zeros(model.latent_size), 1.0), 1)
    own, between = kl_divergence(normals(q_subset), prior), kl_divergence(normals(q_full), normals(q_subset))
    if objective == "masked":
        log_likelihood = torch.where(CHOSEN, likelihood_subset, torch.where(OBSERVED, likelihood_full, 0.0)).sum(-1)
        return log_likelihood - beta * (own + between)
    if objective == "mixture":
        return (likelihood_subset * OBSERVED).sum(-1) - beta * own
    assert objective == "tc"
    return (likelihood_full * OBSERVED).sum(-1) - beta * between


@pytest.mark.parametrize("stl", [True, False], ids=["stl", "plain"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_values_and_gradients_are_unbiased_for_inexact_posteriors(objective, stl, oracle, x):
    """Posterior off by a shift and a stretch: the mean bound and its mean gradients have their closed form."""
    shift, stretch = 0.4 * normal(BATCH, 2, seed=8), (0.3 * normal(BATCH, 2, seed=9)).exp()
    leaves = [p.repeat(REPEATS, 1).requires_grad_() for p in (shift, stretch)]
    bound = value(objective, ExactVAE(oracle, *leaves), x, repeats=REPEATS, beta=BETA, stl=stl)
    gradients = torch.autograd.grad(bound.sum(), leaves)

    exact_leaves = [p.requires_grad_() for p in (shift, stretch)]
    expected = closed_form(objective, oracle, x, ExactVAE(oracle, *exact_leaves), BETA)
    within(bound.movedim(1, 0).detach(), expected.detach())
    for gradient, exact in zip(gradients, torch.autograd.grad(expected.sum(), exact_leaves), strict=True):
        within(gradient.unflatten(0, (REPEATS, BATCH)), exact)


def test_sticking_the_landing_leaves_no_noise_at_the_optimum(oracle, x):
    """S = O and q exact: log p(x, z) − log q(z|x) is constant in z, so the gradient vanishes for every draw."""
    everything = torch.ones(1, len(DIMS), dtype=torch.bool)
    spreads = []
    for stl in (True, False):
        shift = torch.zeros(50, 2, requires_grad=True)
        bound = value("mixture", ExactVAE(oracle, shift), x[:, :1], repeats=50, stl=stl, observed=everything)
        spreads.append(torch.autograd.grad(bound[-1].sum(), shift)[0].abs().max())
    assert spreads[0] < 1e-10 < 0.1 < spreads[1]


def importance_limit(objective, oracle, x, q_subset, subset, observed):
    """log of the integral that the importance-weighted bound estimates, [n, batch]."""

    def predicted(targets):
        mean, variance = q_subset.mean(), q_subset.variance()
        result = torch.empty(targets.shape[:2])
        for n, b in itertools.product(*map(range, result.shape)):
            row = (x.movedim(0, 1)[[b]], targets[n, b], mean[n, [b]], variance[n, [b]])
            result[n, b] = oracle.predictive_log_likelihood(*row)[0]
        return result

    if objective == "masked":
        return evidence(oracle, x, subset) + predicted(observed & ~subset)
    if objective == "tc":
        return predicted(observed.expand_as(subset))
    assert objective == "mixture"
    return evidence(oracle, x, observed.expand_as(subset))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_importance_weighted_bound_rises_to_its_limit(objective, oracle, x):
    """The exponentiated bound is unbiased for every R; the bound itself rises with R and stays below the limit."""
    model = ExactVAE(oracle, shift=0.3, stretch=1.2)
    limit = importance_limit(objective, oracle, x, model.posterior(x, CHOSEN), CHOSEN, OBSERVED)
    means = []
    for samples in (1, 4, 32):
        bound = value(objective, model, x, samples, repeats=400, seed=samples)
        within((bound - limit.unsqueeze(1)).exp().movedim(1, 0), 1.0)
        means.append(bound.mean(1))
        assert (means[-1] <= limit + 5 * bound.std(1) / len(bound[0]) ** 0.5).all()
    assert (means[0] < means[1]).all() and (means[1] < means[2]).all()
    assert (limit - means[2] < 0.3 * (limit - means[0])).all()


class MixtureVAE(ExactVAE):
    """One-dimensional latent, q(z|x_S) a mixture of three Gaussians with free parameters [*batch, 8, 3] per subset."""

    def __init__(self, oracle, logits, loc, log_scale):
        super().__init__(oracle)
        self.free = (logits, loc, log_scale)

    def posterior(self, x, mask):
        code = (mask * 2 ** torch.arange(mask.shape[-1])).sum(-1)  # the place of S among all subsets
        rows = torch.arange(mask.shape[-2])
        logits, loc, log_scale = (p[rows, code] if p.dim() == 3 else p[code] for p in self.free)
        logits = torch.where((code == 5).unsqueeze(-1) & (torch.arange(3) == 1), -torch.inf, logits)
        return Mixture(logits, loc.unsqueeze(-1), log_scale.exp().unsqueeze(-1))


GRID = torch.linspace(-12, 12, 4_001, dtype=torch.float64)


def integral(objective, oracle, x, model, beta):
    """The expected bound by the trapezoidal rule, [n, batch]."""
    z = GRID[:, None, None, None]
    q_subset, q_full = model.posterior(x, CHOSEN), model.posterior(x, OBSERVED.unsqueeze(0))
    log_subset, log_full = (q.log_prob(z.expand(-1, *q.mean().shape)) for q in (q_subset, q_full))
    log_likelihoods = oracle.log_likelihood_given(x.movedim(0, 1), GRID[:, None, None].expand(-1, BATCH, 1)).unsqueeze(
        1
    )
    log_prior = Normal(0.0, 1.0).log_prob(GRID)[:, None, None]

    def mean(log_density, function):
        return torch.trapezoid(log_density.exp() * function, GRID, dim=0)

    if objective == "masked":
        f = mean(log_subset, (log_likelihoods * CHOSEN).sum(-1) - beta * (log_subset - log_prior))
        return f + mean(log_full, (log_likelihoods * (OBSERVED & ~CHOSEN)).sum(-1) - beta * (log_full - log_subset))
    if objective == "mixture":
        return mean(log_subset, (log_likelihoods * OBSERVED).sum(-1) - beta * (log_subset - log_prior))
    assert objective == "tc"
    return mean(log_full, (log_likelihoods * OBSERVED).sum(-1) - beta * (log_full - log_subset))


@pytest.mark.parametrize("stl", [True, False], ids=["stl", "plain"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_mixture_posteriors_against_quadrature(objective, stl, x):
    """Values, and gradients for weights, locations and scales; one component has weight 0."""
    oracle = linear_gaussian(latent=1)
    start = [normal(8, 3, seed=1), normal(8, 3, seed=2), 0.3 * normal(8, 3, seed=3) - 0.3]
    leaves = [p.repeat(REPEATS * BATCH, 1, 1).requires_grad_() for p in start]
    bound = value(objective, MixtureVAE(oracle, *leaves), x, repeats=REPEATS, beta=BETA, stl=stl, components=3)
    gradients = torch.autograd.grad(bound.sum(), leaves)

    exact_leaves = [p.clone().requires_grad_() for p in start]
    expected = integral(objective, oracle, x, MixtureVAE(oracle, *exact_leaves), BETA)
    within(bound.movedim(1, 0).detach(), expected.detach())
    for gradient, exact in zip(gradients, torch.autograd.grad(expected.sum(), exact_leaves), strict=True):
        within(gradient.unflatten(0, (REPEATS, BATCH)).sum(1), exact)


@pytest.mark.parametrize("samples", [2, 5])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_importance_weights_of_stratified_mixtures_are_unbiased(objective, samples, x):
    """E exp(bound) is the integral for every R: component weights enter inside the logarithm."""
    oracle = linear_gaussian(latent=1)
    model = MixtureVAE(oracle, normal(8, 3, seed=1), 0.5 * normal(8, 3, seed=2), torch.full((8, 3), 0.1))
    q_subset, z = model.posterior(x, CHOSEN), GRID[:, None, None]
    log_likelihoods = oracle.log_likelihood_given(x.movedim(0, 1), z.expand(-1, BATCH, 1)).unsqueeze(1)
    density = q_subset.log_prob(z.unsqueeze(1).expand(-1, *CHOSEN.shape[:2], 1))
    if objective == "mixture":
        limit = evidence(oracle, x, OBSERVED.expand_as(CHOSEN))
    else:
        target = OBSERVED & ~CHOSEN if objective == "masked" else OBSERVED.expand_as(CHOSEN)
        limit = torch.trapezoid((density + (log_likelihoods * target).sum(-1)).exp(), GRID, dim=0).log()
        limit = limit + (evidence(oracle, x, CHOSEN) if objective == "masked" else 0.0)
    bound = value(objective, model, x, samples, repeats=400, components=3)
    within((bound - limit.unsqueeze(1)).exp().movedim(1, 0), 1.0)


def test_the_posteriors_of_this_file_are_exact(oracle, x):
    """The fixture itself: log p(x_S|z) + log p(z) − log q(z|x_S) does not depend on z."""
    model = ExactVAE(oracle)
    z = normal(4, len(SUBSETS), BATCH, 2)
    joint = (model.log_likelihood(x, z) * CHOSEN).sum(-1) + model.log_prior(z) - model.posterior(x, CHOSEN).log_prob(z)
    torch.testing.assert_close(joint, evidence(oracle, x, CHOSEN).expand_as(joint), rtol=0, atol=1e-10)
    assert max(DIMS) < MAX_DIM  # padding is part of what is tested
