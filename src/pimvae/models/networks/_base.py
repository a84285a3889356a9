"""What a family of networks is, and the containers of those with one network per modality."""

__all__ = ["ImageDecoder", "ImageEncoder", "Modalities", "Networks"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pimvae.config.schema import ModelConfig
from pimvae.errors import UserError
from pimvae.models.likelihoods.laplace import LaplacePixels
from pimvae.models.likelihoods.text import CategoricalText

LIKELIHOODS = {"laplace": LaplacePixels, "text": CategoricalText}


@dataclass(frozen=True)
class Modalities:
    """What networks must know of the data: sizes D_s, the padded size, likelihoods, the noise scale of the decoders."""

    dims: tuple[int, ...]
    max_dim: int
    likelihoods: tuple[str, ...]
    noise_scale: float


@dataclass(frozen=True)
class Networks:
    """A family of networks.

    Attributes:
        encoder: from the configuration, the modalities, the width of h_s and a factor for all hidden widths to a module
            [M, batch, max_dim] -> [batch, M, features].
        decoder: from the configuration and the modalities to a module with `forward`, `log_likelihood`.
    """

    encoder: Callable[[ModelConfig, Modalities, int, float], nn.Module]
    decoder: Callable[[ModelConfig, Modalities], nn.Module]


def widened(widths: Sequence[int], factor: float) -> list[int]:
    """Hidden widths times a factor."""
    return [max(1, round(factor * width)) for width in widths]


class ImageEncoder(nn.Module):
    """h_s = e_s(x_s) with a network of its own shape for every modality; padding is cut off before.

    Args:
        networks: e_s, [batch, D_s] -> [batch, features].
        dims: D_s.
    """

    def __init__(self, networks: Sequence[nn.Module], dims: Sequence[int]) -> None:
        super().__init__()
        self.networks, self.dims = nn.ModuleList(networks), tuple(dims)

    def forward(self, x: Float[Tensor, "modality batch dim"]) -> Float[Tensor, "batch modality feature"]:
        parts = enumerate(zip(self.networks, self.dims, strict=True))
        return torch.stack([network(x[s, :, :dim]) for s, (network, dim) in parts], dim=-2)


class ImageDecoder(nn.Module):
    """p(x_s | z_s) of images and text, with a network of its own shape for every modality.

    Args:
        networks: d_s, [batch, latent] -> [batch, D_s].
        modalities: sizes, likelihoods (``laplace`` or ``text``) and the scale of the Laplace noise.

    Raises:
        UserError: for another likelihood.
    """

    def __init__(self, networks: Sequence[nn.Module], modalities: Modalities) -> None:
        super().__init__()
        unknown = sorted(set(modalities.likelihoods) - set(LIKELIHOODS))
        if unknown:
            raise UserError(f"image networks have no likelihood {', '.join(unknown)} (known: {', '.join(LIKELIHOODS)})")
        self.networks, self.dims = nn.ModuleList(networks), modalities.dims
        self.likelihoods = [LIKELIHOODS[kind](modalities.noise_scale) for kind in modalities.likelihoods]

    def output(self, s: int, z: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch dim"]:
        """d_s(z_s)."""
        return self.networks[s](z.flatten(0, -2)).unflatten(0, z.shape[:-1])

    def forward(self, z: Float[Tensor, "modality *batch latent"]) -> list[Tensor]:
        """E[x_s | z_s] of every modality, [*batch, D_s]: pixels, and probabilities of symbols."""
        return [likelihood.mean(self.output(s, z[s])) for s, likelihood in enumerate(self.likelihoods)]

    def log_likelihood(
        self, x: Float[Tensor, "modality batch dim"], z: Float[Tensor, "modality *sample batch latent"]
    ) -> Float[Tensor, "*sample batch modality"]:
        """log p(x_s | z_s) of every modality; x is broadcast over the leading sample axes of z."""
        return torch.stack([self.log_likelihood_of(s, x[s], z[s]) for s in range(len(self.dims))], dim=-1)

    def log_likelihood_of(
        self, s: int, x: Float[Tensor, "batch dim"], z: Float[Tensor, "*sample batch latent"]
    ) -> Float[Tensor, "*sample batch"]:
        """log p(x_s | z_s) of one modality, the others not decoded."""
        return self.likelihoods[s].log_prob(x[:, : self.dims[s]], self.output(s, z))

    def units(self) -> list[int]:
        """Pixels times channels, or positions, of every modality."""
        return [likelihood.units(dim) for likelihood, dim in zip(self.likelihoods, self.dims, strict=True)]
