"""Self-attention with private latents."""

__all__ = ["PrivateSelfAttention"]

import torch
from torch import Tensor, nn

from pimvae.aggregators._private import HierarchicalPosterior, NetworkConditional
from pimvae.aggregators._transformer import SetTransformer
from pimvae.aggregators.self_attention import SelfAttention
from pimvae.config.schema import ModelConfig
from pimvae.models.layers import MLP


class EquivariantAttention(nn.Module):
    """Tokens χ_2(h_s) + χ_1(z') through a set transformer, one output per token: location and log-scale of z̃_s.

    The context carries S in its last column (1 for s ∈ S), so that tokens outside S are not attended to.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.pooling_width
        self.chi_shared = MLP([config.latent, width, width])
        self.transformer = SetTransformer(width, config.attention_heads, config.attention_blocks)
        self.rho = MLP([width, width, 2 * config.private_latent])

    def forward(self, context: Tensor, shared: Tensor) -> Tensor:
        tokens = context[..., :-1] + self.chi_shared(shared).unsqueeze(-2)
        mask = (context[..., -1] > 0.5).expand(tokens.shape[:-1])
        return self.rho(self.transformer(tokens, mask))


class PrivateSelfAttention(SelfAttention):
    r"""q(z'|x_S) by self-attention, then q(z̃_s | z', x_S) from a transformer on the tokens χ_2(h_s) + χ_1(z'), s ∈ S.

    References:
        Hirt et al. (2024), private latents; Set Transformer (Lee et al., 2019).
    """

    private = True

    def __init__(self, config: ModelConfig, features: int) -> None:
        super().__init__(config, features)
        width = config.pooling_width
        self.chi_own = MLP([features, width, width])
        self.equivariant = EquivariantAttention(config)

    def embed(self, h: Tensor) -> Tensor:
        """χ(h_s) and χ_2(h_s) beside each other, [*batch, M, 2, width]."""
        return torch.stack([self.chi(h), self.chi_own(h)], dim=-2)

    def pool(self, tokens: Tensor, mask: Tensor) -> HierarchicalPosterior:
        token, own = tokens.unbind(-2)
        shared = self.head(self.rho(self.transformer.pooled(token, mask)))
        own = own.expand(*mask.shape, -1)
        context = torch.cat([own, mask.unsqueeze(-1).to(own.dtype)], dim=-1)
        return HierarchicalPosterior(
            shared, NetworkConditional(self.equivariant, context, self.config.encoder_floor), mask
        )
