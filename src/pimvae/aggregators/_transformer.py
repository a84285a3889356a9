"""Pre-LayerNorm transformer blocks over the modalities of a subset."""

__all__ = ["LAYER_NORM_EPS", "SetTransformer"]

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pimvae.models.layers import dense

LAYER_NORM_EPS = 1e-6  # the publication's framework default


class Block(nn.Module):
    """g + Attention(LN(g)), then + FeedForward(LN(·)): no bias in q, k, v; feed-forward of two ReLU layers."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.norm_forward = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.query_key_value = dense(width, 3 * width, bias=False)
        self.output = dense(width, width)
        self.inner, self.outer = dense(width, width), dense(width, width)

    def attend(self, g: Tensor, mask: Tensor) -> Tensor:
        """Multi-head attention in which no modality outside S is a key; the few tokens make plain sums fastest."""
        q, k, v = self.query_key_value(g).unflatten(-1, (3, self.heads, -1)).unbind(-3)  # each [*, M, heads, width/heads]
        scores = torch.einsum("...qhd,...khd->...hqk", q, k) / math.sqrt(q.shape[-1])
        # A large finite number instead of −∞: an empty subset then gives finite (and later ignored) values, not NaN.
        scores = scores.masked_fill(~mask[..., None, None, :], -1e30)
        return self.output(torch.einsum("...hqk,...khd->...qhd", scores.softmax(-1), v).flatten(-2))

    def forward(self, g: Tensor, mask: Tensor) -> Tensor:
        g = g + self.attend(self.norm_attention(g), mask)
        return g + self.outer(torch.relu(self.inner(self.norm_forward(g))))


class SetTransformer(nn.Module):
    """Permutation-equivariant map of the tokens g_s, s ∈ S, to tokens of the same width; the rest comes out as 0.

    References:
        Set Transformer (Lee et al., 2019), https://arxiv.org/abs/1810.00825; pre-LayerNorm: Xiong et al. (2020).
    """

    def __init__(self, width: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def forward(
        self, g: Float[Tensor, "*batch modality width"], mask: Bool[Tensor, "*batch modality"]
    ) -> Float[Tensor, "*batch modality width"]:
        for block in self.blocks:
            g = block(g, mask)
        return torch.where(mask.unsqueeze(-1), self.norm(g), torch.zeros_like(g))
