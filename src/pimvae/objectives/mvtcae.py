"""The bound of the multi-view total correlation auto-encoder (MVTCAE)."""

__all__ = ["mvtcae", "mvtcae_bound"]

from torch import Tensor

from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Bound, Draws, Objective, estimate, infer, stick_the_landing
from pimvae.objectives._unimodal import single_subsets
from pimvae.subsets import zero_unless

ALPHA = 5 / 6  # the publication's


def mvtcae_bound(
    model: MultimodalVAE,
    x: Tensor,
    observed: Tensor,
    subset: Tensor,
    draws: Draws,
    beta: Tensor | float = 1.0,
    sticking_the_landing: bool = True,
    alpha: float = ALPHA,
) -> Bound:
    r"""(m − α)/m E log p(x_O|z) − β [(1 − α) KL(q_O ‖ p) + α/m Σ_{s∈O} KL(q_O ‖ q_s)], z ~ q_O = q(z|x_O), m = |O|.

    A bound on the total correlation of the modalities and z: the joint posterior is drawn towards what each modality
    tells alone. ``alpha`` = α weighs that against the prior; α = 0 is the ordinary bound of all that is observed. The
    subset S is not used. The other arguments as for `masked`; divergences are estimated at the draw.

    With the aggregator `poe_no_prior` it has the form of the released code: the joint posterior is the product of the
    experts without the prior, and q_s is the expert of s itself. With `poe` the prior is an expert of q_O and of every
    q_s, which the paper leaves open.

    References:
        Multi-view representation learning via total correlation objective (Hwang et al., 2021), paper and code.
    """
    q_alone, q_full = infer(model, x, single_subsets(observed), observed)  # batch axes [M, batch], [1, batch]
    z = q_full.rsample(draws.full)
    own = stick_the_landing(q_full, draws, sticking_the_landing).log_prob(z)
    count = observed.sum(-1).to(z.dtype)

    likelihood = model.weighted_likelihood(x, model.modality_latents(z))
    log_likelihood = (1 - alpha / count) * zero_unless(observed, likelihood)
    alone = q_alone.log_prob(z).movedim(-2, -1).unsqueeze(-3)  # [K, R, 1, batch, M]
    log_ratio_unimodal = alpha / count * zero_unless(observed, own.unsqueeze(-1) - alone)
    log_ratio_prior = (1 - alpha) * (own - model.log_prior(z))

    bracket = log_likelihood - beta * (log_ratio_prior + log_ratio_unimodal)
    information = {"information_prior": log_ratio_prior, "information_unimodal": log_ratio_unimodal}
    found = estimate(bracket, q_full, log_likelihood=log_likelihood, **information)
    return found.map(lambda values: values.expand(subset.shape[:-1]))


mvtcae = Objective(mvtcae_bound, uses_subset=False, bounds_log_likelihood=False, aggregator="poe_no_prior")
