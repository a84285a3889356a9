"""Modalities that are in memory: dicts of arrays, tensors or data frames; AnnData and MuData."""

__all__ = ["read_memory"]

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pimvae.data.raw import Raw
from pimvae.data.readers._arrays import as_array, raw_of
from pimvae.data.readers._collection import Collection
from pimvae.errors import UserError

SOURCE = "data"


def read_memory(data: Any, mask: Any = None) -> Collection:
    """A `Collection` of what is given.

    Args:
        data: name → array (also masked or sparse), tensor, data frame or series (pandas objects are joined by their
            index, an outer join; beside arrays they must have one index); or a Collection; or an AnnData or MuData
            object.
        mask: [n, M] of 0 and 1, modalities in the order of ``data``, or name → [n]; 0: missing, whatever is there.
            Pandas objects go by their index and by names of columns.

    Raises:
        UserError: if the data are nothing of this, or the mask does not fit.
    """
    if isinstance(data, Collection):
        found = data
    elif hasattr(data, "obsm") and hasattr(data, "obs_names"):
        from pimvae.data.readers.anndata import from_units

        found = from_units(data, (), SOURCE)
    elif isinstance(data, Mapping):
        if not data:
            raise UserError("data are empty: no modality is named")
        found = _from_mapping(data)
    else:
        raise UserError(f"data are a {type(data).__name__}; expected a dict of name → array, tensor or DataFrame")
    return found if mask is None else _masked(found, mask)


def _is_pandas(values: Any) -> bool:
    """Whether this is a data frame or a series; pandas is not imported for it."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(values, (pandas.DataFrame, pandas.Series))


def _from_mapping(data: Mapping[str, Any]) -> Collection:
    frames = {str(name): _frame(name, values) for name, values in data.items() if _is_pandas(values)}
    joined = None
    if frames:
        from pimvae.data.readers.table import join_frames

        _check_one_index(frames, [str(name) for name in data if str(name) not in frames])
        joined = join_frames(frames, SOURCE)
    raws = [joined.raw(str(name)) if joined and str(name) in frames else raw_of(str(name), values)
            for name, values in data.items()]  # fmt: skip
    return Collection(tuple(raws), joined.ids if joined else tuple(map(str, range(len(raws[0])))), SOURCE)


def _frame(name: Any, values: Any) -> Any:
    """A data frame; of a series, with one column."""
    return values if values.ndim == 2 else values.to_frame(name=name if values.name is None else values.name)


def _check_one_index(frames: Mapping[str, Any], arrays: Sequence[str]) -> None:
    """Refuse frames of different indices beside arrays, whose rows no index names.

    Raises:
        UserError: then.
    """
    first = next(iter(frames))
    for name, frame in frames.items() if arrays else ():
        if not frame.index.equals(frames[first].index):
            fault = f"the rows of '{arrays[0]}' have no index, and those of '{first}' and '{name}' differ"
            raise UserError(f"{fault}: make '{arrays[0]}' a DataFrame with an index, or give the frames the same one")


def _masked(found: Collection, mask: Any) -> Collection:
    if _is_pandas(mask):
        mask = dict(_frame(None, mask).items())
    if isinstance(mask, Mapping):
        unknown = sorted(map(str, set(mask) - set(found.names)))
        if unknown:
            raise UserError(f"the mask names '{unknown[0]}', which is no modality")
        mask = np.stack([_in_order(name, mask.get(name, np.ones(len(found))), found.ids) for name in found.names], 1)
    mask = as_array("the mask", mask)
    expected = (len(found), len(found.raws))
    if mask.shape != expected:
        raise UserError(f"the mask has shape {mask.shape}, expected {expected}")
    if not np.isin(mask, (0, 1)).all():
        raise UserError("the mask holds other values than 0 and 1")
    raws = tuple(Raw(raw.name, raw.values, raw.columns, raw.marked() & mask[:, s].astype(bool))
                 for s, raw in enumerate(found.raws))  # fmt: skip
    return Collection(raws, found.ids, found.source, found.test)


def _in_order(name: str, values: Any, ids: Sequence[str]) -> np.ndarray:
    """The mask of one modality, a series in the order of the samples.

    Raises:
        UserError: if the index of a series is not that of the samples, or there are more or fewer values.
    """
    if not _is_pandas(values):
        found = as_array(f"the mask of '{name}'", values)
        if found.shape != (len(ids),):
            raise UserError(f"the mask of '{name}' has shape {found.shape}, expected {(len(ids),)}")
        return found
    rows = dict(zip(map(str, values.index), values.tolist(), strict=True))
    if len(rows) < len(values) or set(rows) != set(ids):
        raise UserError("the index of the mask is not that of the samples: reindex it, or give the mask as an array")
    return np.array([rows[key] for key in ids])
