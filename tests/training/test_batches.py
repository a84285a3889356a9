"""Batches of packed and of indexed data are the same."""

import numpy as np
import pytest
import torch
from builders import DIMS, generator

from pimvae.data.dataset import Split
from pimvae.training.batches import batches
from pimvae.training.packing import IndexedSplit, pack

WIDTH, SAMPLES = 6, 20


def split(seed: int) -> Split:
    """Tables of bytes and of numbers, some modalities missing."""
    draws = np.random.default_rng(seed)
    tables = [draws.integers(0, 256, (7, dim)).astype(np.uint8) for dim in DIMS[:-1]]
    tables.append(draws.standard_normal((4, DIMS[-1])).astype(np.float32))
    mask = draws.random((SAMPLES, 3)) < 0.7
    mask[:, 0] = True
    pairs = np.stack([draws.integers(0, len(table), SAMPLES) for table in tables], axis=1).astype(np.int32)
    return Split(tuple(tables), mask, pairs=pairs)


@pytest.mark.parametrize("rows", [slice(0, 5), slice(5, 20)], ids=str)
def test_indexed_and_packed_batches_agree(rows):
    splits = [split(seed) for seed in (0, 1)]
    packed = batches([pack(part, WIDTH) for part in splits], "cpu")
    indexed = batches([IndexedSplit(part, WIDTH) for part in splits], "cpu")
    order = torch.stack([torch.randperm(SAMPLES, generator=generator(seed)) for seed in (3, 4)])
    assert packed.size == indexed.size == SAMPLES
    for part in (packed, indexed):
        part.start(order)
    for one, other in zip(packed.batch(rows), indexed.batch(rows), strict=True):
        assert torch.equal(one, other) and one.shape[0] == 2


def test_every_epoch_has_its_own_order():
    splits = [pack(split(seed), WIDTH) for seed in (0, 1)]
    data = batches(splits, "cpu")
    orders = [torch.stack([torch.randperm(SAMPLES, generator=generator(seed + r)) for r in (0, 1)]) for seed in (3, 5)]
    for order in orders:
        data.start(order)
        x, mask = data.batch(slice(2, 6))
        for replica, part in enumerate(splits):
            chosen = order[replica, 2:6]
            assert torch.equal(x[replica], part.x[:, chosen]) and torch.equal(mask[replica], part.mask[chosen])
