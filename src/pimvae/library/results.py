"""What is found of samples: posteriors, predictions, log-likelihoods, as arrays or as tensors."""

__all__ = ["Array", "LogLikelihood", "Posterior", "Prediction", "as_given", "joined"]

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pimvae.gaussian import GaussianPosterior
from pimvae.models.mode import Modes

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
        """Draws [count, n, latent]."""
        generator = torch.Generator().manual_seed(seed)
        q = self.distribution
        if isinstance(q, GaussianPosterior | Modes):
            noise = torch.randn(count, *q.mean.shape, generator=generator, dtype=torch.float64)
            places = (torch.rand(noise.shape[:2], generator=generator),) if isinstance(q, Modes) else ()
            drawn = q.sample(noise, *places)
        else:
            drawn = q.sample(count, generator)
        return as_given(drawn, self.tensors)

    def log_prob(self, z: Array) -> Array:
        """log q(z | x_O) in nats, [*draw, n] for z [*draw, n, latent]."""
        kind = torch.as_tensor(self.mean).dtype  # single precision from the encoder, double where it was refined
        return as_given(self.distribution.log_prob(torch.as_tensor(z, dtype=kind)), self.tensors)


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
