"""Dense layers and MLPs with the initialisation of the publication's framework."""

__all__ = ["ACTIVATIONS", "MLP", "Dense", "ModalityDense", "fresh", "parameter_count"]

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "leaky_relu_0.1": lambda x: functional.leaky_relu(x, 0.1),
}
Convolution = TypeVar("Convolution", nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
# A unit normal cut at ±2 has this standard deviation; dividing by it gives weights the stated variance 1/fan_in.
TRUNCATED_STD = 0.87962566103423978


def lecun_normal_(weight: Tensor, fan_in: int) -> Tensor:
    """Fill ``weight`` with draws of a normal cut at two standard deviations, variance 1/fan_in (LeCun et al., 1998)."""
    std = 1 / (math.sqrt(max(fan_in, 1)) * TRUNCATED_STD)
    return nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


class Dense(nn.Module):
    """x ↦ x W + b with W [input, output]; x is a matrix to the product, whatever its leading axes.

    Stacked by vmap, a product with more axes would copy the weight for every sample and multiply them one by one. The
    weight lies as its gradient xᵀ g comes out of a product: stored the other way, as in `torch.nn.Linear`, every step
    would transpose the gradients of a stack into a copy.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(lecun_normal_(torch.empty(in_features, out_features), in_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None

    def forward(self, x: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch output"]:
        rows = x.reshape(-1, x.shape[-1])
        product = rows @ self.weight if self.bias is None else torch.addmm(self.bias, rows, self.weight)
        return product.reshape(*x.shape[:-1], -1)


def fresh(layer: Convolution) -> Convolution:
    """The convolution with lecun-normal weights and zero bias; fan-in: the inputs that meet in one output."""
    fan_in = layer.in_channels * math.prod(layer.kernel_size)
    lecun_normal_(layer.weight.data, fan_in // math.prod(layer.stride) if layer.transposed else fan_in)
    nn.init.zeros_(layer.bias)
    return layer


def parameter_count(model: nn.Module) -> int:
    """Trainable numbers, padding excluded."""
    counts = (getattr(module, "padding", None) for module in model.modules())  # of a convolution it is a number
    padding = sum(count() for count in counts if callable(count))
    return sum(p.numel() for p in model.parameters() if p.requires_grad) - padding


class MLP(nn.Module):
    """Dense layers with an activation between them (none after the last): [..., widths[0]] -> [..., widths[-1]]."""

    def __init__(self, widths: Sequence[int], activation: str = "leaky_relu") -> None:
        super().__init__()
        self.layers = nn.ModuleList(Dense(i, o) for i, o in pairwise(widths))
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch output"]:
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)


class ModalityDense(nn.Module):
    """One dense layer per modality, all in a single batched product: [M, batch, in] -> [M, batch, out].

    Modalities of different sizes are padded to a common one. Weights that meet padding start at 0 and, as their input
    or the gradient of their output is always 0, stay there.

    Args:
        in_features: input size per modality.
        out_features: output size per modality.
        padded_in: common input size; default: the largest ``in_features``.
        padded_out: common output size; default: the largest ``out_features``.
    """

    def __init__(
        self,
        in_features: Sequence[int],
        out_features: Sequence[int],
        padded_in: int | None = None,
        padded_out: int | None = None,
    ) -> None:
        super().__init__()
        self.sizes = tuple(zip(in_features, out_features, strict=True))
        padded_in, padded_out = padded_in or max(in_features), padded_out or max(out_features)
        self.weight = nn.Parameter(torch.zeros(len(self.sizes), padded_in, padded_out))
        self.bias = nn.Parameter(torch.zeros(len(self.sizes), padded_out))
        for s, (size_in, size_out) in enumerate(self.sizes):
            lecun_normal_(self.weight.data[s, :size_in, :size_out], size_in)

    def forward(self, x: Float[Tensor, "modality batch input"]) -> Float[Tensor, "modality batch output"]:
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight)

    def padding(self) -> int:
        """Weights and biases that are padding."""
        used = sum(size_in * size_out + size_out for size_in, size_out in self.sizes)
        return self.weight.numel() + self.bias.numel() - used
