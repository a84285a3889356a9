"""One view of all decoders: the network's output of a modality, and a likelihood with mean, variance and draws."""

__all__ = ["likelihood_of", "output_of"]

from typing import Any

import torch
from torch import Tensor

from pimvae.models.decoders import VectorDecoder
from pimvae.models.likelihoods.laplace import LaplacePixels
from pimvae.models.likelihoods.text import POSITIONS, SYMBOLS, CategoricalText
from pimvae.models.likelihoods.vector import Categorical, Gaussian
from pimvae.models.vae import MultimodalVAE
from pimvae.posteriors import standard_noise


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
        return _Classes() if decoder.categorical[s] else _Scaled(decoder.scale()[s, : decoder.units()[s]])
    found = decoder.likelihoods[s]
    if isinstance(found, LaplacePixels):
        return _Pixels(found)
    return _Text(found) if isinstance(found, CategoricalText) else found


class _Scaled(Gaussian):
    """A Gaussian whose σ is that of a padded decoder."""

    def __init__(self, scale: Tensor) -> None:
        torch.nn.Module.__init__(self)
        self.given = scale

    def scale(self) -> Tensor:
        return self.given


class _Classes(Categorical):
    """Classes of a padded decoder: no parameters."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)


class _Pixels:
    """Laplace pixels; draws are not cut to [0, 1]."""

    def __init__(self, likelihood: LaplacePixels) -> None:
        self.likelihood, self.mean = likelihood, likelihood.mean

    def variance(self, output: Tensor) -> Tensor:
        """2 b², b the scale of the noise."""
        return torch.full_like(output, 2 * self.likelihood.scale**2)

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Mean and noise."""
        noise = standard_noise(output.shape, "laplace", generator, output.dtype)
        return self.mean(output) + self.likelihood.scale * noise


class _Text:
    """One symbol per position."""

    def __init__(self, likelihood: CategoricalText) -> None:
        self.mean = likelihood.mean

    def variance(self, output: Tensor) -> Tensor:
        """p (1 − p) of every symbol."""
        return self.mean(output) * (1 - self.mean(output))

    def sample(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """One-hot draws."""
        one = Categorical.sample(_Classes(), output.unflatten(-1, (POSITIONS, SYMBOLS)), generator)
        return one.flatten(-2)
