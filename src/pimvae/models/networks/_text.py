"""Convolutions along text of eight positions: 71-128 (kernel 1), twice 128-128 (kernel 4, stride 2), and the mirror."""

__all__ = ["TextDecoder", "TextEncoder"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pimvae.models.layers import Dense, fresh
from pimvae.models.likelihoods.text import POSITIONS, SYMBOLS
from pimvae.models.networks._base import widened

CHANNELS = 128


class TextEncoder(nn.Module):
    """One-hot text [batch, 8·71] (position, symbol) -> [batch, features]; 8 -> 8 -> 4 -> 1 positions."""

    def __init__(self, features: int, factor: float = 1.0) -> None:
        super().__init__()
        (width,) = widened([CHANNELS], factor)
        self.layers = nn.ModuleList(
            [
                fresh(nn.Conv1d(SYMBOLS, width, 1)),
                fresh(nn.Conv1d(width, width, 4, stride=2, padding=1)),
                fresh(nn.Conv1d(width, width, 4, stride=2)),
            ]
        )
        self.head = Dense(width, features)

    def forward(self, x: Float[Tensor, "batch flat"]) -> Float[Tensor, "batch feature"]:
        x = x.unflatten(-1, (POSITIONS, SYMBOLS)).mT
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x.flatten(1))


class TextDecoder(nn.Module):
    """[batch, latent] -> logits [batch, 8·71]: the encoder's layers transposed, in reverse."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.head = Dense(latent, CHANNELS)
        self.layers = nn.ModuleList(
            [
                fresh(nn.ConvTranspose1d(CHANNELS, CHANNELS, 4, stride=2)),
                fresh(nn.ConvTranspose1d(CHANNELS, CHANNELS, 4, stride=2, padding=1)),
                fresh(nn.Conv1d(CHANNELS, SYMBOLS, 1)),
            ]
        )

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch flat"]:
        hidden = self.head(z).unsqueeze(-1)
        for layer in self.layers:
            hidden = layer(torch.relu(hidden))
        return hidden.mT.flatten(1)
