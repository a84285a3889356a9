"""Pre-LayerNorm transformer blocks over the modalities of a subset."""

__all__ = ["LAYER_NORM_EPS", "Block", "SetTransformer"]

import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from pimvae.models.layers import Dense

LAYER_NORM_EPS = 1e-6  # the publication's framework default
ABSENT = -1e30  # score of a key outside S: finite, so that an empty subset gives (ignored) numbers and not NaN


class _Product(Function):
    """A product of tokens and weights both of whose gradients come out as their arguments lie in memory."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(context: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        context.save_for_backward(*inputs)


class _ToColumns(_Product):
    """Wᵀ rowsᵀ, [n, k] × [k, m] -> [m, n]."""

    @staticmethod
    def forward(rows: Tensor, weight: Tensor) -> Tensor:
        return weight.t() @ rows.t()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        rows, weight = context.saved_tensors
        return gradient.t() @ weight.t(), rows.t() @ gradient.t()


class _ToRows(_Product):
    """columnsᵀ W, [k, n] × [k, m] -> [n, m]."""

    @staticmethod
    def forward(columns: Tensor, weight: Tensor) -> Tensor:
        return columns.t() @ weight

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        columns, weight = context.saved_tensors
        return weight @ gradient.t(), columns @ gradient


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
        columns = _ToColumns.apply(g.reshape(-1, g.shape[-1]), self.query_key_value.weight)
        q, k, v = columns.view(3, self.heads, -1, *g.shape[:-1]).unbind(0)  # [heads, d, M, subset or 1, n]
        scores = torch.stack([(q * key.unsqueeze(2)).sum(1) for key in k.unbind(2)])  # [M (keys), heads, M, ...]
        bias = torch.zeros(mask.shape, dtype=g.dtype, device=g.device).masked_fill(~mask, ABSENT)
        scores = torch.add(bias[:, None, None], scores, alpha=1 / math.sqrt(q.shape[1]))
        weights = scores.softmax(0).unsqueeze(2)
        values = v.unsqueeze(3).unbind(2)
        joined = weights[0] * values[0]  # [heads, d, M, subset, n]
        for weight, value in zip(weights[1:], values[1:], strict=True):
            joined = torch.addcmul(joined, weight, value)
        rows = _ToRows.apply(joined.flatten(2).flatten(0, 1), self.output.weight)
        return (rows + self.output.bias).view(*joined.shape[2:], -1)

    def forward(self, g: Tensor, mask: Tensor) -> Tensor:
        g = g + self.attend(self.norm_attention(g), mask)
        return g + self.outer(torch.relu(self._inner(normalised(g))))

    def _inner(self, tokens: Tensor) -> Tensor:
        """``inner(norm_forward(·))`` of what is normalised: (t γ + β) W + b = t (γ W) + (β W + b) spares two passes."""
        norm, layer = self.norm_forward, self.inner
        bias = torch.addmm(layer.bias, norm.bias.unsqueeze(0), layer.weight)
        return (tokens.flatten(0, -2) @ (norm.weight.unsqueeze(-1) * layer.weight) + bias).view(tokens.shape)


def normalised(g: Tensor) -> Tensor:
    """Layer normalisation without scale and shift."""
    return functional.layer_norm(g, g.shape[-1:], eps=LAYER_NORM_EPS)


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
        tokens, mask = self._normalised(g, mask)
        return ((tokens * self.norm.weight + self.norm.bias) * mask).movedim(0, -2)

    def pooled(
        self, g: Float[Tensor, "*batch modality width"], mask: Bool[Tensor, "*subset modality"]
    ) -> Float[Tensor, "*set width"]:
        """Σ_{s∈S} of the tokens that come out; the last normalisation scales and shifts the sum, not every token."""
        tokens, mask = self._normalised(g, mask)
        return (tokens * mask).sum(0) * self.norm.weight + mask.sum(0) * self.norm.bias

    def _normalised(self, g: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [M, *batch, width] before the last scale and shift, and the mask [M, *batch, 1]."""
        modalities, width = g.shape[-2:]
        batch = torch.broadcast_shapes(g.shape[:-2], mask.shape[:-1])
        subsets, samples = batch[: len(batch) - g.dim() + 2], batch[len(batch) - g.dim() + 2 :]
        g = g.expand(*samples, modalities, width).movedim(-2, 0).reshape(modalities, 1, -1, width)
        mask = mask.expand(*batch, modalities).movedim(-1, 0).reshape(modalities, math.prod(subsets), -1)
        for block in self.blocks:
            g = block(g, mask)
        return normalised(g).view(modalities, *batch, width), mask.reshape(modalities, *batch, 1)
