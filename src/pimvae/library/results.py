"""What is found of samples: posteriors, predictions, log-likelihoods, as arrays or as tensors."""

__all__ = ["Array", "LogLikelihood", "Posterior", "Prediction", "as_given", "joined", "seeded"]

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pimvae import arguments
from pimvae.errors import UserError
from pimvae.models.mode import Modes
from pimvae.posteriors import GaussianPosterior

Array = Any  # np.ndarray, or Tensor where the data were tensors


@dataclass(frozen=True)
class Posterior:
    """q(z | x_O) of n samples.

    Attributes:
        mean: [n, latent].
        scale: standard deviations [n, latent].
        ids: of the samples.
    """

    mean: Array
    scale: Array
    ids: tuple[str, ...]
    distribution: Any
    tensors: bool

    def sample(self, count: int = 1, seed: int = 0) -> Array:
        """Draws [count, n, latent].

        Raises:
            UserError: if the number of draws is none.
        """
        generator, count = seeded(seed), arguments.whole("the number of draws", count, 1)
        q = self.distribution
        if isinstance(q, GaussianPosterior | Modes):
            noise = torch.randn(count, *q.mean.shape, generator=generator, dtype=torch.float64)
            places = (torch.rand(noise.shape[:2], generator=generator),) if isinstance(q, Modes) else ()
            drawn = q.sample(noise, *places)
        else:
            drawn = q.sample(count, generator)
        return as_given(drawn, self.tensors)

    def log_prob(self, z: Array) -> Array:
        """log q(z | x_O) in nats, [*draw, n] for z [*draw, n, latent].

        Raises:
            UserError: if z is no array of this shape.
        """
        kind = torch.as_tensor(self.mean).dtype  # single precision from the encoder, double where it was refined
        expected = tuple(self.mean.shape)
        try:
            values = torch.as_tensor(z, dtype=kind)
        except (TypeError, ValueError, RuntimeError):
            raise UserError(f"z is no array of numbers, expected the shape (…, {expected[0]}, {expected[1]})") from None
        if tuple(values.shape[-2:]) != expected:
            raise UserError(f"z has shape {tuple(values.shape)}, expected (…, {expected[0]}, {expected[1]})")
        return as_given(self.distribution.log_prob(values), self.tensors)


@dataclass(frozen=True)
class Prediction:
    """p(x_s | what is observed) of n samples, in the units of the data.

    Attributes:
        mean: E[x_s], [n, D] (images [n, c, h, w]); for classes their probabilities [n, K].
        sd: standard deviation of x_s (noise included), in the shape of ``mean``.
        lower: lower end of the interval, from draws; for classes None.
        upper: upper end.
        labels: most probable class [n]; None for other kinds.
        samples: draws [samples, n, …] of x_s, labels for classes; None if none were asked for.
        ids: of the samples.
    """

    mean: Array
    sd: Array
    lower: Array | None
    upper: Array | None
    labels: np.ndarray | None
    samples: Array | None
    ids: tuple[str, ...]


@dataclass(frozen=True)
class LogLikelihood:
    """log p(x_O) per sample [n] in nats, its standard error, and the effective share of the draws."""

    value: Array
    error: Array
    ess_fraction: Array


def as_given(values: Tensor, tensors: bool) -> Array:
    """As a tensor or as an array."""
    return values if tensors else values.detach().numpy()


def seeded(seed: int) -> torch.Generator:
    """Random numbers of a seed.

    Raises:
        UserError: if it is no whole number.
    """
    return torch.Generator().manual_seed(arguments.whole("seed", seed))


def joined(parts: Sequence[Any]) -> Any:
    """Tensors or posteriors of blocks of samples as one of all samples; what holds no samples is the first one's."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, Tensor):
        return torch.cat(list(parts))
    if isinstance(first, Modes):  # components come before the samples
        components = zip(*(part.parts for part in parts), strict=True)
        return Modes(torch.cat([part.log_weight for part in parts], 1), [joined(group) for group in components])
    if not is_dataclass(first):
        return first
    return replace(first, **{field.name: joined([getattr(part, field.name) for part in parts])
                             for field in fields(first)})  # fmt: skip
