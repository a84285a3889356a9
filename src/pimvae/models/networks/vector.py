"""Vector modalities: MLPs of one shape for all, batched in one product."""

__all__ = ["VECTOR"]

from torch import nn

from pimvae.config.schema import ModelConfig
from pimvae.models.decoders import VectorDecoder
from pimvae.models.encoders import VectorEncoder
from pimvae.models.networks._base import Modalities, Networks, widened


def encoder(config: ModelConfig, modalities: Modalities, features: int, factor: float) -> nn.Module:
    """See `pimvae.models.encoders.VectorEncoder`."""
    widths = widened(config.encoder_widths, factor)
    return VectorEncoder(modalities.dims, modalities.max_dim, widths, features)


VECTOR = Networks(encoder, VectorDecoder)
