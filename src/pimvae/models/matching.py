"""Wider encoders, so that a scheme without networks of its own has as many parameters as one with them."""

__all__ = ["encoder_features", "widening"]

import torch
from torch import nn

from pimvae.aggregators._base import Aggregator
from pimvae.config.schema import ModelConfig
from pimvae.models.layers import parameter_count
from pimvae.models.networks._base import Modalities, Networks

WIDEST = 64.0


def widening(config: ModelConfig, networks: Networks, modalities: Modalities, scheme: type[Aggregator]) -> float:
    """The factor of the hidden widths of ``scheme``'s encoders at which it has as many parameters as its counterpart.

    Only encoder and aggregator are compared: decoder and prior are the same. 1 for a scheme without counterpart. Counts
    are made on the meta device, where modules have shapes but no values; they grow with the width: bisection.
    """
    if scheme.counterpart is None:
        return 1.0
    wanted = _count(config, networks, modalities, scheme.counterpart, 1.0)
    low, high = 1.0, WIDEST
    while high - low > 1e-3:
        middle = (low + high) / 2
        enough = _count(config, networks, modalities, scheme, middle) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


def encoder_features(config: ModelConfig, scheme: type[Aggregator]) -> int:
    """Width of h_s: 2·(latent + private latent) for experts, else as configured (the same where nothing is)."""
    own = 2 * (config.latent + config.private_latent)
    return own if scheme.experts or config.features is None else config.features


def _count(
    config: ModelConfig, networks: Networks, modalities: Modalities, scheme: type[Aggregator], factor: float
) -> int:
    features = encoder_features(config, scheme)
    with torch.device("meta"):
        encoder = networks.encoder(config, modalities, features, factor)
        return parameter_count(nn.ModuleList([encoder, scheme(config, features)]))
