"""Layers as counts: parameters, multiplications, numbers that come out."""

__all__ = ["Layer", "Network", "dense"]

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Layer:
    """A convolution from ``inputs`` channels at ``read`` positions to ``outputs`` channels at ``made`` positions.

    Its kernel has ``kernel`` positions and is applied at the fewer of both: where results are made or, in a transposed
    convolution, where values are read. A dense layer has one position and a kernel of one.
    """

    inputs: int
    outputs: int
    kernel: int = 1
    read: int = 1
    made: int = 1
    bias: bool = True

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.inputs * self.outputs * self.kernel + self.bias * self.outputs

    @property
    def products(self) -> int:
        """Multiplications."""
        return self.inputs * self.outputs * self.kernel * min(self.read, self.made)

    @property
    def transposed(self) -> "Layer":
        """The layer that goes back."""
        return Layer(self.outputs, self.inputs, self.kernel, self.made, self.read, self.bias)


@dataclass(frozen=True)
class Network:
    """A chain of layers: ``copies`` of its weights, applied to ``rows`` vectors for each sample of a batch."""

    layers: tuple[Layer, ...]
    rows: int
    copies: int = 1

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.copies * sum(layer.parameters for layer in self.layers)

    @property
    def products(self) -> int:
        """Multiplications of a forward pass per sample."""
        return self.rows * sum(layer.products for layer in self.layers)

    @property
    def outputs(self) -> int:
        """Numbers that its layers produce per sample."""
        return self.rows * sum(layer.outputs * layer.made for layer in self.layers)


def dense(sizes: Sequence[int], rows: int, copies: int = 1, bias: bool = True) -> Network:
    """Dense layers of these sizes."""
    return Network(tuple(Layer(i, o, bias=bias) for i, o in pairwise(sizes)), rows, copies)
