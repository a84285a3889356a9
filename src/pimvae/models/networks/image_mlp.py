"""Low-resolution images and text: an MLP per modality, and its mirror."""

__all__ = ["IMAGE_MLP"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pimvae.config.schema import ModelConfig
from pimvae.models.layers import MLP
from pimvae.models.networks._base import ImageDecoder, ImageEncoder, Modalities, Networks, widened

CENTRE, UNIT = 0.35, 0.25  # of the pixels of house numbers, which are about 0.45 ± 0.2


class ColourMLP(MLP):
    """An MLP of tanh((x − centre)/unit): from pixels as they are, it hardly learns to read in a short training.

    What tells house numbers apart is small beside the brightness that they share. The tanh keeps an image that is
    brighter than all others from being an outlier. Digits on black need no such help.
    """

    def forward(self, x: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch output"]:
        return super().forward(torch.tanh((x - CENTRE) / UNIT))


def encoder(config: ModelConfig, modalities: Modalities, features: int, factor: float) -> nn.Module:
    """D_s, encoder_widths, features; leaky ReLU (0.1) between, for units that die in a short training stay dead."""
    hidden = widened(config.encoder_widths, factor)

    def network(dim: int, kind: str) -> nn.Module:
        family = ColourMLP if kind == "laplace" and dim % 3 == 0 else MLP
        return family([dim, *hidden, features], "leaky_relu_0.1")

    sizes = zip(modalities.dims, modalities.likelihoods, strict=True)
    return ImageEncoder([network(dim, kind) for dim, kind in sizes], modalities.dims)


def decoder(config: ModelConfig, modalities: Modalities) -> nn.Module:
    """latent, encoder_widths reversed, D_s; the same activation."""
    start = config.latent + config.private_latent
    widths = config.encoder_widths[::-1]
    return ImageDecoder([MLP([start, *widths, dim], "leaky_relu_0.1") for dim in modalities.dims], modalities)


IMAGE_MLP = Networks(encoder, decoder)
