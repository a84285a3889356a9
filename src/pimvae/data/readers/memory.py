"""Modalities that are in memory: dicts of arrays, tensors or data frames; AnnData and MuData."""

__all__ = ["read_memory"]

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from pimvae.data.raw import Raw
from pimvae.data.readers._collection import Collection
from pimvae.errors import UserError

SOURCE = "data"


def read_memory(data: Any, mask: Any = None) -> Collection:
    """A `Collection` of what is given.

    Args:
        data: name → array, tensor, data frame or series (pandas objects are joined by their index, an outer join); or a
            Collection; or an AnnData or MuData object.
        mask: [n, M] of 0 and 1, modalities in the order of ``data``, or name → [n]; 0: missing, whatever is there.

    Raises:
        UserError: if the data are nothing of this, or the mask does not fit.
    """
    if isinstance(data, Collection):
        found = data
    elif hasattr(data, "obsm") and hasattr(data, "obs_names"):
        from pimvae.data.readers.anndata import from_units

        found = from_units(data, (), SOURCE)
    elif isinstance(data, Mapping) and data:
        found = _from_mapping(data)
    else:
        raise UserError(f"data are a {type(data).__name__}; expected a dict of name → array, tensor or DataFrame")
    return found if mask is None else _masked(found, mask)


def _is_tensor(values: Any) -> bool:
    """Whether this is a torch tensor; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def _from_mapping(data: Mapping[str, Any]) -> Collection:
    import pandas as pd

    from pimvae.data.readers.table import join_frames

    frames = [isinstance(values, (pd.DataFrame, pd.Series)) for values in data.values()]
    if all(frames):
        tables = {str(name): values.to_frame(name=values.name if values.name is not None else name)
                  if isinstance(values, pd.Series) else values for name, values in data.items()}  # fmt: skip
        return join_frames(tables, SOURCE)
    raws = []
    for name, values in data.items():
        columns: tuple[str, ...] = ()
        if isinstance(values, pd.DataFrame):
            columns, values = tuple(map(str, values.columns)), values.to_numpy()
        if _is_tensor(values):
            values = values.detach().cpu().numpy()
        array = np.asarray(values)
        if array.ndim == 0:
            raise UserError(f"'{name}' is a single value, expected one row per sample")
        raws.append(Raw(str(name), array, columns))
    return Collection(tuple(raws), tuple(map(str, range(len(raws[0])))), SOURCE)


def _masked(found: Collection, mask: Any) -> Collection:
    if isinstance(mask, Mapping):
        unknown = sorted(set(mask) - set(found.names))
        if unknown:
            raise UserError(f"the mask names '{unknown[0]}', which is no modality")
        mask = np.stack([np.asarray(mask.get(name, np.ones(len(found)))) for name in found.names], axis=1)
    mask = mask.detach().cpu().numpy() if _is_tensor(mask) else np.asarray(mask)
    expected = (len(found), len(found.raws))
    if mask.shape != expected:
        raise UserError(f"the mask has shape {mask.shape}, expected {expected}")
    if not np.isin(mask, (0, 1)).all():
        raise UserError("the mask holds other values than 0 and 1")
    raws = tuple(Raw(raw.name, raw.values, raw.columns, raw.marked() & mask[:, s].astype(bool))
                 for s, raw in enumerate(found.raws))  # fmt: skip
    return Collection(raws, found.ids, found.source, found.test)
