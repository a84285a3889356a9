"""The batches of a stack: every replica its own data, in its own order."""

__all__ = ["IndexedBatches", "PackedBatches", "batches"]

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pimvae.training.packing import IndexedSplit, PackedSplit

Batch = tuple[Float[Tensor, "replica modality batch dim"], Bool[Tensor, "replica batch modality"]]


class PackedBatches:
    """Data small enough to be reordered as a whole once per epoch, so that batches are views.

    ``size`` is the number of samples of each replica.
    """

    def __init__(self, data: Sequence[PackedSplit], device: torch.device | str) -> None:
        self.x = torch.stack([split.x for split in data]).to(device)
        self.mask = torch.stack([split.mask for split in data]).to(device)
        self.size = self.mask.shape[1]
        self.epoch_x, self.epoch_mask = torch.empty_like(self.x), torch.empty_like(self.mask)

    def start(self, order: Int[Tensor, "replica sample"]) -> None:
        """Put the samples into this order; batches of the epoch before are overwritten."""
        # Selecting copies whole rows; general indexing goes number by number and takes eight times as long.
        for replica, rows in enumerate(order):
            torch.index_select(self.x[replica], 1, rows, out=self.epoch_x[replica])
            torch.index_select(self.mask[replica], 0, rows, out=self.epoch_mask[replica])

    def batch(self, rows: slice) -> Batch:
        return self.epoch_x[:, :, rows], self.epoch_mask[:, rows]


class IndexedBatches:
    """Samples that share the rows of tables; a batch is gathered when it is asked for."""

    def __init__(self, data: Sequence[IndexedSplit]) -> None:
        self.data = list(data)
        self.size = len(data[0])

    def start(self, order: Int[Tensor, "replica sample"]) -> None:
        self.order = order

    def batch(self, rows: slice) -> Batch:
        parts = [split.batch(order[rows]) for split, order in zip(self.data, self.order, strict=True)]
        x, mask = zip(*parts, strict=True)
        return torch.stack(x), torch.stack(mask)


def batches(
    data: Sequence[PackedSplit] | Sequence[IndexedSplit], device: torch.device | str
) -> PackedBatches | IndexedBatches:
    """The batches of replicas with these training splits, one per replica and all of one size."""
    if isinstance(data[0], IndexedSplit):
        return IndexedBatches(data)
    return PackedBatches(data, device)
