"""What a data set is, and its file: checked when made, written atomically, byte-identical for equal content."""

__all__ = ["GENERATOR_VERSION", "Dataset", "Split", "load", "save", "spread", "write_atomically"]

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pimvae.errors import UserError, require
from pimvae.files import parse_json, replacing

GENERATOR_VERSION = "1"  # raise it whenever the same configuration and seed give other data
FORMAT = "pimvae-dataset-1"
LIKELIHOODS = ("gaussian", "categorical", "laplace", "text")
PROVENANCES = ("", "embedded", "full")


@dataclass(frozen=True)
class Split:
    """n samples of M modalities, any of which may be missing.

    Samples may share values: with ``pairs``, ``x[s]`` is a table and sample i's modality s is its row ``pairs[i, s]``.

    Args:
        x: one float32 array [n, D_s] per modality (categorical: one-hot rows); with ``pairs`` one table [n_s, D_s],
            float32, or uint8 for values in 0..255 that stand for 0..1. Missing entries may hold anything.
        mask: bool [n, M], which modalities are observed.
        truth: what is known per sample (``latents`` [n, L], ``labels`` [n]), empty for none.
        pairs: int32 [n, M], rows of the tables; None where every sample has rows of its own.

    Raises:
        UserError: if shapes or types disagree, an observed entry is not finite or a sample has no modality at all.
    """

    x: tuple[np.ndarray, ...]
    mask: np.ndarray
    truth: dict[str, np.ndarray] = field(default_factory=dict)
    pairs: np.ndarray | None = None

    def __post_init__(self) -> None:
        self._check_shapes()
        for s, values in enumerate(self.x):
            rows = self.mask[:, s] if self.pairs is None else np.unique(self.pairs[self.mask[:, s], s])
            finite = values.dtype == np.uint8 or np.isfinite(values[rows]).all()
            require(finite, f"modality {s} has observed values that are not finite")
        empty = np.flatnonzero(~self.mask.any(axis=1))
        require(not empty.size, f"sample {empty[:1]} has no observed modality")

    def _check_shapes(self) -> None:
        require(len(self.x) > 0, "there is no modality")
        self._check_rows() if self.pairs is None else self._check_tables(self.pairs)
        expected = (len(self), len(self.x))
        require(self.mask.shape == expected, f"the mask has shape {self.mask.shape}, expected {expected}")
        require(self.mask.dtype == np.bool_, f"the mask has type {self.mask.dtype}, expected bool")
        for name, values in self.truth.items():
            require(values.shape[:1] == (len(self),), f"truth '{name}' does not have one row per sample")

    def _check_rows(self) -> None:
        for s, values in enumerate(self.x):
            require(values.ndim == 2 and values.dtype == np.float32, f"modality {s} is not a float32 [n, D] array")
            require(len(values) == len(self), f"modality {s} has {len(values)} samples, modality 0 has {len(self)}")

    def _check_tables(self, pairs: np.ndarray) -> None:
        whole = pairs.ndim == 2 and pairs.shape[1] == len(self.x) and pairs.dtype == np.int32
        require(whole, f"the pairs are not an int32 [n, {len(self.x)}] array")
        for s, values in enumerate(self.x):
            known = values.ndim == 2 and values.dtype in (np.float32, np.uint8)
            require(known, f"modality {s} is not a float32 or uint8 [rows, D] table")
            inside = ((pairs[:, s] >= 0) & (pairs[:, s] < len(values))).all()
            require(inside, f"a pair points outside the {len(values)} rows of modality {s}")

    def __len__(self) -> int:
        return len(self.x[0] if self.pairs is None else self.pairs)

    def values(self, s: int) -> np.ndarray:
        """Modality s of every sample, float32 [n, D_s], whether it is stored in rows or in a table."""
        if self.pairs is None:
            return self.x[s]
        rows = self.x[s][self.pairs[:, s]]
        return rows if rows.dtype == np.float32 else rows.astype(np.float32) / np.float32(255)

    @property
    def dims(self) -> tuple[int, ...]:
        """D_s of every modality."""
        return tuple(values.shape[1] for values in self.x)

    def select(self, rows: np.ndarray | slice) -> "Split":
        """Some of the samples."""
        truth = {name: values[rows] for name, values in self.truth.items()}
        if self.pairs is not None:
            return Split(self.x, self.mask[rows], truth, self.pairs[rows])
        return Split(tuple(x[rows] for x in self.x), self.mask[rows], truth)

    def spread(self, count: int) -> "Split":
        """``count`` samples at equal distances, see `spread`."""
        return self.select(spread(len(self), count))


@dataclass(frozen=True)
class Dataset:
    """A data set with everything that is known about how it was made.

    Args:
        kind: the registered name.
        likelihoods: ``gaussian``, ``categorical``, ``laplace`` or ``text`` (one symbol per position), one per modality.
        max_dim: width to which modalities are padded, the same for every seed of one configuration.
        noise_scale: the known standard deviation of the observation noise, if there is one.
        train: training samples.
        test: held-out samples; None where the training samples are evaluated.
        truth: what is known of the generating model (loadings, cluster means ...).
        provenance: ``embedded`` for stand-ins of the publication's data, ``full`` for these data, empty where the
            publication's data are simulated too.

    Raises:
        UserError: if the parts disagree.
    """

    kind: str
    likelihoods: tuple[str, ...]
    max_dim: int
    noise_scale: float | None
    train: Split
    test: Split | None = None
    truth: dict[str, np.ndarray] = field(default_factory=dict)
    provenance: str = ""

    def __post_init__(self) -> None:
        require(self.provenance in PROVENANCES, f"unknown provenance '{self.provenance}'")
        dims = self.train.dims
        require(len(self.likelihoods) == len(dims), f"{len(self.likelihoods)} likelihoods for {len(dims)} modalities")
        unknown = sorted(set(self.likelihoods) - set(LIKELIHOODS))
        require(not unknown, f"unknown likelihood {unknown} (known: {', '.join(LIKELIHOODS)})")
        require(max(dims) <= self.max_dim, f"a modality has {max(dims)} dimensions, more than max_dim {self.max_dim}")
        scale = self.noise_scale
        require(scale is None or (math.isfinite(scale) and scale > 0), f"the noise scale {scale} is not positive")
        require(self.test is None or self.test.dims == dims, "train and test differ in their modalities")


def spread(total: int, count: int) -> np.ndarray:
    """Rows of ``count`` of ``total`` samples at equal distances (all, if there are fewer).

    The first ones would not do where samples are sorted by class or by cluster.
    """
    count = min(count, total)
    return np.arange(count) * total // count


def save(dataset: Dataset, path: Path | str) -> None:
    """Write ``dataset`` as safetensors under a temporary name and rename it; equal content gives equal bytes.

    Raises:
        UserError: if the file cannot be written.
    """
    tensors = {f"truth/{name}": values for name, values in dataset.truth.items()}
    for name, split in (("train", dataset.train), ("test", dataset.test)):
        if split is not None:
            tensors |= {f"{name}/x/{s}": values for s, values in enumerate(split.x)} | {f"{name}/mask": split.mask}
            tensors |= {} if split.pairs is None else {f"{name}/pairs": split.pairs}
            tensors |= {f"{name}/truth/{key}": values for key, values in split.truth.items()}
    tensors = {name: np.array(values, order="C") for name, values in tensors.items()}
    header = {key: getattr(dataset, key) for key in ("kind", "likelihoods", "max_dim", "noise_scale", "provenance")}
    header |= {"format": FORMAT, "generator_version": GENERATOR_VERSION, "content": _digest(tensors)}
    # One metadata key: the order of several is not specified, and the bytes must be.
    metadata = {"pimvae": json.dumps(header, sort_keys=True)}
    write_atomically(Path(path), lambda temporary: save_file(tensors, temporary, metadata))


def load(path: Path | str) -> Dataset:
    """Read what `save` wrote, checking that nothing was changed, lost or cut off.

    Raises:
        UserError: if the file is missing, damaged, of another format, or its content breaks a rule of `Split`.
    """
    try:
        header, tensors = _read(Path(path))
        require(header["format"] == FORMAT, f"its format is '{header['format']}', expected '{FORMAT}'")
        require(header["content"] == _digest(tensors), "its content does not match its checksum")
        test = _split(tensors, "test") if "test/mask" in tensors else None
        train, truth = _split(tensors, "train"), _below(tensors, "truth/")
        likelihoods = tuple(header["likelihoods"])
        parts = (header["max_dim"], header["noise_scale"], train, test, truth, header.get("provenance", ""))
        return Dataset(header["kind"], likelihoods, *parts)
    except FileNotFoundError:
        raise UserError(f"data file {path} does not exist: make it first") from None
    except (UserError, SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"data file {path} is damaged or not a data file, make it again: {error}") from None


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, then give it its own, see `pimvae.files.replacing`.

    Raises:
        UserError: if it cannot be written.
    """
    try:
        with replacing(path) as temporary:
            write(temporary)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot write {path}: {error}") from None


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with safe_open(path, framework="numpy") as file:
        names = file.keys()
        return parse_json((file.metadata() or {})["pimvae"]), {name: file.get_tensor(name) for name in names}


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name]
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _below(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}


def _split(tensors: Mapping[str, np.ndarray], name: str) -> Split:
    x = _below(tensors, f"{name}/x/")
    ordered = tuple(x[str(s)] for s in range(len(x)))  # by number: as text, "10" comes before "2"
    return Split(ordered, tensors[f"{name}/mask"], _below(tensors, f"{name}/truth/"), tensors.get(f"{name}/pairs"))
