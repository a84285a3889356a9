"""The networks of the publication for MNIST, SVHN and text at full resolution."""

__all__ = ["IMAGE_CONV"]

from torch import nn

from pimvae.config.schema import ModelConfig
from pimvae.models.layers import MLP
from pimvae.models.likelihoods.text import POSITIONS, SYMBOLS
from pimvae.models.networks._base import ImageDecoder, ImageEncoder, Modalities, Networks, widened
from pimvae.models.networks._svhn import SIDE, SVHNDecoder, SVHNEncoder
from pimvae.models.networks._text import TextDecoder, TextEncoder

COLOUR, TEXT = 3 * SIDE**2, POSITIONS * SYMBOLS  # sizes D_s by which a modality's network is chosen


def encoder(config: ModelConfig, modalities: Modalities, features: int, factor: float) -> nn.Module:
    """Convolutions for 3×32×32 images and for text, an MLP of ``encoder_widths`` for any other image.

    References:
        Shi et al. (2019); Sutter et al. (2021): the networks that MNIST-SVHN-Text is usually given.
    """

    def network(dim: int) -> nn.Module:
        if dim == COLOUR:
            return SVHNEncoder(features, factor)
        if dim == TEXT:
            return TextEncoder(features, factor)
        return MLP([dim, *widened(config.encoder_widths, factor), features], "relu")

    return ImageEncoder([network(dim) for dim in modalities.dims], modalities.dims)


def decoder(config: ModelConfig, modalities: Modalities) -> nn.Module:
    """The mirror of the encoders."""
    start = config.latent + config.private_latent

    def network(dim: int) -> nn.Module:
        if dim == COLOUR:
            return SVHNDecoder(start)
        if dim == TEXT:
            return TextDecoder(start)
        return MLP([start, *config.encoder_widths[::-1], dim], "relu")

    return ImageDecoder([network(dim) for dim in modalities.dims], modalities)


IMAGE_CONV = Networks(encoder, decoder)
