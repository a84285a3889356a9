"""Uni-modal VAEs tied by a data-dependent mixture prior (MMVM)."""

__all__ = ["mmvm", "mmvm_bound"]

from torch import Tensor

from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Bound, Draws, Objective, estimate, stick_the_landing
from pimvae.objectives._unimodal import infer_unimodal, log_mixture
from pimvae.subsets import zero_unless


def mmvm_bound(
    model: MultimodalVAE,
    x: Tensor,
    observed: Tensor,
    subset: Tensor,
    draws: Draws,
    beta: Tensor | float = 1.0,
    sticking_the_landing: bool = True,
) -> Bound:
    r"""Σ_{s∈O} E_{q_s(z_s)} { log p(x_s|z_s) + β [log h(z_s) − log q_s(z_s)] }, h = 1/|O| Σ_{t∈O} q_t, q_s = q(·|x_s).

    Every modality is decoded from its own posterior; what ties them is that h, the mixture of all posteriors of a
    sample, stands in for the prior. h depends on the data, so this is no bound on log p(x_O), and no prior is trained.
    The subset S is not used. Arguments as for `masked`.

    References:
        Unity by diversity: improved representation learning for multimodal VAEs (Sutter et al., 2024),
        https://arxiv.org/abs/2403.05300
    """
    alone = infer_unimodal(model, x, observed, draws)
    q, z = alone.posterior, alone.z
    own = stick_the_landing(q, draws, sticking_the_landing)

    log_likelihood = model.weighted_likelihood(x, z.movedim(-2, 0))
    log_ratio = own.log_prob(z) - log_mixture(q, observed, z)  # the part of h that is q_s itself is never cut

    bracket = log_likelihood - beta * log_ratio
    found = estimate(bracket, q, log_likelihood=log_likelihood, information=log_ratio)  # [batch, M]
    return found.map(lambda values: zero_unless(observed, values).expand(subset.shape[:-1]))


mmvm = Objective(
    mmvm_bound,
    uses_subset=False,
    bounds_log_likelihood=False,
    trains_prior=False,
    follows_prior=False,
    aggregator="moe",
)
