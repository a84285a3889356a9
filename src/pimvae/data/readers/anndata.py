"""Modalities from AnnData and MuData objects and files (the optional extra ``anndata``)."""

__all__ = ["from_units", "read_units"]

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pimvae.data.raw import Raw
from pimvae.data.readers._collection import Collection
from pimvae.errors import UserError

FORM = "NAME=X, NAME=obsm:KEY, NAME=layers:KEY or NAME=obs:COLUMN"


def read_units(path: Path, places: Sequence[str]) -> Collection:
    """A .h5ad or .h5mu file, see `from_units`.

    Raises:
        UserError: if the package for it is absent, or the file cannot be read.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist")
    try:
        if path.suffix.lower() == ".h5mu":
            from mudata import read_h5mu as reader
        else:
            from anndata import read_h5ad as reader
    except ImportError:
        raise UserError(f"{path}: this format needs an extra: pip install -e '.[anndata]'") from None
    try:
        data = reader(path)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    return from_units(data, places, str(path))


def from_units(data: Any, places: Sequence[str], source: str) -> Collection:
    """The modalities of an AnnData or MuData object.

    MuData: X of each of its modalities, an observation that a modality lacks is missing there. AnnData: those that
    ``places`` names, else X and everything in ``obsm``.

    Raises:
        UserError: if a place does not exist or is written in another form.
    """
    if isinstance(getattr(data, "mod", None), Mapping):
        return _from_mudata(data, source)
    wanted = [_place(place) for place in places] or [("X", "X", ""), *((key, "obsm", key) for key in data.obsm)]
    raws = []
    for name, kind, key in wanted:
        values, columns = _at(data, kind, key, source)
        raws.append(Raw(name, values, columns))
    return Collection(tuple(raws), tuple(map(str, data.obs_names)), source)


def _place(text: str) -> tuple[str, str, str]:
    name, equals, place = text.partition("=")
    kind, _, key = place.partition(":")
    if not equals or not name or kind not in ("X", "obsm", "layers", "obs") or (kind == "X") == bool(key):
        raise UserError(f"--modality {text}: expected {FORM}")
    return name, kind, key


def _at(data: Any, kind: str, key: str, source: str) -> tuple[np.ndarray, tuple[str, ...]]:
    if kind == "X":
        return _dense(data.X), tuple(map(str, data.var_names))
    holder = getattr(data, kind)
    if key not in holder:
        raise UserError(f"{source} has no '{key}' in {kind} (it has: {', '.join(map(str, list(holder)[:10]))})")
    if kind == "obs":
        column = holder[key]
        values = column.astype(object).where(column.notna(), None).to_numpy(dtype=object)
        return (values if column.dtype.kind not in "fiub" else column.to_numpy()), (key,)
    values = _dense(holder[key])
    if kind == "layers":
        return values, tuple(map(str, data.var_names))
    columns = getattr(holder[key], "columns", None)
    return values, () if columns is None else tuple(map(str, columns))


def _from_mudata(data: Any, source: str) -> Collection:
    ids = list(map(str, data.obs_names))
    place = {name: i for i, name in enumerate(ids)}
    raws = []
    for name, part in data.mod.items():
        found = _dense(part.X)
        rows = np.array([place[str(key)] for key in part.obs_names])
        values = np.zeros((len(ids), *found.shape[1:]), found.dtype)
        given = np.zeros(len(ids), dtype=bool)
        values[rows], given[rows] = found, True
        raws.append(Raw(str(name), values, tuple(map(str, part.var_names)), given))
    return Collection(tuple(raws), tuple(ids), source)


def _dense(values: Any) -> np.ndarray:
    """Sparse matrices and frames as arrays."""
    if hasattr(values, "toarray"):
        return values.toarray()
    return values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
