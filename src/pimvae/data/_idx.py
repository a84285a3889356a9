"""Reader of MNIST's file format (idx, packed with gzip)."""

__all__ = ["read_images", "read_labels"]

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from pimvae.errors import UserError

LABELS, IMAGES = 0x00000801, 0x00000803  # last byte: number of axes; the one before: unsigned bytes
MOST = 1 << 28  # bytes that no file of the kind exceeds


def read_images(path: Path) -> UInt8[np.ndarray, "n 28 28"]:
    """Images of an idx file.

    Raises:
        UserError: if the file cannot be read, is cut off, is no idx file of 28×28 images or has another length.
    """
    images = _read(path, IMAGES)
    if images.shape[1:] != (28, 28):
        raise UserError(f"{path} is not as expected: its images have shape {images.shape[1:]} instead of (28, 28)")
    return images


def read_labels(path: Path) -> Int64[np.ndarray, " n"]:
    """Labels of an idx file.

    Raises:
        UserError: as `read_images`, and if a label is not in 0..9.
    """
    labels = _read(path, LABELS).astype(np.int64)
    if labels.size and labels.max() > 9:
        raise UserError(f"{path} is not as expected: label {labels.max()} is not in 0..9")
    return labels


def _read(path: Path, magic: int) -> np.ndarray:
    content = _unpacked(path)
    axes = magic & 0xFF
    head = np.frombuffer(content[: 4 + 4 * axes], ">u4") if len(content) >= 4 + 4 * axes else np.zeros(1, ">u4")
    if head[0] != magic:
        raise UserError(f"{path} is not as expected: it starts with {content[:4].hex()!r} instead of '{magic:08x}'")
    shape = tuple(int(size) for size in head[1:])
    held, expected = len(content) - head.nbytes, math.prod(shape)
    if held != expected:
        raise UserError(f"{path} is not as expected: {held} bytes of values instead of {expected}")
    return np.frombuffer(content, np.uint8, offset=head.nbytes).reshape(shape)


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            content = file.read(MOST + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is cut off or not packed with gzip: {error}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > MOST:
        raise UserError(f"{path} is not as expected: it holds more than {MOST} bytes")
    return content
