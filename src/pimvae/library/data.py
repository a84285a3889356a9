"""From samples as they were read to the numbers of a model: modalities, packing, validation samples."""

__all__ = ["as_tensors", "divided", "modalities_of", "pack_collection", "start_at_means"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pimvae import arguments
from pimvae.data.modality import Modality
from pimvae.data.readers import Collection
from pimvae.data.understand import understand
from pimvae.errors import UserError, check_known, did_you_mean
from pimvae.models.vae import MultimodalVAE as Core
from pimvae.training.packing import PackedSplit


def modalities_of(data: Collection, kinds: Mapping[str, str] | None, standardise: bool = True) -> tuple[Modality, ...]:
    """What the modalities of training samples are, see `pimvae.data.understand`.

    Raises:
        UserError: if a kind is stated of a modality that is not there, or there are fewer than two modalities
            or samples.
    """
    kinds = {} if kinds is None else arguments.mapping("kinds", kinds, '{"rna": "counts"}')
    for name in kinds:
        if name not in data.names:
            raise UserError(f"a kind is stated of '{name}', which is no modality ({did_you_mean(name, data.names)})")
    if len(data.raws) < 2:
        raise UserError(f"{data.source}: at least 2 modalities are needed, found {len(data.raws)}")
    if len(data) < 2:
        raise UserError(f"{data.source}: there is one sample to train on, at least 2 are needed")
    held_out = data.test.raws if data.test else [None] * len(data.raws)
    try:
        return tuple(
            understand(raw, kinds.get(raw.name), standardise, also)
            for raw, also in zip(data.raws, held_out, strict=True)
        )
    except UserError as error:
        raise UserError(f"{data.source}: {error}") from None


def pack_collection(data: Collection, modalities: Sequence[Modality], width: int | None = None) -> PackedSplit:
    """The model's numbers [M, n, max_dim] and mask [n, M]; modalities that the data do not have are missing.

    Raises:
        UserError: if a modality is unknown, values are not of its kind, or a sample has no modality at all.
    """
    names = [modality.name for modality in modalities]
    check_known("modality", names, *data.names, place=data.source)
    dims = tuple(modality.dim for modality in modalities)
    x = torch.zeros(len(modalities), len(data), width or max(dims))
    mask = torch.zeros(len(data), len(modalities), dtype=torch.bool)
    for s, modality in enumerate(modalities):
        if modality.name in data.names:
            try:
                values, seen = modality.encode(data.raw(modality.name))
            except UserError as error:
                raise UserError(f"{data.source}: {error}") from None
            x[s, :, : modality.dim], mask[:, s] = torch.from_numpy(values), torch.from_numpy(seen)
    empty = torch.nonzero(~mask.any(1)).flatten()
    if len(empty):
        raise UserError(f"{data.source}: sample '{data.ids[int(empty[0])]}' has no observed modality")
    return PackedSplit(x, mask, dims)


def divided(packed: PackedSplit, share: float, seed: int) -> tuple[PackedSplit, PackedSplit]:
    """Training and validation samples of one seed."""
    order = torch.from_numpy(np.random.default_rng([seed, 4]).permutation(len(packed)))
    count = round(share * len(packed))
    parts = (order[count:].sort().values, order[:count].sort().values)
    train, other = (PackedSplit(packed.x[:, rows], packed.mask[rows], packed.dims) for rows in parts)
    return train, other


def start_at_means(model: Core, train: PackedSplit) -> None:
    """Let the decoders start at the means of the training samples."""
    for s, dim in enumerate(train.dims):
        seen = train.mask[:, s]
        if seen.any():
            model.decoder.start_at(s, train.x[s, seen, :dim].mean(0))


def as_tensors(data: Any) -> bool:
    """Whether results are tensors: where the data are."""
    return isinstance(data, Mapping) and any(isinstance(values, Tensor) for values in data.values())
