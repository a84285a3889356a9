"""Published baselines under their own law of subsets, on linear-Gaussian data where every expectation is known."""

import math

import pytest
import torch
from builders import (
    BOUNDS,
    DIMS,
    double_precision,
    draws,
    normal,
    observations,
    randomised,
    trainer,
    training_cell,
    vae,
    within,
)
from torch.distributions import Normal, kl_divergence

from pimvae import registry
from pimvae.evaluation.bounds import linear_gaussian
from pimvae.objectives._base import Bound, Objective, as_objective
from pimvae.subsets import all_subsets, subset_weights

float64 = pytest.fixture(double_precision, autouse=True)
SUBSETS = all_subsets(len(DIMS))
EVERYTHING = torch.ones(1, len(DIMS), dtype=torch.bool)
REPEATS, BETA = 20_000, 0.7
LAWS = {"mixture_nonempty": "nonempty", "mmvae": "full", "mmvae_looser": "single", "mopoe": "full",
        "mopoe_looser": "powerset"}  # fmt: skip


def evaluations(objective, model, x, beta=1.0, seed=0):
    """Independent evaluations [repeat] of the exact expectation over the objective's law, for the one sample of x."""
    law = BOUNDS[objective].subset_law
    observed, x = EVERYTHING.expand(REPEATS, -1), x.expand(-1, REPEATS, -1)
    components = model.posterior(x[:, :1], EVERYTHING).components
    weights = subset_weights(SUBSETS, EVERYTHING, law)[:, 0]
    kept = SUBSETS[weights > 0]
    noise = draws(components, 1, len(kept), REPEATS, model.latent_size, seed)
    subset = kept.unsqueeze(1).expand(-1, REPEATS, -1)
    value = registry.lookup("objectives", objective)(model, x, observed, subset, noise, beta).value
    return (weights[weights > 0, None] * value).sum(0)


def reconstruction(exact, x, q):
    """E_q log p(x|z) in closed form, q one diagonal Gaussian."""
    total = 0.0
    for s, dim in enumerate(DIMS):
        loading, offset = exact.loading[s, :dim], exact.offset[s, :dim]
        residual = x[s, 0, :dim] - offset - loading @ q.mean
        spread = (loading.square() @ q.variance).sum()
        total -= 0.5 * (residual.square().sum() + spread) / exact.noise_variance
        total -= 0.5 * dim * math.log(2 * math.pi * exact.noise_variance)
    return total


def expert(model, x, subset):
    q = model.posterior(x, subset.unsqueeze(0))
    k = int(q.log_weights()[:, 0].argmax())
    return Normal(q.loc[0, k], q.scale[0, k])


@pytest.fixture
def x():
    return observations(1, seed=5)


@pytest.mark.parametrize(("objective", "law"), LAWS.items())
def test_laws_of_the_baselines(objective, law):
    assert BOUNDS[objective].subset_law == law
    assert BOUNDS[objective].bound is BOUNDS["mixture"].bound and BOUNDS[objective].bounds_log_likelihood


@torch.no_grad()
@pytest.mark.parametrize(("objective", "aggregator"), [("mmvae_looser", "moe"), ("mopoe_looser", "poe")])
def test_looser_forms_have_one_divergence_per_subset(objective, aggregator, x):
    """E log p(x|z) and KL(q_S ‖ p) of every subset that is drawn, in closed form."""
    model = randomised(vae(aggregator, noise_scale=2.0), 4)
    exact = linear_gaussian(model)
    drawn = SUBSETS[SUBSETS.sum(-1) == 1] if objective == "mmvae_looser" else SUBSETS[1:]
    posteriors = [expert(model, x, subset) for subset in drawn]
    prior = Normal(0.0, 1.0)
    expected = sum(reconstruction(exact, x, q) - BETA * kl_divergence(q, prior).sum() for q in posteriors) / len(drawn)
    within(evaluations(objective, model, x, BETA), expected)


@torch.no_grad()
@pytest.mark.parametrize(("objective", "aggregator", "alone"), [("mmvae", "moe", "moe"), ("mopoe", "mopoe", "poe")])
def test_joint_forms_have_the_density_of_the_whole_mixture(objective, aggregator, alone, x):
    """The parts that have a closed form, and the entropy of the mixture from draws of torch's own distribution."""
    model = randomised(vae(aggregator, noise_scale=2.0), 4)
    other = vae(alone)
    other.load_state_dict(model.state_dict())
    exact = linear_gaussian(model)
    drawn = SUBSETS[SUBSETS.sum(-1) == 1] if objective == "mmvae" else SUBSETS[1:]
    posteriors = [expert(other, x, subset) for subset in drawn]
    noise = normal(REPEATS, len(drawn), model.latent_size, seed=8)
    places = torch.stack([q.mean for q in posteriors]), torch.stack([q.stddev for q in posteriors])
    z = places[0] + places[1] * noise
    log_q = Normal(*places).log_prob(z.unsqueeze(-2)).sum(-1).logsumexp(-1) - math.log(len(drawn))
    negative_entropy = log_q.mean(-1)  # one value per draw
    closed = sum(reconstruction(exact, x, q) for q in posteriors) / len(drawn)
    cross = sum(-(q.mean.square() + q.variance).sum() / 2 - math.log(2 * math.pi) * len(q.mean) / 2 for q in posteriors)
    reference = closed + BETA * (cross / len(drawn) - negative_entropy)
    found = evaluations(objective, model, x, BETA)
    within(found - reference, 0.0)


@torch.no_grad()
@pytest.mark.parametrize(
    ("looser", "joint", "aggregators", "count"),
    [("mmvae_looser", "mmvae", ("moe", "moe"), 3), ("mopoe_looser", "mopoe", ("poe", "mopoe"), 7)],
)
def test_looser_below_joint_below_the_log_likelihood(looser, joint, aggregators, count, x):
    """By at most the logarithm of the number of experts; the exact log-likelihood is above both."""
    first = randomised(vae(aggregators[0], noise_scale=2.0), 4)
    second = vae(aggregators[1], noise_scale=2.0)
    second.load_state_dict(first.state_dict())
    low, high = evaluations(looser, first, x), evaluations(joint, second, x)
    error = 5 * ((low.var() + high.var()) / REPEATS).sqrt()
    assert -error <= high.mean() - low.mean() <= math.log(count) + error
    exact = linear_gaussian(first).log_likelihood(x.movedim(0, 1), EVERYTHING)
    assert high.mean() <= exact + error


@torch.no_grad()
def test_with_equal_experts_both_forms_of_mmvae_are_one(x):
    """No encoder knows anything: all experts are N(0, I)-like and the mixture is each of them."""
    model = vae("moe", noise_scale=2.0)
    for parameter in model.encoder.parameters():
        parameter.zero_()
    low, high = evaluations("mmvae_looser", model, x), evaluations("mmvae", model, x)
    within(low - high, 0.0)


@pytest.mark.parametrize(("objective", "aggregator"), [("mmvae", "moe"), ("mopoe", "mopoe"), ("mmvae_looser", "moe")])
def test_training_draws_subsets_by_the_law_of_the_objective(objective, aggregator):
    """Whatever the configuration says; missing modalities are respected."""
    result = trainer(training_cell(aggregator, objective, subset_law="independent"), [0, 1])
    result.start_epoch(result.streams.permutation(result.data.size))
    observed = result.data.batch(slice(0, 8))[1]
    subset = result._draw(observed)[0][:, 0]
    assert (subset <= observed).all() and not observed.all()
    if objective == "mmvae_looser":
        assert (subset.sum(-1) == 1).all()
    else:
        assert torch.equal(subset, observed)


@pytest.mark.parametrize(("objective", "aggregator"), [("mmvae", "moe"), ("mopoe_looser", "poe")])
def test_an_exact_law_is_that_of_the_objective(objective, aggregator):
    """``all_subsets`` in the configuration: all 2^M subsets with the probabilities of the objective's law."""
    result = trainer(training_cell(aggregator, objective, subset_law="all_subsets"), [0])
    result.start_epoch(result.streams.permutation(result.data.size))
    observed = result.data.batch(slice(0, 8))[1]
    weights = result._draw(observed)[1][0]
    torch.testing.assert_close(weights, subset_weights(SUBSETS, observed[0], LAWS[objective]))
    torch.testing.assert_close(weights.sum(0), torch.ones(8))


def test_a_plain_function_is_an_objective_of_which_nothing_is_taken_for_granted():
    value = Bound(torch.zeros(1, 2), {})
    entry = as_objective(lambda *inputs: value)
    assert entry(1, 2) is value and entry.subset_law is None and entry.anatomy is None
    assert not entry.bounds_log_likelihood and as_objective(entry) is entry


def test_every_objective_says_what_is_true_of_it():
    """Bounds of which S is no part have no law; aggregators exist; an anatomy goes with a bound that uses S."""
    for name, entry in BOUNDS.items():
        assert isinstance(entry, Objective)
        assert entry.aggregator is None or entry.aggregator in registry.names("aggregators"), name
        assert entry.uses_subset or (entry.subset_law is None and entry.anatomy is None), name


@pytest.mark.parametrize("objective", [name for name, entry in BOUNDS.items() if not entry.uses_subset])
def test_objectives_without_subsets_do_not_look_at_them(objective, x):
    model = vae(BOUNDS[objective].aggregator)
    noise = draws(3, 1, 2, 1, model.latent_size)
    bound = registry.lookup("objectives", objective)
    values = [bound(model, x, EVERYTHING, SUBSETS[rows].unsqueeze(1), noise).value for rows in ([0, 7], [3, 5])]
    assert torch.equal(*values)


def test_prior_of_every_objective_is_trained_as_it_says():
    """Gradients of a learned prior."""
    for name in ("masked", "mixture", "tc", "mvtcae", "mmvm"):
        model = randomised(vae(BOUNDS[name].aggregator or "moe", prior="mixture"), 1)
        data = observations(4)
        observed = EVERYTHING.expand(4, -1)
        noise = draws(3, 1, 1, 4, model.latent_size)
        noise = type(noise)(noise.subset[: model.posterior(data, observed).components],
                            noise.full[: model.posterior(data, observed).components])  # fmt: skip
        value = registry.lookup("objectives", name)(model, data, observed, SUBSETS[3].expand(1, 4, -1), noise).value
        found = torch.autograd.grad(value.sum(), list(model.prior.parameters()), allow_unused=True)
        assert any(g is not None and bool(g.any()) for g in found) == BOUNDS[name].trains_prior, name
