"""Modalities from an .npz file: one array each, missing ones marked by NaN, −1 or a mask."""

__all__ = ["npz", "read_npz"]

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pimvae.config.schema import NpzData
from pimvae.data.dataset import Dataset, Split
from pimvae.errors import UserError
from pimvae.limits import check, check_zip

# What zipfile and numpy raise for damaged archives, among them headers that are no Python.
UNREADABLE = (OSError, ValueError, EOFError, TypeError, RuntimeError, MemoryError, SyntaxError, zipfile.BadZipFile,
              zlib.error)  # fmt: skip
MASK, TEST = "mask", "_test"


def npz(config: NpzData, seed: int) -> Dataset:
    """`read_npz` of the configured file; the seed changes nothing."""
    return read_npz(config.path)


def read_npz(path: Path | str) -> Dataset:
    """A data set from the arrays of a file, in their order; the file is never unpickled.

    * A float array [n, D] is a Gaussian modality; [n] is the same with D = 1. A row of NaN is a missing modality.
    * An integer array [n] holds classes 0 … K − 1 and is a categorical modality; −1 is a missing one.
    * ``mask``, if there, is [n, M]: 0 where a modality is missing, whatever its array holds there.
    * ``<name>_test`` (and ``mask_test``) are held-out samples; either every modality has them or none.

    Raises:
        UserError: if the file cannot be read, or its arrays break one of these rules; the message names the array.
    """
    arrays = _arrays(Path(path))
    names = [name for name in arrays if name != MASK and not name.endswith(TEST)]
    _require(len(names) >= 2, path, f"it has {len(names)} modalities (arrays that are neither mask nor test), 2 needed")
    held_out = [name for name in arrays if name.endswith(TEST)]
    strangers = sorted(set(held_out) - {f"{name}{TEST}" for name in [*names, MASK]})
    _require(not strangers, path, f"'{(strangers or [''])[0]}' has no training samples of that name")
    missing = [name for name in names if held_out and f"{name}{TEST}" not in arrays]
    _require(not missing, path, f"'{(missing or [''])[0]}{TEST}' is missing, although other modalities have test data")
    classes = {name: _classes(arrays, name, path) for name in names}
    train = _split(arrays, names, classes, "", path)
    test = _split(arrays, names, classes, TEST, path) if held_out else None
    likelihoods = tuple("categorical" if classes[name] else "gaussian" for name in names)
    try:
        return Dataset("npz", likelihoods, max(train.dims), None, train, test)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        check_zip(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"data file {path} does not exist") from None
    except UNREADABLE as error:
        raise UserError(f"{path} is not an .npz file of plain arrays: {error}") from None


def _require(rule: bool | np.bool_, path: Path | str, message: str) -> None:
    if not rule:
        raise UserError(f"{path}: {message}")


def _classes(arrays: Mapping[str, np.ndarray], name: str, path: Path | str) -> int:
    """Number of classes of a categorical modality; 0 for a Gaussian one."""
    parts = [arrays[key] for key in (name, f"{name}{TEST}") if key in arrays]
    for part in parts:
        _require(part.dtype.kind in "fiub", path, f"'{name}' has type {part.dtype}, expected numbers")
        _require(part.ndim in (1, 2), path, f"'{name}' has shape {part.shape}, expected (n, D) or (n,)")
    if parts[0].dtype.kind == "f" or parts[0].ndim == 2:
        return 0
    for part in parts:
        _require(part.dtype.kind != "f" and part.ndim == 1, path, f"'{name}{TEST}' holds no classes, '{name}' does")
        _require(part.min(initial=0) >= -1, path, f"'{name}' has the class {part.min(initial=0)}; classes start at 0")
    return int(max(part.max(initial=0) for part in parts)) + 1


def _split(
    arrays: Mapping[str, np.ndarray], names: list[str], classes: Mapping[str, int], suffix: str, path: Path | str
) -> Split:
    values, seen = zip(*(_modality(arrays[name + suffix], classes[name], name + suffix, path) for name in names),
                       strict=True)  # fmt: skip
    lengths = {name + suffix: len(x) for name, x in zip(names, values, strict=True)}
    _require(len(set(lengths.values())) == 1, path, f"modalities differ in their number of samples: {lengths}")
    mask = np.stack(seen, axis=1)
    if MASK + suffix in arrays:
        given = arrays[MASK + suffix]
        _require(given.shape == mask.shape, path, f"'{MASK + suffix}' has shape {given.shape}, expected {mask.shape}")
        _require(np.isin(given, (0, 1)).all(), path, f"'{MASK + suffix}' holds other values than 0 and 1")
        mask &= given.astype(bool)
        values = tuple(np.where(mask[:, s : s + 1], x, np.float32(0)) for s, x in enumerate(values))
    for name, x in zip(lengths, values, strict=True):
        infinite = np.flatnonzero(~np.isfinite(x).all(axis=1))
        _require(not infinite.size, path, f"sample {infinite[:1]} of '{name}' is not finite{_others(infinite)}")
    empty = np.flatnonzero(~mask.any(axis=1))
    held_out = " of the held-out ones" if suffix else ""
    _require(not empty.size, path, f"sample {empty[:1]}{held_out} has no observed modality")
    try:
        return Split(values, mask)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _others(faulty: np.ndarray) -> str:
    """How many samples share a fault with the first one."""
    return f", and so are {len(faulty) - 1} more" if len(faulty) > 1 else ""


def _modality(values: np.ndarray, classes: int, name: str, path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """float32 [n, D], zeros where missing, and which samples have it."""
    if classes:
        check(4 * classes * len(values), f"{path}: '{name}' with {classes} classes, one-hot,")
        seen = values >= 0
        return (np.eye(classes, dtype=np.float32)[np.where(seen, values, 0)] * seen[:, None]).astype(np.float32), seen
    values = values.reshape(len(values), -1).astype(np.float32)
    absent = np.isnan(values)
    partly = np.flatnonzero(absent.any(axis=1) & ~absent.all(axis=1))
    rule = "a modality is missing as a whole or not at all"
    fault = f"sample {partly[:1]} of '{name}' is partly NaN{_others(partly)}: {rule}"
    _require(not partly.size, path, fault)
    seen = ~absent.any(axis=1)
    return np.where(seen[:, None], values, np.float32(0)), seen
