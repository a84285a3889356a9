"""Reader of SVHN's cropped digits (MATLAB files, version 5)."""

__all__ = ["read_mat"]

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from pimvae.errors import UserError

HEADER = b"MATLAB 5.0 MAT-file"
TEN = 10  # how the digit 0 is labelled


def read_mat(path: Path) -> tuple[UInt8[np.ndarray, "n 3 32 32"], Int64[np.ndarray, " n"]]:
    """Pictures and digits of one file: X [32, 32, 3, n] becomes [n, 3, 32, 32], label 10 becomes 0.

    Nothing but arrays is ever read: a file of another kind is refused by its first bytes.

    Raises:
        UserError: if the file cannot be read, is no version-5 file, or its arrays are not those of SVHN.
    """
    content = _load(path)
    pictures, labels = content.get("X"), content.get("y")
    _require(path, isinstance(pictures, np.ndarray) and isinstance(labels, np.ndarray), "X or y is missing")
    shape = pictures.shape
    _require(path, pictures.dtype == np.uint8, f"X has type {pictures.dtype} instead of uint8")
    _require(path, len(shape) == 4 and shape[:3] == (32, 32, 3), f"X has shape {shape} instead of (32, 32, 3, n)")
    _require(path, labels.shape == (shape[3], 1), f"y has shape {labels.shape} instead of ({shape[3]}, 1)")
    whole = labels.dtype.kind in "iuf" and np.isin(labels, np.arange(1, TEN + 1)).all()
    _require(path, bool(whole), "a label is not a whole number in 1..10")
    digits = labels[:, 0].astype(np.int64) % TEN
    return np.ascontiguousarray(pictures.transpose(3, 2, 0, 1)), digits


def _load(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat  # takes its time, and few need it

    try:
        with path.open("rb") as file:
            start = file.read(len(HEADER))
        _require(path, start == HEADER, "it is no MATLAB file of version 5")
        return loadmat(path, variable_names=["X", "y"])
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # the parser raises whatever a damaged file leads it into
        raise UserError(f"{path} is cut off or damaged: {error}") from None


def _require(path: Path, rule: bool, fault: str) -> None:
    if not rule:
        raise UserError(f"{path} is not as expected: {fault}")
