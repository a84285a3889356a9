"""Low-resolution images and text: an MLP per modality, and its mirror."""

__all__ = ["IMAGE_MLP"]

from torch import nn

from pimvae.config.schema import ModelConfig
from pimvae.models.layers import MLP
from pimvae.models.networks._base import ImageDecoder, ImageEncoder, Modalities, Networks, widened


def encoder(config: ModelConfig, modalities: Modalities, features: int, factor: float) -> nn.Module:
    """D_s, encoder_widths, features; leaky ReLU (0.1) between, for units that die in a short training stay dead."""
    widths = widened(config.encoder_widths, factor)
    return ImageEncoder([MLP([dim, *widths, features], "leaky_relu_0.1") for dim in modalities.dims], modalities.dims)


def decoder(config: ModelConfig, modalities: Modalities) -> nn.Module:
    """latent, encoder_widths reversed, D_s; the same activation."""
    start = config.latent + config.private_latent
    widths = config.encoder_widths[::-1]
    return ImageDecoder([MLP([start, *widths, dim], "leaky_relu_0.1") for dim in modalities.dims], modalities)


IMAGE_MLP = Networks(encoder, decoder)
