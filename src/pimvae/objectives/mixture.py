"""The mixture bound (MMVAE and MoPoE family)."""

__all__ = ["mixture", "mixture_bound"]

from torch import Tensor

from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Bound, Draws, Objective, estimate, stick_the_landing
from pimvae.subsets import zero_unless


def mixture_bound(
    model: MultimodalVAE,
    x: Tensor,
    observed: Tensor,
    subset: Tensor,
    draws: Draws,
    beta: Tensor | float = 1.0,
    sticking_the_landing: bool = True,
) -> Bound:
    r"""E_{q(z_S|x_S)} { log p(x_O|z_S) + β [log p(z_S) − log q(z_S|x_S)] }.

    All observed modalities are decoded from what the subset tells. Even with exact posteriors it is below log p(x_O),
    by E_S { log p(x_{O∖S}|x_S) − E_{p(z|x_S)} log p(x_{O∖S}|z) }, unless S = O. Arguments as for `masked`.

    References:
        Shi et al. (2019); Sutter et al. (2021); limits of this family: Daunhawer et al. (2022).
    """
    q_subset = model.posterior(x, subset)
    z = q_subset.rsample(draws.subset)
    own = stick_the_landing(q_subset, draws, sticking_the_landing)

    log_likelihood = zero_unless(observed, model.weighted_likelihood(x, model.modality_latents(z)))
    log_ratio = own.log_prob(z) - model.log_prior(z)

    bracket = log_likelihood - beta * log_ratio
    return estimate(bracket, q_subset, log_likelihood=log_likelihood, information=log_ratio)


mixture = Objective(mixture_bound, anatomy="mixture")
