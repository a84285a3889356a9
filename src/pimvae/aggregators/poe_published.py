"""Product of experts with the mean of the publication's released code, kept for the audit only."""

__all__ = ["ProductOfExpertsPublished"]

from torch import Tensor

from pimvae.aggregators._base import Aggregator, expert_parameters, zero_missing
from pimvae.posteriors import Mixture, single


class ProductOfExpertsPublished(Aggregator):
    r"""The product's variance with another mean: Σ μ_s σ_s² / (1 + Σ σ_s⁻²), each σ_s² enlarged by 10⁻³.

    This is what the code released with the publication computes. It is *not* a product of experts: for N(1, 0.1²) and
    N(−1, 1) the mean comes out near 0 instead of near 0.97. It exists to measure what that does to the conclusions.

    References:
        Hirt et al. (2024), released code; compare `pimvae.aggregators.poe`.
    """

    experts = True
    gaussian_only = True
    VARIANCE_OFFSET = 1e-3  # in the released code

    def pool(self, tokens: Tensor, mask: Tensor) -> Mixture:
        loc, scale = expert_parameters(tokens, self.config.encoder_floor)
        variance = scale.square() + self.VARIANCE_OFFSET
        total = 1 + zero_missing(variance.reciprocal(), mask).sum(-2)
        mean = zero_missing(loc * variance, mask).sum(-2) / total
        return single(mean, total.rsqrt())
