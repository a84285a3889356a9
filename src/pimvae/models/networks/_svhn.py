"""Convolutions for colour images of 32×32 pixels: 3-32-64-64-128 channels, kernel 4, stride 2, and their mirror."""

__all__ = ["SIDE", "SVHNDecoder", "SVHNEncoder"]

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pimvae.models.layers import Dense, fresh
from pimvae.models.networks._base import widened

SIDE, CHANNELS = 32, (32, 64, 64, 128)
PADDING = (1, 1, 1, 0)  # 32 -> 16 -> 8 -> 4 -> 1 pixels a side


class SVHNEncoder(nn.Module):
    """[batch, 3·32·32] (channel, row, column) -> [batch, features]; ReLU between the layers."""

    def __init__(self, features: int, factor: float = 1.0) -> None:
        super().__init__()
        channels = [3, *widened(CHANNELS, factor)]
        self.layers = nn.ModuleList(
            fresh(nn.Conv2d(i, o, 4, stride=2, padding=p))
            for (i, o), p in zip(pairwise(channels), PADDING, strict=True)
        )
        self.head = Dense(channels[-1], features)

    def forward(self, x: Float[Tensor, "batch pixel"]) -> Float[Tensor, "batch feature"]:
        x = x.unflatten(-1, (3, SIDE, SIDE))
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x.flatten(1))


class SVHNDecoder(nn.Module):
    """[batch, latent] -> [batch, 3·32·32]: the encoder's layers transposed, in reverse."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        channels = [*CHANNELS[::-1], 3]
        self.head = Dense(latent, channels[0])
        self.layers = nn.ModuleList(
            fresh(nn.ConvTranspose2d(i, o, 4, stride=2, padding=p))
            for (i, o), p in zip(pairwise(channels), PADDING[::-1], strict=True)
        )

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch pixel"]:
        hidden = self.head(z)[..., None, None]
        for layer in self.layers:
            hidden = layer(torch.relu(hidden))
        return hidden.flatten(1)
