"""Objectives that come with a scheme of their own, against their formulas and the bounds that they contain."""

import pytest
import torch
from builders import BATCH, OBSERVED, BoundCase, double_precision, draws, observations, randomised, vae, within
from torch.distributions import Normal

from pimvae import registry
from pimvae.errors import UserError
from pimvae.objectives._base import Draws

float64 = pytest.fixture(double_precision, autouse=True)
EVERYTHING = torch.ones(BATCH, 3, dtype=torch.bool)


def whole(case):
    """The same noise for z_S and z_O, and S = O."""
    noise = case.noise(subsets=1)
    return {"subset": OBSERVED.unsqueeze(0), "draws": Draws(noise.subset, noise.subset)}


@pytest.mark.parametrize("aggregator", ["poe", "moe", "sum_pooling"])
def test_mvtcae_with_alpha_0_is_the_bound_of_all_that_is_observed(aggregator):
    """The factor (m − α)/m is 1 there, and so is that of the divergence to the prior."""
    case, other = BoundCase("mvtcae", aggregator), BoundCase("mixture", aggregator)
    torch.testing.assert_close(case(alpha=0.0, **whole(case)).value, other(**whole(other)).value)


@pytest.mark.parametrize("aggregator", ["poe", "poe_no_prior"])
def test_mvtcae_by_hand(aggregator):
    """Two modalities of one sample: closed-form divergences, Monte Carlo over many draws of z."""
    case, alpha, beta, m = BoundCase("mvtcae", aggregator), 0.6, 0.7, 2
    count = 20_000
    x, observed = case.x[:, [1]].expand(-1, count, -1), OBSERVED[[1]].expand(count, -1)
    noise = draws(1, 1, 1, count, 2)
    value = case(x=x, observed=observed, subset=observed.unsqueeze(0), draws=noise, beta=beta, alpha=alpha).value[0]
    q, *alone = (
        case.model.posterior(x[:, :1], torch.tensor([kept]))
        for kept in ([True, True, False], [True, False, False], [False, True, False])
    )
    full, *single = (Normal(p.loc[0, 0], p.scale[0, 0]) for p in (q, *alone))
    to_prior = torch.distributions.kl_divergence(full, Normal(0.0, 1.0)).sum()
    to_single = sum(torch.distributions.kl_divergence(full, other).sum() for other in single)
    z = q.rsample(noise.full)[0, 0, 0]
    log_likelihood = case.model.log_likelihood(x, z)[..., :2].sum(-1)
    within(value - (m - alpha) / m * log_likelihood, -beta * ((1 - alpha) * to_prior + alpha / m * to_single))


def test_mvtcae_of_one_modality_has_no_total_correlation():
    """m = 1: q_O is the uni-modal posterior, and (1 − α) times the ordinary bound is left."""
    case, other = BoundCase("mvtcae", "poe"), BoundCase("mixture", "poe")
    value, plain = case(**whole(case)).value, other(**whole(other)).value
    torch.testing.assert_close(value[:, 3], plain[:, 3] / 6)  # the fourth sample; α = 5/6


def components(model, x):
    """Uni-modal posteriors N(loc_s, scale_s) of a model with the aggregator MoE, [batch, M, latent]."""
    q = model.posterior(x, EVERYTHING)
    return Normal(q.loc, q.scale)


def log_h(alone, observed, z):
    """log of the uniform mixture over O at z [*sample, batch, latent]."""
    log_probs = alone.log_prob(z.unsqueeze(-2)).sum(-1)
    return (log_probs + torch.where(observed, 0.0, -torch.inf)).logsumexp(-1) - observed.sum(-1).log()


def test_mmvm_by_hand():
    case = BoundCase("mmvm", "moe")
    noise, alone = case.noise(subsets=1), components(case.model, case.x)
    value = case(subset=OBSERVED.unsqueeze(0), draws=noise, beta=0.7).value[0]
    expected = torch.zeros(BATCH)
    for s in range(3):
        own = Normal(alone.loc[:, s], alone.scale[:, s])
        z = own.loc + own.scale * noise.full[s, 0, 0]
        log_likelihood = case.model.log_likelihood(case.x, z)[:, s]
        term = log_likelihood + 0.7 * (log_h(alone, OBSERVED, z) - own.log_prob(z).sum(-1))
        expected += torch.where(OBSERVED[:, s], term, 0.0)
    torch.testing.assert_close(value, expected)


def test_mmvm_of_one_modality_is_an_autoencoder():
    """h is q_s itself: nothing but the reconstruction is left."""
    case = BoundCase("mmvm", "moe")
    bound = case()
    torch.testing.assert_close(bound.terms["information"][:, 3], torch.zeros(3))
    torch.testing.assert_close(bound.value[:, 3].detach(), bound.terms["log_likelihood"][:, 3])


def test_mmvae_plus_without_private_latents_is_the_bound_of_the_joint_mixture():
    """S = O and a mixture of experts: the mixture bound with the same noise per expert."""
    case, other = BoundCase("mmvae_plus", "moe"), BoundCase("mixture", "moe")
    torch.testing.assert_close(case(**whole(case)).value, other(**whole(other)).value)


def test_mmvae_plus_by_hand():
    """Private latents: inferred for the modality that is given, drawn from the auxiliary priors for the others."""
    model = randomised(vae("private_moe", auxiliary_prior=True), 3)
    x, noise = observations(BATCH), draws(3, 1, 1, BATCH, model.latent_size)
    value = registry.lookup("objectives", "mmvae_plus")(model, x, EVERYTHING, EVERYTHING[None], noise, 0.7).value[0]
    q = model.posterior(x, EVERYTHING)
    alone, private = Normal(q.shared.loc, q.shared.scale), Normal(q.conditional.loc, q.conditional.scale)
    standard = Normal(0.0, 1.0)
    expected = torch.zeros(BATCH)
    for s in range(3):
        z = alone.loc[:, s] + alone.scale[:, s] * noise.full[s, 0, 0, :, :2]
        draws_of_private = noise.full[s, 0, 0, :, 2:].unflatten(-1, (3, 2))
        own = private.loc[:, s] + private.scale[:, s] * draws_of_private[:, s]
        latents = draws_of_private * model.auxiliary_log_scale.exp()
        latents[:, s] = own
        log_likelihood = model.log_likelihood(x, torch.cat([z, latents.flatten(-2)], -1)).sum(-1)
        log_ratio = log_h(alone, EVERYTHING, z) - standard.log_prob(z).sum(-1)
        log_ratio += (Normal(private.loc[:, s], private.scale[:, s]).log_prob(own) - standard.log_prob(own)).sum(-1)
        expected += (log_likelihood - 0.7 * log_ratio) / 3
    torch.testing.assert_close(value, expected)


def test_auxiliary_scales_are_trained_by_mmvae_plus():
    case = BoundCase("mmvae_plus", "private_moe", auxiliary_prior=True)
    (gradient,) = torch.autograd.grad(case().value.sum(), [case.model.auxiliary_log_scale])
    assert (gradient.abs() > 0).all()


def test_auxiliary_priors_need_private_latents():
    with pytest.raises(UserError, match="auxiliary_prior is for models with private latents"):
        vae("moe", auxiliary_prior=True)
