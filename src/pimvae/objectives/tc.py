"""The total-correlation bound (relative of MVTCAE)."""

__all__ = ["tc", "tc_bound"]

from torch import Tensor

from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Bound, Draws, Objective, estimate, infer, stick_the_landing
from pimvae.subsets import zero_unless


def tc_bound(
    model: MultimodalVAE,
    x: Tensor,
    observed: Tensor,
    subset: Tensor,
    draws: Draws,
    beta: Tensor | float = 1.0,
    sticking_the_landing: bool = True,
) -> Bound:
    r"""E_{q(z_O|x_O)} { log p(x_O|z_O) + β [log q(z_O|x_S) − log q(z_O|x_O)] }.

    The posterior of a subset stands in for the prior, so that it learns to predict the full posterior. It bounds
    log ∫ q(z|x_S) p(x_O|z) dz, not log p(x_O). Arguments as for `masked`.

    References:
        Hirt et al. (2024), released code; multi-view total correlation auto-encoder: Hwang et al. (2021).
    """
    q_subset, q_full = infer(model, x, subset, observed)
    z = q_full.rsample(draws.full)
    own = stick_the_landing(q_full, draws, sticking_the_landing)

    log_likelihood = zero_unless(observed, model.weighted_likelihood(x, model.modality_latents(z)))
    log_ratio = own.log_prob(z) - q_subset.log_prob(z)

    bracket = log_likelihood - beta * log_ratio
    found = estimate(bracket, q_full, log_likelihood=log_likelihood, information=log_ratio)
    return found.map(lambda values: values.expand(subset.shape[:-1]))


tc = Objective(tc_bound, bounds_log_likelihood=False, trains_prior=False)
