"""The bound of MMVAE+: each modality reconstructs all, the private latents of the others from auxiliary priors."""

__all__ = ["mmvae_plus", "mmvae_plus_bound"]

import torch
from jaxtyping import Float
from torch import Tensor

from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Bound, Draws, Objective, estimate, stick_the_landing
from pimvae.objectives._unimodal import Unimodal, infer_unimodal, log_mixture, shared
from pimvae.subsets import zero_unless


def mmvae_plus_bound(
    model: MultimodalVAE,
    x: Tensor,
    observed: Tensor,
    subset: Tensor,
    draws: Draws,
    beta: Tensor | float = 1.0,
    sticking_the_landing: bool = True,
) -> Bound:
    r"""1/|O| Σ_{s∈O} E { log p(x_s|z', z̃_s) + Σ_{t∈O∖s} log p(x_t|z', w_t) − β log [h(z') q(z̃_s|x_s) / p(z') p(z̃_s)] }.

    The expectation is over z' ~ q(z'|x_s), z̃_s ~ q(z̃_s|x_s) and, for t ≠ s, w_t ~ r_t = N(0, diag exp(2 ρ_t)) with
    learned ρ_t (``model.auxiliary_prior``; without it r_t is the prior); h = 1/|O| Σ_{t∈O} q(z'|x_t). A private latent
    is only ever inferred from its own modality, and the others are decoded without it: z' must hold what is common.
    Without private latents it is the bound of MMVAE. The subset S is not used. Arguments as for `masked`.

    References:
        MMVAE+ (Palumbo et al., 2023), https://openreview.net/forum?id=sdQGxouELX; MMVAE: Shi et al. (2019).
    """
    alone = infer_unimodal(model, x, observed, draws)
    own = stick_the_landing(alone.posterior, draws, sticking_the_landing)

    likelihood = model.weighted_likelihood(x, _latents(model, alone))  # [K, R, s, batch, t]
    log_likelihood = zero_unless(observed, likelihood).movedim(2, -1)
    z = alone.z[..., : model.config.latent]
    mixture = log_mixture(shared(own), observed, z)  # s uniform in O and z' ~ q_s: a draw of h itself, cut like it
    private = own.log_prob(alone.z) - shared(own).log_prob(z)
    log_ratio = mixture + private - model.log_prior(alone.z)

    bracket = log_likelihood - beta * log_ratio
    found = estimate(bracket, alone.posterior, log_likelihood=log_likelihood, information=log_ratio)  # [batch, M]
    count = observed.sum(-1)
    return found.map(lambda values: (zero_unless(observed, values) / count).expand(subset.shape[:-1]))


def _latents(model: MultimodalVAE, alone: Unimodal) -> Float[Tensor, "modality component sample source batch own"]:
    """(z', z̃_s) for modality s itself and (z', w_t) for every other t, where z' and z̃_s are drawn given x_s."""
    size = model.config.latent
    z = alone.z.movedim(-2, 2)  # [K, R, s, batch, own]
    common = z[..., :size].expand(model.modalities, *z.shape[:-1], size)
    if model.config.private_latent == 0:
        return common
    others = alone.noise[..., size:].unflatten(-1, (model.modalities, -1)).permute(4, 0, 1, 3, 2, 5)
    if model.auxiliary_log_scale is not None:
        scale = model.auxiliary_log_scale.exp()
        others = others * scale.reshape(scale.shape[0], 1, 1, 1, 1, -1)
    same = torch.eye(model.modalities, dtype=torch.bool, device=z.device)[:, None, None, :, None, None]
    return torch.cat([common, torch.where(same, z[..., size:], others)], -1)


# With learned r_t it bounds the likelihood of another model, in which r_t is the prior of what is not given.
mmvae_plus = Objective(mmvae_plus_bound, bounds_log_likelihood=False, uses_subset=False, aggregator="private_moe")
