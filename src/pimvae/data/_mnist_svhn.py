"""Readers of MNIST's files (idx, packed with gzip) and of SVHN's cropped digits (MATLAB files, version 5).

The files are those whose sha256 `locate` has checked, so only what a parser stumbles over is refused.
"""

__all__ = ["read_idx", "read_mat"]

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from pimvae.errors import UserError


def read_idx(path: Path, axes: int) -> UInt8[np.ndarray, "*shape"]:
    """Images (3 axes) or labels (1 axis) of MNIST.

    Raises:
        UserError: if the file is no idx file of bytes with so many axes, is cut off or has another length.
    """
    with _told(path):
        content = gzip.decompress(path.read_bytes())
        magic, *shape = np.frombuffer(content, ">u4", 1 + axes)
        if magic != 0x800 + axes:  # 8: unsigned bytes
            raise ValueError(f"it starts with {magic:#x} instead of {0x800 + axes:#x}")
        return np.frombuffer(content, np.uint8, offset=4 * (1 + axes)).reshape(shape)


def read_mat(path: Path) -> tuple[UInt8[np.ndarray, "n 3 32 32"], Int64[np.ndarray, " n"]]:
    """Pictures and digits of SVHN: X [32, 32, 3, n] becomes [n, 3, 32, 32], label 10 becomes 0.

    Raises:
        UserError: if the file cannot be read or lacks one of them.
    """
    from scipy.io import loadmat  # takes its time, and few need it

    with _told(path), path.open("rb") as file:
        content = loadmat(file, variable_names=["X", "y"])  # arrays alone: nothing in a file is ever run
        digits = content["y"][:, 0].astype(np.int64) % 10
        return np.ascontiguousarray(content["X"].transpose(3, 2, 0, 1)), digits


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # parsers raise whatever a damaged file leads them into
        raise UserError(f"cannot read {path}: {' '.join(str(error).split())}") from None
