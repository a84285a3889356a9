"""Padding: samples with rows of their own and samples that share rows give the same tensors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pimvae.data.dataset import Split
from pimvae.training.packing import IndexedSplit, pack

WIDTH = 7


@pytest.fixture
def shared() -> Split:
    rng = np.random.default_rng(0)
    floats = rng.normal(size=(5, 4)).astype(np.float32)
    floats[4] = np.nan  # a row that only missing entries use
    tables = (np.arange(256, dtype=np.uint8).repeat(6).reshape(256, 6), floats)
    pairs = np.stack([rng.permutation(256), rng.integers(0, 4, 256)], axis=1).astype(np.int32)
    mask = rng.random((256, 2)) < 0.7
    mask[:, 0] |= ~mask[:, 1]
    pairs[~mask[:, 1], 1] = 4
    return Split(tables, mask, {}, pairs)


def test_values_padding_and_missing_entries(shared):
    packed = pack(shared, WIDTH)
    assert packed.x.shape == (2, 256, WIDTH) and packed.x.dtype == torch.float32 and packed.dims == (6, 4)
    for i, (first, second) in enumerate(shared.pairs):
        pixel = np.float32(first) / np.float32(255) if shared.mask[i, 0] else 0
        assert packed.x[0, i].tolist() == [pixel] * 6 + [0]
        values = shared.x[1][second].tolist() if shared.mask[i, 1] else [0] * 4
        assert packed.x[1, i].tolist() == [*values, 0, 0, 0]
    assert packed.mask.numpy().tolist() == shared.mask.tolist()


def test_shared_rows_give_what_own_rows_give(shared):
    own = replace(shared, x=(shared.values(0), shared.values(1)), pairs=None)
    torch.testing.assert_close(pack(own, WIDTH).x, pack(shared, WIDTH).x, rtol=0, atol=0)


@pytest.mark.parametrize("own", [False, True])
def test_batches_are_the_rows_of_the_packed_split(shared, own):
    split = replace(shared, x=(shared.values(0), shared.values(1)), pairs=None) if own else shared
    packed, indexed = pack(split, WIDTH), IndexedSplit(split, WIDTH)
    assert len(indexed) == len(packed) == 256 and indexed.dims == packed.dims
    rows = torch.cat([torch.arange(256), torch.tensor([3, 3, 0])])
    x, mask = indexed.batch(rows)
    assert torch.equal(x, packed.x[:, rows]) and torch.equal(mask, packed.mask[rows])
    assert indexed.tables[0].dtype == (torch.float32 if own else torch.uint8)  # bytes stay bytes
