"""Pre-LayerNorm transformer blocks over the modalities of a subset."""

__all__ = ["LAYER_NORM_EPS", "SetTransformer"]

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from pimvae.models.layers import dense

LAYER_NORM_EPS = 1e-6  # the publication's framework default


class Attention(torch.autograd.Function):
    """Scaled dot-product attention softmax(q kᵀ/√d + bias) v on [batch, heads, M, d], with a rule for vmap.

    torch has a fused kernel, several times faster than products of many tiny matrices, but no vectorisation rule for
    it: here the vectorised axis becomes part of the batch, and autograd sees the fused kernel itself.
    """

    @staticmethod
    def forward(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, bias = (tensor.detach() for tensor in ctx.saved_tensors)
        with torch.enable_grad():
            inputs = [tensor.requires_grad_() for tensor in inputs]
            output = functional.scaled_dot_product_attention(*inputs, attn_mask=bias)
        return *torch.autograd.grad(output, inputs, gradient), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *tensors: Tensor) -> tuple[Tensor, int]:
        size = info.batch_size
        front = [
            tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(tensors, in_dims, strict=True)
        ]
        q, k, v, bias = (tensor.flatten(0, 1) for tensor in front)
        output = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return output.unflatten(0, (size, -1)), 0


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
        """Multi-head attention in which no modality outside S is a key; masked keys get a bias of −10³⁰."""
        q, k, v = self.query_key_value(g).unflatten(-1, (3, self.heads, -1)).unbind(-3)  # [*, M, heads, d]
        # A large finite number instead of −∞: an empty subset then gives finite (and later ignored) values, not NaN.
        bias = torch.zeros(mask.shape, dtype=g.dtype, device=g.device).masked_fill(~mask, -1e30)
        shape = g.shape[:-1]
        bias = bias[..., None, :].expand(*shape, shape[-1]).reshape(-1, 1, shape[-1], shape[-1])
        q, k, v = (t.reshape(-1, *t.shape[-3:]).transpose(1, 2) for t in (q, k, v))
        return self.output(Attention.apply(q, k, v, bias).transpose(1, 2).reshape(*shape, -1))

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
