"""Modalities from an .npz file: one array each, missing ones marked by NaN, −1 or a mask."""

__all__ = ["read_npz"]

import zipfile
import zlib
from pathlib import Path

import numpy as np

from pimvae.data.raw import Raw
from pimvae.data.readers._collection import Collection
from pimvae.errors import UserError
from pimvae.limits import check_zip

MASK, TEST, IDS = "mask", "_test", "ids"
# What zipfile and numpy raise for damaged archives, among them headers that are no Python.
UNREADABLE = (OSError, ValueError, EOFError, TypeError, RuntimeError, MemoryError, SyntaxError, zipfile.BadZipFile,
              zlib.error)  # fmt: skip


def read_npz(path: Path | str) -> Collection:
    """The arrays of a file, in their order; the file is never unpickled.

    * Every array is a modality: [n, D] or [n] of numbers, [n] of labels (text, integers, truth values), or
      [n, c, h, w] of images.
    * ``mask``, if there, is [n, M]: 0 where a modality is missing, whatever its array holds there.
    * ``ids``, if there, is [n]: names of the samples, each its own; else they are numbered, held-out ones last.
    * ``<name>_test`` (and ``mask_test``, ``ids_test``) are held-out samples; every modality has them or none.

    Raises:
        UserError: if the file cannot be read, or its arrays break one of these rules; the message names the array.
    """
    path = Path(path)
    arrays = _arrays(path)
    names = [name for name in arrays if name not in (MASK, IDS) and not name.endswith(TEST)]
    found = f"found {len(names)} (arrays that are not mask, ids or test)"
    _require(len(names) >= 2, path, f"at least 2 modalities are needed, {found}")
    held_out = [name for name in arrays if name.endswith(TEST)]
    strangers = sorted(set(held_out) - {f"{name}{TEST}" for name in [*names, MASK, IDS]})
    _require(not strangers, path, f"'{(strangers or [''])[0]}' has no training samples of that name")
    missing = [name for name in names if held_out and f"{name}{TEST}" not in arrays]
    _require(not missing, path, f"'{(missing or [''])[0]}{TEST}' is missing, although other modalities have test data")
    scalars = [name for name, values in arrays.items() if values.ndim == 0]
    _require(not scalars, path, f"'{(scalars or [''])[0]}' is a single number, expected one row per sample")
    test = _part(arrays, names, TEST, path, None, len(arrays[names[0]])) if held_out else None
    return _part(arrays, names, "", path, test)


def _part(
    arrays: dict[str, np.ndarray], names: list[str], suffix: str, path: Path, test: Collection | None, first: int = 0
) -> Collection:
    count = len(arrays[names[0] + suffix])
    lengths = {name + suffix: len(arrays[name + suffix]) for name in names}
    _require(len(set(lengths.values())) == 1, path, f"modalities differ in their number of samples: {lengths}")
    given = np.ones((count, len(names)), dtype=bool)
    if MASK + suffix in arrays:
        found = arrays[MASK + suffix]
        _require(found.shape == given.shape, path, f"'{MASK + suffix}' has shape {found.shape}, expected {given.shape}")
        _require(np.isin(found, (0, 1)).all(), path, f"'{MASK + suffix}' holds other values than 0 and 1")
        given = found.astype(bool)
    ids = tuple(map(str, arrays.get(IDS + suffix, np.arange(first, first + count)).reshape(-1).tolist()))
    _require(len(ids) == count, path, f"'{IDS + suffix}' has length {len(ids)}, expected {count}")
    raws = tuple(Raw(name, arrays[name + suffix], (), given[:, s]) for s, name in enumerate(names))
    return Collection(raws, ids, str(path), test)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        check_zip(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"data file {path} does not exist") from None
    except UNREADABLE as error:
        raise UserError(f"{path} is not an .npz file of plain arrays: {error}") from None
    foreign = [name for name, values in arrays.items() if not isinstance(values, np.ndarray)]
    _require(not foreign, path, f"'{(foreign or [''])[0]}' is not an array")
    return arrays


def _require(rule: bool | np.bool_, path: Path, message: str) -> None:
    if not rule:
        raise UserError(f"{path}: {message}")
