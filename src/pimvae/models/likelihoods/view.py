"""One view of all decoders: the network's output of a modality, and a likelihood with mean, variance and draws."""

__all__ = ["likelihood_of", "output_of"]

from typing import Any

import torch
from torch import Tensor

from pimvae.models.decoders import VectorDecoder
from pimvae.models.likelihoods.vector import Categorical, Gaussian
from pimvae.models.vae import MultimodalVAE


def output_of(model: MultimodalVAE, s: int, z: Tensor) -> Tensor:
    """d_s(z), [*batch, D_s], z [*batch, latent] of all modalities."""
    latents = model.modality_latents(z)
    if isinstance(model.decoder, VectorDecoder):
        return model.decoder(latents)[s][..., : model.decoder.units()[s]]
    return model.decoder.output(s, latents[s])


def likelihood_of(model: MultimodalVAE, s: int) -> Any:
    """An object with ``mean``, ``variance`` and ``sample`` of x_s from the output of its network."""
    decoder = model.decoder
    if isinstance(decoder, VectorDecoder):
        if decoder.categorical[s]:
            return Categorical(model.config, decoder.units()[s], 1.0)
        return _Scaled(decoder.scale()[s, : decoder.units()[s]])
    return decoder.likelihoods[s]


class _Scaled(Gaussian):
    """A Gaussian whose σ is that of a padded decoder."""

    def __init__(self, scale: Tensor) -> None:
        torch.nn.Module.__init__(self)
        self.given = scale

    def scale(self) -> Tensor:
        return self.given
