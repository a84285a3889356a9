"""Wasserstein barycentre of the experts."""

__all__ = ["WassersteinBarycentre", "barycentres"]

from torch import Tensor

from pimvae.aggregators._base import Aggregator, expert_parameters, present_experts
from pimvae.posteriors import Mixture, single


def barycentres(loc: Tensor, scale: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of the locations and mean of the scales [*batch, M, latent] over ``mask`` [*batch, M]; empty: (0, 1)."""
    loc, scale = present_experts(loc, scale, mask)
    weight = (mask / mask.sum(-1, keepdim=True).clamp(min=1)).to(loc.dtype).unsqueeze(-1)
    empty = ~mask.any(-1, keepdim=True)
    return (weight * loc).sum(-2), (weight * scale).sum(-2) + empty


class WassersteinBarycentre(Aggregator):
    r"""q(z|x_S) = N(1/|S| Σ_{s∈S} μ_s, diag (1/|S| Σ_{s∈S} σ_s)²), with h_s = (μ_s, log σ_s); S = ∅: the prior N(0, I).

    It is the distribution whose mean squared 2-Wasserstein distance to the experts, Σ_s [|μ − μ_s|² + |σ − σ_s|²]/|S|
    for diagonal Gaussians, is smallest.

    References:
        Multimodal variational autoencoder: a barycentric view (Qiu et al., 2025), https://arxiv.org/abs/2412.20487
    """

    experts = True
    gaussian_only = True

    def pool(self, tokens: Tensor, mask: Tensor) -> Mixture:
        return single(*barycentres(*expert_parameters(tokens, self.config.encoder_floor), mask))
