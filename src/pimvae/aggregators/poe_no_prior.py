"""Product of experts without the prior as an expert."""

__all__ = ["ProductWithoutPrior"]

from torch import Tensor

from pimvae.aggregators._base import Aggregator, expert_parameters, zero_missing
from pimvae.posteriors import Mixture, single


class ProductWithoutPrior(Aggregator):
    r"""q(z|x_S) ∝ ∏_{s∈S} N(z; μ_s, diag σ_s²), with h_s = (μ_s, log σ_s); S = ∅ is the prior N(0, I).

    Mean Σ_{s∈S} μ_s σ_s⁻² / Σ_{s∈S} σ_s⁻² and variance 1 / Σ_{s∈S} σ_s⁻² per dimension: of one modality it is the
    expert itself. Made for the objective `pimvae.objectives.mvtcae`.

    References:
        Multi-view representation learning via total correlation objective (Hwang et al., 2021), released code
    """

    experts = True
    gaussian_only = True

    def pool(self, tokens: Tensor, mask: Tensor) -> Mixture:
        loc, scale = expert_parameters(tokens, self.config.encoder_floor)
        precision = zero_missing(scale.square().reciprocal(), mask)
        total = precision.sum(-2) + (~mask.any(-1, keepdim=True)).to(loc.dtype)  # no expert: that of the prior
        return single((precision * zero_missing(loc, mask)).sum(-2) / total, total.rsqrt())
