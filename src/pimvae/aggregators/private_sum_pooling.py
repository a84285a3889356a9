"""Sum pooling with private latents."""

__all__ = ["PrivateSumPooling"]

import torch
from torch import Tensor, nn

from pimvae.aggregators._base import masked_sum
from pimvae.aggregators._private import HierarchicalPosterior, NetworkConditional
from pimvae.aggregators.sum_pooling import SumPooling
from pimvae.config.schema import ModelConfig
from pimvae.models.layers import MLP


class EquivariantSum(nn.Module):
    """(context_s, z') ↦ ρ(context_s + χ_1(z')): location and log-scale of z̃_s, for all s at once."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.pooling_width
        self.chi_shared = MLP([config.latent, width, width])
        self.rho = MLP([width, width, 2 * config.private_latent])

    def forward(self, context: Tensor, shared: Tensor) -> Tensor:
        return self.rho(context + self.chi_shared(shared).unsqueeze(-2))


class PrivateSumPooling(SumPooling):
    r"""q(z'|x_S) by sum pooling, then the equivariant q(z̃_s | z', x_S) = ρ(Σ_{j∈S} χ_0(h_j) + χ_1(z') + χ_2(h_s)).

    Permuting the modalities permutes the private latents and leaves the shared one.

    References:
        Hirt et al. (2024), private latents; equivariant layers: Deep sets (Zaheer et al., 2017).
    """

    private = True

    def __init__(self, config: ModelConfig, features: int) -> None:
        super().__init__(config, features)
        width = config.pooling_width
        self.chi_set = MLP([features, width, width])
        self.chi_own = MLP([features, width, width])
        self.equivariant = EquivariantSum(config)

    def embed(self, h: Tensor) -> Tensor:
        """χ(h_s), χ_0(h_s) and χ_2(h_s) beside each other, [*batch, M, 3, width]."""
        return torch.stack([self.chi(h), self.chi_set(h), self.chi_own(h)], dim=-2)

    def pool(self, tokens: Tensor, mask: Tensor) -> HierarchicalPosterior:
        pooled, in_set, own = tokens.unbind(-2)
        shared = self.head(self.rho(masked_sum(pooled, mask)))
        context = masked_sum(in_set, mask).unsqueeze(-2) + own
        return HierarchicalPosterior(
            shared, NetworkConditional(self.equivariant, context, self.config.encoder_floor), mask
        )
