"""Product of experts (PoE)."""

__all__ = ["ProductOfExperts", "product_of_gaussians"]

from torch import Tensor

from pimvae.aggregators._base import Aggregator, expert_parameters, zero_missing
from pimvae.posteriors import Mixture, single


def product_of_gaussians(loc: Tensor, scale: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Location and scale of N(0, I) ∏_{s∈S} N(μ_s, σ_s²): precision 1 + Σ 1/σ_s², mean Σ μ_s/σ_s² / precision."""
    precision = zero_missing(scale.square().reciprocal(), mask)
    total = 1 + precision.sum(-2)
    return (precision * zero_missing(loc, mask)).sum(-2) / total, total.rsqrt()


class ProductOfExperts(Aggregator):
    r"""q(z|x_S) ∝ N(z; 0, I) ∏_{s∈S} N(z; μ_s, diag σ_s²), with h_s = (μ_s, log σ_s).

    Mean Σ_{s∈S} μ_s σ_s⁻² / (1 + Σ_{s∈S} σ_s⁻²) and variance 1 / (1 + Σ_{s∈S} σ_s⁻²) per dimension; S = ∅ is the prior.

    References:
        Multimodal generative models for scalable weakly-supervised learning (Wu & Goodman, 2018),
        https://arxiv.org/abs/1802.05335
    """

    experts = True
    gaussian_only = True

    def pool(self, tokens: Tensor, mask: Tensor) -> Mixture:
        loc, scale = expert_parameters(tokens, self.config.encoder_floor)
        return single(*product_of_gaussians(loc, scale, mask))
