"""Pools and barycentres with a closed form, against quadrature, simulation and the identities that define them."""

import math

import pytest
import torch
from aggregators.test_exact import GRID, LOC, SCALE, density, posterior
from builders import double_precision, model_config, normal
from torch.distributions import Normal

from pimvae import registry
from pimvae.errors import UserError
from pimvae.subsets import all_subsets

float64 = pytest.fixture(double_precision, autouse=True)
SUBSETS = all_subsets(3)[1:]
POOLS = ["hoelder", "hellinger", "wasserstein", "wasserstein_mixture", "code"]


def names(subset):
    return "".join(map(str, subset.int().tolist()))


@pytest.mark.parametrize("subset", SUBSETS, ids=names)
def test_hoelder_is_the_normalised_pool_in_one_dimension(subset):
    pool = Normal(LOC, SCALE).log_prob(GRID).div(2).exp()[subset].sum(0).square()
    torch.testing.assert_close(density(posterior("hoelder", subset)), pool / torch.trapezoid(pool, GRID))


@pytest.mark.parametrize("subset", SUBSETS, ids=names)
def test_hoelder_is_the_normalised_pool_in_two_dimensions(subset):
    """The square root of a product over dimensions does not factorise: the affinity is one number per pair."""
    loc, scale = torch.cat([LOC, LOC.flip(0)], 1), torch.cat([SCALE, SCALE.roll(1, 0)], 1)
    axis = torch.linspace(-10, 10, 801)
    z = torch.cartesian_prod(axis, axis)
    roots = Normal(loc, scale).log_prob(z.unsqueeze(1)).sum(-1).div(2).exp()  # [point, expert]
    pool = roots[:, subset].sum(-1).square()
    pool = pool / (pool.sum() * (axis[1] - axis[0]).square())
    torch.testing.assert_close(posterior("hoelder", subset, loc, scale).log_prob(z.unsqueeze(1))[:, 0].exp(), pool)


@pytest.mark.parametrize("subset", SUBSETS, ids=names)
def test_hellinger_has_the_moments_of_the_pool(subset):
    pool = Normal(LOC, SCALE).log_prob(GRID).div(2).exp()[subset].sum(0).square()
    pool = pool / torch.trapezoid(pool, GRID)
    mean = torch.trapezoid(GRID * pool, GRID)
    variance = torch.trapezoid((GRID - mean).square() * pool, GRID)
    q = posterior("hellinger", subset)
    assert q.components == 1
    torch.testing.assert_close(q.mean().squeeze(), mean)
    torch.testing.assert_close(q.variance().squeeze(), variance)


def test_hellinger_is_the_projection_that_keeps_expected_statistics():
    """Among Gaussians, KL(pool ‖ ·) is smallest for it: Monte Carlo over neighbours, with common draws of the pool."""
    everything = torch.ones(3, dtype=torch.bool)
    pool, q = posterior("hoelder", everything), posterior("hellinger", everything)
    z = pool.sample(20_000, torch.Generator().manual_seed(0))
    mean, scale = q.loc[0, 0], q.scale[0, 0]
    best = Normal(mean, scale).log_prob(z).mean()
    for shift, stretch in ((0.2, 1.0), (-0.2, 1.0), (0.0, 1.15), (0.0, 0.87)):
        assert Normal(mean + shift, scale * stretch).log_prob(z).mean() < best


def test_barycentre_has_the_least_mean_squared_distance():
    """2-Wasserstein distances by the quantile functions of 20,000 levels, not by the formula for Gaussians."""
    levels = (torch.arange(20_000) + 0.5) / 20_000

    def distance(loc, scale):
        quantiles, others = Normal(loc, scale).icdf(levels), Normal(LOC, SCALE).icdf(levels)
        return (quantiles - others).square().mean(-1).mean().item()

    q = posterior("wasserstein", torch.ones(3, dtype=torch.bool))
    loc, scale = q.loc.item(), q.scale.item()
    best = distance(loc, scale)
    neighbours = [(loc + 0.05, scale), (loc - 0.05, scale), (loc, scale * 1.05), (loc, scale / 1.05)]
    assert all(distance(*near) > best for near in neighbours)
    torch.testing.assert_close(q.loc.squeeze(), LOC.mean())
    torch.testing.assert_close(q.scale.squeeze(), SCALE.mean())


@pytest.mark.parametrize("subset", SUBSETS, ids=names)
def test_mixture_of_barycentres_by_hand(subset):
    inside = [torch.tensor(t) for t in SUBSETS.tolist() if not (torch.tensor(t) & ~subset).any()]
    expected = sum(Normal(LOC[t].mean(), SCALE[t].mean()).log_prob(GRID).exp() for t in inside) / len(inside)
    torch.testing.assert_close(density(posterior("wasserstein_mixture", subset)), expected)


def moments_of_dependent(loc, scale, correlation):
    """Mean and variance of z given measurements with correlated errors, by a matrix inverse."""
    k = len(loc)
    errors = torch.full((k, k), correlation).fill_diagonal_(1.0) * torch.outer(scale, scale)
    weights = torch.linalg.solve(errors, torch.ones(k))
    return weights @ loc / weights.sum(), 1 / weights.sum()


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("subset", SUBSETS, ids=names)
def test_code_is_the_generalised_least_squares_estimate(subset, correlation):
    q = posterior("code", subset, expert_correlation=correlation)
    mean, variance = moments_of_dependent(LOC[subset, 0], SCALE[subset, 0], correlation)
    torch.testing.assert_close(q.mean().squeeze(), mean)
    torch.testing.assert_close(q.variance().squeeze(), variance)


@pytest.mark.parametrize("subset", SUBSETS, ids=names)
def test_code_of_independent_experts_is_their_product_without_a_prior_expert(subset):
    product = Normal(LOC, SCALE).log_prob(GRID)[subset].sum(0)
    product = (product - product.max()).exp()
    expected = product / torch.trapezoid(product, GRID)
    torch.testing.assert_close(density(posterior("code", subset, expert_correlation=0.0)), expected)


@pytest.mark.parametrize("name", POOLS)
def test_one_expert_alone_is_the_expert(name):
    alone = torch.tensor([False, True, False])
    z = normal(50, 1, 1)
    torch.testing.assert_close(posterior(name, alone).log_prob(z), Normal(-1.3, 1.5).log_prob(z)[..., 0])


@pytest.mark.parametrize("name", ["hoelder", "hellinger", "wasserstein", "wasserstein_mixture"])
def test_equal_experts_give_the_expert(name):
    loc, scale = LOC[:1].expand(3, 1), SCALE[:1].expand(3, 1)
    z = normal(50, 1, 1)
    for subset in SUBSETS:
        q = posterior(name, subset, loc, scale)
        torch.testing.assert_close(q.log_prob(z), Normal(0.7, 0.4).log_prob(z)[..., 0])


def test_code_of_equal_experts_is_surer_the_less_they_depend():
    """k equal experts of variance v: v (1 + (k − 1) ρ) / k."""
    loc, scale = LOC[:1].expand(3, 1), SCALE[:1].expand(3, 1)
    for correlation in (0.0, 0.25, 0.99):
        q = posterior("code", SUBSETS[-1], loc, scale, expert_correlation=correlation)
        assert q.variance().item() == pytest.approx(0.16 * (1 + 2 * correlation) / 3)
        assert q.mean().item() == pytest.approx(0.7)


def test_distant_experts_leave_no_weight_to_their_pairs():
    """Affinities underflow; the pool is then the mixture of experts, and gradients stay finite."""
    loc, scale = (1e3 * LOC).requires_grad_(), SCALE.clone().requires_grad_()
    q = posterior("hoelder", SUBSETS[-1], loc, scale)
    weights = q.log_weights().exp()[:, 0]
    torch.testing.assert_close(weights, torch.tensor([1 / 3] * 3 + [0.0] * 3))
    gradients = torch.autograd.grad(q.log_prob(normal(4, 1, 1)).sum(), [loc, scale])
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_hellinger_keeps_small_variances_beside_large_means():
    """In single precision Σ π (v + μ²) − m² of N(10³, 10⁻²) would be rounding alone."""
    loc, scale = torch.full((3, 1), 1e3), torch.full((3, 1), 1e-2)
    module = registry.lookup("aggregators", "hellinger")(model_config("hellinger", latent=1), 2).float()
    features = torch.cat([loc, (scale - 5e-4).log()], -1).float().unsqueeze(0)
    q = module(features, torch.ones(1, 3, dtype=torch.bool))
    assert q.scale.item() == pytest.approx(1e-2, rel=1e-3)


@pytest.mark.parametrize("name", [*POOLS, "poe", "poe_plus", "poe_no_prior", "poe_published", "mopoe"])
def test_closed_forms_for_gaussians_refuse_another_family(name):
    with pytest.raises(UserError, match=f"'{name}' is Gaussian only; family is 'laplace'"):
        registry.lookup("aggregators", name)(model_config(name, family="laplace"), 4)


def test_components_count_experts_and_pairs():
    for modalities in (1, 2, 5):
        module = registry.lookup("aggregators", "hoelder")(model_config("hoelder"), 4)
        q = module(normal(2, modalities, 4), torch.ones(2, modalities, dtype=torch.bool))
        assert q.components == modalities + math.comb(modalities, 2)
