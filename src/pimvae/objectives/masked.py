"""The masked bound (the publication's)."""

__all__ = ["masked", "masked_bound"]

import torch
from torch import Tensor

from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import (
    Bound,
    Draws,
    Objective,
    expectation,
    infer,
    log_mean_exp,
    mix_components,
    select_latents,
    stick_the_landing,
)
from pimvae.subsets import zero_unless


def masked_bound(
    model: MultimodalVAE,
    x: Tensor,
    observed: Tensor,
    subset: Tensor,
    draws: Draws,
    beta: Tensor | float = 1.0,
    sticking_the_landing: bool = True,
) -> Bound:
    r"""E_{q(z_S|x_S)} f + E_{q(z_O|x_O)} g.

    f = log p(x_S|z_S) + β [log p(z_S) − log q(z_S|x_S)],
    g = log p(x_{O∖S}|z_O) + β [log q(z_O|x_S) − log q(z_O|x_O)].

    The first is a bound on log p(x_S), the second on log ∫ q(z|x_S) p(x_{O∖S}|z) dz, which stands in for
    log p(x_{O∖S} | x_S). With exact posteriors and β = 1 their sum equals log p(x_O) for every draw.

    Args:
        model: the VAE.
        x: observations [M, batch, dim], missing entries 0.
        observed: O [batch, M].
        subset: S ⊆ O [n, batch, M], n subsets of every sample.
        draws: standard noise.
        beta: β ≥ 0.
        sticking_the_landing: cut the gradient of log q through its parameters where q is evaluated at its own draw;
            log q(z_O|x_S) is never cut, and nothing is with several importance samples.

    References:
        Hirt et al. (2024), section 2; sticking the landing: Roeder et al. (2017).
    """
    q_subset, q_full = infer(model, x, subset, observed)
    z_subset, z_full = q_subset.rsample(draws.subset), q_full.rsample(draws.full)
    own_subset, own_full = (stick_the_landing(q, draws, sticking_the_landing) for q in (q_subset, q_full))
    likelihood = model.weighted_likelihood(x, select_latents(model, subset, z_subset, z_full))

    log_likelihood_subset = zero_unless(subset, likelihood)
    log_likelihood_rest = zero_unless(observed & ~subset, likelihood)
    log_ratio_subset = own_subset.log_prob(z_subset) - model.log_prior(z_subset)
    log_ratio_rest = _noiseless(own_full.log_prob(z_full) - q_subset.log_prob(z_full), subset, observed)

    f = mix_components(log_likelihood_subset - beta * log_ratio_subset, q_subset)
    g = mix_components(log_likelihood_rest - beta * log_ratio_rest, q_full)
    terms = {
        "log_likelihood_subset": expectation(log_likelihood_subset, q_subset),
        "log_likelihood_rest": expectation(log_likelihood_rest, q_full),
        "information_subset": expectation(log_ratio_subset, q_subset),
        "information_rest": expectation(log_ratio_rest, q_full),
    }
    return Bound(log_mean_exp(f + g), terms)


def _noiseless(log_ratio: Tensor, subset: Tensor, observed: Tensor) -> Tensor:
    """0 where S = O: the two posteriors are one, the difference is 0 at every draw, its gradient is noise around 0."""
    whole = (subset == observed).all(-1)
    return torch.where(whole, torch.zeros_like(log_ratio), log_ratio)


# E_S of the first part is at most E_S log p(x_S); the second can exceed log p(x_{O∖S} | x_S).
masked = Objective(masked_bound, bounds_log_likelihood=False, anatomy="masked")
