"""Pixels in [0, 1] with Laplace noise of known scale."""

__all__ = ["LaplacePixels"]

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pimvae.posteriors import standard_noise


@dataclass(frozen=True)
class LaplacePixels:
    r"""x_d | z ~ Laplace(m_d(z), b) for every pixel and channel, m = sigmoid(output).

    Args:
        scale: b, 0.75 in the publications that use these data.

    References:
        Variational mixture-of-experts autoencoders for multi-modal deep generative models (Shi et al., 2019).
    """

    scale: float

    def log_prob(
        self, x: Float[Tensor, "*#batch pixel"], output: Float[Tensor, "*batch pixel"]
    ) -> Float[Tensor, "*batch"]:
        """Σ_d log Laplace(x_d; m_d, b) = −Σ_d |x_d − m_d| / b − D log 2b."""
        distance = (x - self.mean(output)).abs().sum(-1)
        return -distance / self.scale - output.shape[-1] * math.log(2 * self.scale)

    def mean(self, output: Float[Tensor, "*batch pixel"]) -> Float[Tensor, "*batch pixel"]:
        """E[x | z]: the image that is shown and classified."""
        return torch.sigmoid(output)

    def variance(self, output: Float[Tensor, "*batch pixel"]) -> Float[Tensor, "*batch pixel"]:
        """2 b²."""
        return torch.full_like(output, 2 * self.scale**2)

    def sample(self, output: Float[Tensor, "*batch pixel"], generator: torch.Generator) -> Tensor:
        """Mean and noise; draws are not cut to [0, 1]."""
        return self.mean(output) + self.scale * standard_noise(output.shape, "laplace", generator, output.dtype)

    @staticmethod
    def units(dim: int) -> int:
        """What one observation counts for in weighted bounds: its pixels times channels."""
        return dim
