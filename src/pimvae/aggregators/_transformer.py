"""Pre-LayerNorm transformer blocks over the modalities of a subset."""

__all__ = ["LAYER_NORM_EPS", "Block", "SetTransformer"]

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pimvae.models.layers import Dense

LAYER_NORM_EPS = 1e-6  # the publication's framework default
ABSENT = -1e30  # score of a key outside S: finite, so that an empty subset gives (ignored) numbers and not NaN


class Block(nn.Module):
    """g + Attention(LN(g)), then + FeedForward(LN(·)): no bias in q, k, v; feed-forward of two ReLU layers.

    Modalities are few and samples many, so the samples are the last axis of queries, keys and values and the keys are
    gone through one by one: products of tiny matrices, one for each sample and head, would take several times longer.
    What does not depend on the subset (in a first block everything up to the scores) is computed once for all subsets.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.norm_forward = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.query_key_value = Dense(width, 3 * width, bias=False)
        self.output = Dense(width, width)
        self.inner, self.outer = Dense(width, width), Dense(width, width)

    def attend(
        self, g: Float[Tensor, "modality own n width"], mask: Bool[Tensor, "modality subset n"]
    ) -> Float[Tensor, "modality subset n width"]:
        """Multi-head softmax(q kᵀ/√d) v, no modality outside S a key; tokens are own to each subset or one for all."""
        columns = self.query_key_value.weight.t() @ g.reshape(-1, g.shape[-1]).t()
        q, k, v = columns.view(3, self.heads, -1, *g.shape[:-1]).unbind(0)  # [heads, d, M, subset or 1, n]
        q = q / math.sqrt(q.shape[1])
        scores = torch.stack([(q * key.unsqueeze(2)).sum(1) for key in k.unbind(2)])  # [M (keys), heads, M, ...]
        bias = torch.zeros(mask.shape, dtype=g.dtype, device=g.device).masked_fill(~mask, ABSENT)
        weights = (scores + bias[:, None, None]).softmax(0).unsqueeze(2)
        values = v.unsqueeze(3).unbind(2)
        joined = weights[0] * values[0]  # [heads, d, M, subset, n]
        for weight, value in zip(weights[1:], values[1:], strict=True):
            joined = torch.addcmul(joined, weight, value)
        columns = self.output.weight.t() @ joined.flatten(2).flatten(0, 1)
        return (columns.t() + self.output.bias).view(*joined.shape[2:], -1)

    def forward(self, g: Tensor, mask: Tensor) -> Tensor:
        g = g + self.attend(self.norm_attention(g), mask)
        return g + self.outer(torch.relu(self.inner(self.norm_forward(g))))


class SetTransformer(nn.Module):
    """Permutation-equivariant map of the tokens g_s, s ∈ S, to tokens of the same width; the rest comes out as 0.

    The mask may have leading axes that the tokens lack: several subsets of the same samples. Tokens must be finite,
    those outside S too, on whose values nothing depends.

    References:
        Set Transformer (Lee et al., 2019), https://arxiv.org/abs/1810.00825; pre-LayerNorm: Xiong et al. (2020).
    """

    def __init__(self, width: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def forward(
        self, g: Float[Tensor, "*batch modality width"], mask: Bool[Tensor, "*subset modality"]
    ) -> Float[Tensor, "*set modality width"]:
        modalities, width = g.shape[-2:]
        batch = torch.broadcast_shapes(g.shape[:-2], mask.shape[:-1])
        subsets, samples = batch[: len(batch) - g.dim() + 2], batch[len(batch) - g.dim() + 2 :]
        g = g.expand(*samples, modalities, width).movedim(-2, 0).reshape(modalities, 1, -1, width)
        mask = mask.expand(*batch, modalities).movedim(-1, 0).reshape(modalities, math.prod(subsets), -1)
        for block in self.blocks:
            g = block(g, mask)
        return (self.norm(g) * mask.unsqueeze(-1)).view(modalities, *batch, width).movedim(0, -2)
