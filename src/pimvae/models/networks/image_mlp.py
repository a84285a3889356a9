"""Low-resolution images and text: an MLP per modality, and its mirror."""

__all__ = ["IMAGE_MLP"]

from torch import nn

from pimvae.config.schema import ModelConfig
from pimvae.models.layers import MLP
from pimvae.models.networks._base import ImageDecoder, ImageEncoder, Modalities, Networks, widened


def encoder(config: ModelConfig, modalities: Modalities, features: int, factor: float) -> nn.Module:
    """D_s, encoder_widths, features with ReLU between."""
    widths = widened(config.encoder_widths, factor)
    return ImageEncoder([MLP([dim, *widths, features], "relu") for dim in modalities.dims], modalities.dims)


def decoder(config: ModelConfig, modalities: Modalities) -> nn.Module:
    """latent, encoder_widths reversed, D_s with ReLU between."""
    start = config.latent + config.private_latent
    widths = config.encoder_widths[::-1]
    return ImageDecoder([MLP([start, *widths, dim], "relu") for dim in modalities.dims], modalities)


IMAGE_MLP = Networks(encoder, decoder)
