"""Modalities of any kind side by side: a network and a likelihood of its own for each."""

__all__ = ["MIXED"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pimvae.config.schema import ModelConfig
from pimvae.errors import UserError, did_you_mean
from pimvae.models.layers import MLP, Dense
from pimvae.models.likelihoods.vector import VECTOR_LIKELIHOODS
from pimvae.models.networks._base import ImageDecoder, ImageEncoder, Modalities, Networks, widened
from pimvae.models.networks._svhn import SIDE, SVHNDecoder, SVHNEncoder

COUNTED = ("poisson", "negative_binomial")
COLOUR = 3 * SIDE**2  # images that have convolutions


class CountMLP(MLP):
    """An MLP of log(1 + x): counts span orders of magnitude."""

    def forward(self, x: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch output"]:
        return super().forward(torch.log1p(x))


def encoder(config: ModelConfig, modalities: Modalities, features: int, factor: float) -> nn.Module:
    """D_s, encoder_widths, features with ReLU between; counts by their logarithm, 3×32×32 images by convolutions."""
    hidden = widened(config.encoder_widths, factor)

    def network(dim: int, kind: str) -> nn.Module:
        if dim == COLOUR and kind == "gaussian":
            return SVHNEncoder(features, factor)
        return (CountMLP if kind in COUNTED else MLP)([dim, *hidden, features], "relu")

    sizes = zip(modalities.dims, modalities.likelihoods, strict=True)
    return ImageEncoder([network(dim, kind) for dim, kind in sizes], modalities.dims)


class MixedDecoder(ImageDecoder):
    """p(x_s | z_s) with the likelihoods of `pimvae.models.likelihoods.vector`.

    d_s is affine (``linear``) or Dense(max(D_s, latent)), leaky ReLU 0.1, Dense(D_s) (``injective``).

    Raises:
        UserError: for a likelihood that does not exist.
    """

    def __init__(self, config: ModelConfig, modalities: Modalities) -> None:
        nn.Module.__init__(self)
        unknown = sorted(set(modalities.likelihoods) - set(VECTOR_LIKELIHOODS))
        if unknown:
            raise UserError(f"unknown likelihood '{unknown[0]}' ({did_you_mean(unknown[0], VECTOR_LIKELIHOODS)})")
        self.dims = modalities.dims
        sizes = list(zip(modalities.dims, modalities.likelihoods, strict=True))
        self.networks = nn.ModuleList(_decoder(config, dim, kind) for dim, kind in sizes)
        parts = (VECTOR_LIKELIHOODS[kind](config, dim, modalities.noise_scale) for dim, kind in sizes)
        self.likelihoods = nn.ModuleList(parts)

    def start_at(self, s: int, mean: Float[Tensor, " dim"]) -> None:
        """Let the decoder of modality s start at outputs whose expectation is ``mean``, by its last bias."""
        layers = [module for module in self.networks[s].modules() if isinstance(module, Dense)]
        if layers and layers[-1].bias is not None and layers[-1].bias.shape == mean.shape:
            with torch.no_grad():
                layers[-1].bias.copy_(self.likelihoods[s].centre(mean))


def _decoder(config: ModelConfig, dim: int, kind: str) -> nn.Module:
    start = config.latent + config.private_latent
    if dim == COLOUR and kind == "gaussian":
        return SVHNDecoder(start)
    if config.decoder == "linear":
        return Dense(start, dim)
    return MLP([start, max(dim, start), dim], "leaky_relu_0.1")


MIXED = Networks(encoder, MixedDecoder)
