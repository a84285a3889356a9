"""Encoders e_s: from one modality each to its features h_s."""

__all__ = ["VectorEncoder"]

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pimvae.models.layers import ModalityDense


class VectorEncoder(nn.Module):
    """One ReLU MLP per modality, h_s = e_s(x_s), for vector modalities padded to a common size.

    Args:
        dims: true size D_s of every modality.
        max_dim: padded size.
        widths: hidden widths.
        features: width of h_s.
    """

    def __init__(self, dims: Sequence[int], max_dim: int, widths: Sequence[int], features: int) -> None:
        super().__init__()
        modalities = len(dims)
        sizes = [*widths, features]
        first = ModalityDense(dims, [sizes[0]] * modalities, padded_in=max_dim)
        rest = (ModalityDense([i] * modalities, [o] * modalities) for i, o in pairwise(sizes))
        self.layers = nn.ModuleList([first, *rest])

    def forward(self, x: Float[Tensor, "modality batch dim"]) -> Float[Tensor, "batch modality feature"]:
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x).movedim(0, -2)
