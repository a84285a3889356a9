"""Random numbers of a stack: one generator per replica, so that no replica's draws depend on the others."""

__all__ = ["Purpose", "Streams", "derived_seed"]

from collections.abc import Callable, Sequence
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from pimvae.posteriors import Family, standard_noise


class Purpose(IntEnum):
    """What random numbers of a replica are for: each purpose has draws of its own."""

    INITIALISATION = 0
    TRAINING = 1
    EVALUATION = 2
    VALIDATION = 3
    PUBLISHED = 3  # metrics as the released code has them; their cells have no validation


def derived_seed(seed: int, purpose: Purpose) -> int:
    """A 63-bit seed for one purpose of a replica with this seed."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)[0] >> np.uint64(1))


class Streams:
    """One generator per replica on the device; every draw has a leading replica axis."""

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.device = device
        self.generators = [torch.Generator(device).manual_seed(derived_seed(seed, Purpose.TRAINING)) for seed in seeds]

    def permutation(self, n: int) -> Tensor:
        """A permutation of 0..n−1 for each replica, [R, n]."""
        return self._each(lambda g: torch.randperm(n, generator=g, device=self.device))

    def uniform(self, *shape: int) -> Tensor:
        """U(0, 1) draws [R, *shape]."""
        return self._each(lambda g: torch.rand(shape, generator=g, device=self.device))

    def noise(self, family: Family, *shape: int) -> Tensor:
        """Standard Gaussian or Laplace draws [R, *shape]."""
        dtype = torch.get_default_dtype()  # as `uniform` and the models
        return self._each(lambda g: standard_noise(shape, family, g, dtype, self.device))

    def state(self) -> Tensor:
        """All generator states, [R, bytes], for a checkpoint."""
        return torch.stack([generator.get_state() for generator in self.generators])

    def restore(self, state: Tensor) -> None:
        for generator, row in zip(self.generators, state, strict=True):
            generator.set_state(row.clone())  # torch 2.13 reads a view with an offset out of bounds

    def _each(self, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        return torch.stack([draw(generator) for generator in self.generators])
