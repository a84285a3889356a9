"""From data sets to the padded tensors that models read."""

__all__ = ["PackedSplit", "pack"]

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pimvae.data._dataset import Split, spread


@dataclass(frozen=True)
class PackedSplit:
    """One split of one data set: x [M, n, max_dim] with zeros for padding and missing entries, mask [n, M], D_s."""

    x: Tensor
    mask: Tensor
    dims: tuple[int, ...]

    def __len__(self) -> int:
        return self.mask.shape[0]

    def spread(self, count: int) -> "PackedSplit":
        """``count`` samples at equal distances, those of `Split.spread`."""
        rows = torch.from_numpy(spread(len(self), count))
        return PackedSplit(self.x[:, rows], self.mask[rows], self.dims)

    def to(self, dtype: torch.dtype) -> "PackedSplit":
        """The same values in another precision."""
        return PackedSplit(self.x.to(dtype), self.mask, self.dims)


def pack(split: Split, max_dim: int) -> PackedSplit:
    """Pad the modalities to ``max_dim`` and replace the values of missing ones, whatever they are, by 0."""
    packed = np.zeros((len(split.x), len(split.mask), max_dim), np.float32)
    for s, values in enumerate(split.x):
        packed[s, :, : values.shape[1]] = np.where(split.mask[:, s : s + 1], values, 0.0)
    dims = tuple(values.shape[1] for values in split.x)
    return PackedSplit(torch.from_numpy(packed), torch.from_numpy(np.array(split.mask)), dims)
