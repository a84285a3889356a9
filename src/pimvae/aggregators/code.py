"""Consensus of dependent experts (CoDE)."""

__all__ = ["ConsensusOfDependentExperts", "consensus"]

from torch import Tensor

from pimvae.aggregators._base import Aggregator, expert_parameters, zero_missing
from pimvae.posteriors import Mixture, single


def consensus(loc: Tensor, scale: Tensor, mask: Tensor, correlation: float) -> tuple[Tensor, Tensor]:
    """Location and scale of the consensus of experts [*batch, M, latent] in ``mask`` [*batch, M]; empty: (0, 1).

    Σ = D R D with D = diag σ, and R = (1 − ρ) I + ρ 11ᵀ has a known inverse, so Σ⁻¹1 takes two sums over the experts.
    """
    root = zero_missing(scale.reciprocal(), mask)  # 1/σ_s
    count = mask.sum(-1, keepdim=True).to(loc.dtype)
    shared = correlation / (1 + (count - 1).clamp(min=0) * correlation) * root.sum(-2)
    weight = root * (root - shared.unsqueeze(-2)) / (1 - correlation)  # Σ⁻¹ 1
    precision = weight.sum(-2) + (count == 0)
    return (weight * zero_missing(loc, mask)).sum(-2) / precision, precision.rsqrt()


class ConsensusOfDependentExperts(Aggregator):
    r"""q(z|x_S) = N(wᵀμ / 1ᵀw, 1 / 1ᵀw) per dimension, w = Σ⁻¹1 with Σ_st = σ_s σ_t (ρ + (1 − ρ) δ_st), s, t ∈ S.

    The experts are taken for measurements of z whose errors have correlation ρ = ``expert_correlation``; this is the
    posterior of z under a flat prior. ρ = 0 is the product of the experts without a prior expert. Of two experts the
    less precise one has a negative weight where ρ exceeds the ratio of the smaller to the larger σ; towards ρ = 1 the
    variance tends to 0, unless all σ are equal. One expert alone is itself; S = ∅ is the prior N(0, I).

    References:
        Aggregation of dependent expert distributions in multimodal variational autoencoders (Mancisidor et al., 2025),
        https://arxiv.org/abs/2505.01134
    """

    experts = True
    gaussian_only = True

    def pool(self, tokens: Tensor, mask: Tensor) -> Mixture:
        loc, scale = expert_parameters(tokens, self.config.encoder_floor)
        return single(*consensus(loc, scale, mask, self.config.expert_correlation))
