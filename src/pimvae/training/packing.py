"""From data sets to the padded tensors that models read."""

__all__ = ["IndexedSplit", "PackedSplit", "pack"]

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pimvae.data.dataset import Split, spread


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
    """Pad the modalities to ``max_dim`` and replace the values of missing ones, whatever they are, by 0.

    Samples that share the rows of a table get copies of their own; where these are too many, see `IndexedSplit`.
    """
    packed = np.zeros((len(split.x), len(split), max_dim), np.float32)
    for s, dim in enumerate(split.dims):
        packed[s, :, :dim] = np.where(split.mask[:, s : s + 1], split.values(s), np.float32(0))
    return PackedSplit(torch.from_numpy(packed), torch.from_numpy(np.array(split.mask)), split.dims)


class IndexedSplit:
    """A split whose tables stay on a device as they are stored; only the batches asked for are padded.

    The memory is that of the tables (bytes for pixels) and of the indices, whatever the number of pairings.

    Args:
        split: with or without ``pairs``.
        max_dim: width to which modalities are padded.
        device: where the tables lie and the batches are made.
    """

    def __init__(self, split: Split, max_dim: int, device: torch.device | str = "cpu") -> None:
        self.dims, self.max_dim = split.dims, max_dim
        self.tables = [torch.from_numpy(np.array(table)).to(device) for table in split.x]
        self.mask = torch.from_numpy(np.array(split.mask)).to(device)
        self.pairs = None if split.pairs is None else torch.from_numpy(np.array(split.pairs)).to(device)
        # As a tensor: with a Python number, CUDA multiplies by the reciprocal, which differs in the last bit.
        self.white = torch.full((1,), 255.0, device=device)

    def __len__(self) -> int:
        return self.mask.shape[0]

    def batch(
        self, rows: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "modality batch width"], Bool[Tensor, "batch modality"]]:
        """x and mask of the given samples: the rows that `pack` would give, to the last bit."""
        mask = self.mask[rows]
        x = torch.zeros((len(self.tables), len(rows), self.max_dim), device=mask.device)
        for s, table in enumerate(self.tables):
            values = table[rows if self.pairs is None else self.pairs[rows, s].long()]
            values = values / self.white if table.dtype == torch.uint8 else values
            x[s, :, : self.dims[s]] = torch.where(mask[:, s, None], values, 0)
        return x, mask
