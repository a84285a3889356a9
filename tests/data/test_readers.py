"""The readers of MNIST's and SVHN's files: good small files, and one line for every bad one."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pimvae.data._idx import read_images, read_labels
from pimvae.data._mat import read_mat
from pimvae.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
PICTURES = np.random.default_rng(1).integers(0, 256, (32, 32, 3, 6), dtype=np.uint8)
LABELS = np.array([[10], [1], [2], [9], [10], [5]], dtype=np.uint8)


def idx(magic: int, *sizes: int, values: bytes) -> bytes:
    return struct.pack(f">{1 + len(sizes)}I", magic, *sizes) + values


def images(values: bytes = PIXELS.tobytes(), magic: int = 0x803, sizes: tuple[int, ...] = (5, 28, 28)) -> bytes:
    return idx(magic, *sizes, values=values)


def test_idx_files_are_read(tmp_path):
    (tmp_path / "images").write_bytes(gzip.compress(images()))
    np.testing.assert_array_equal(read_images(tmp_path / "images"), PIXELS)
    (tmp_path / "labels").write_bytes(gzip.compress(idx(0x801, 3, values=bytes([7, 0, 9]))))
    labels = read_labels(tmp_path / "labels")
    assert labels.tolist() == [7, 0, 9] and labels.dtype == np.int64


FAULTS = {
    "truncated gzip": (gzip.compress(images())[:-500], "cut off"),
    "no gzip": (images(), "not packed with gzip"),
    "empty": (b"", "it starts with"),
    "damaged gzip": (gzip.compress(images())[:300] + b"\xff" * 300 + gzip.compress(images())[600:], "cut off or not"),
    "wrong magic": (gzip.compress(images(magic=0x802)), "starts with '00000802' instead of '00000803'"),
    "little-endian": (gzip.compress(struct.pack("<4I", 0x803, 5, 28, 28) + PIXELS.tobytes()), "starts with '03080000'"),
    "labels": (gzip.compress(idx(0x801, 3, values=b"\0" * 30)), "'00000801' instead of"),
    "too short": (gzip.compress(images(PIXELS.tobytes()[:-1])), "3919 bytes of values instead of 3920"),
    "too long": (gzip.compress(images(PIXELS.tobytes() + b"\0")), "3921 bytes of values instead of 3920"),
    "head only": (gzip.compress(images()[:9]), "starts with '00000803'"),
    "absurd sizes": (gzip.compress(images(sizes=(2**31, 28, 28))), "instead of 1683627180032"),
    "other shape": (gzip.compress(images(sizes=(5, 14, 56))), r"shape \(14, 56\) instead of \(28, 28\)"),
    "pickle": (pickle.dumps(PIXELS), "not packed with gzip"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_idx_files_are_refused(tmp_path, fault):
    content, message = FAULTS[fault]
    (tmp_path / "file").write_bytes(content)
    refused(read_images, tmp_path / "file", message)


def test_other_bad_idx_files(tmp_path):
    (tmp_path / "labels").write_bytes(gzip.compress(idx(0x801, 3, values=bytes([7, 10, 9]))))
    refused(read_labels, tmp_path / "labels", "label 10 is not in 0..9")
    refused(read_labels, tmp_path / "none", "cannot read")


def refused(read, path: Path, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("compressed", [True, False])
def test_mat_files_are_read(tmp_path, compressed):
    savemat(tmp_path / "file.mat", {"X": PICTURES, "y": LABELS, "more": 1}, do_compression=compressed)
    pictures, digits = read_mat(tmp_path / "file.mat")
    assert digits.tolist() == [0, 1, 2, 9, 0, 5] and digits.dtype == np.int64  # 10 stands for 0
    np.testing.assert_array_equal(pictures[4, 2], PICTURES[:, :, 2, 4])
    assert pictures.shape == (6, 3, 32, 32) and pictures.flags.c_contiguous


def with_label(value: float) -> np.ndarray:
    labels = LABELS.astype(np.float64)
    labels[2] = value
    return labels


MAT_FAULTS = {
    "label 0": ({"X": PICTURES, "y": with_label(0)}, r"whole number in 1..10"),
    "label 11": ({"X": PICTURES, "y": with_label(11)}, r"whole number in 1..10"),
    "label 2.5": ({"X": PICTURES, "y": with_label(2.5)}, r"whole number in 1..10"),
    "label nan": ({"X": PICTURES, "y": with_label(np.nan)}, r"whole number in 1..10"),
    "labels missing": ({"X": PICTURES}, "X or y is missing"),
    "fewer labels": ({"X": PICTURES, "y": LABELS[:-1]}, r"y has shape \(5, 1\) instead of \(6, 1\)"),
    "one picture": ({"X": PICTURES[..., 0], "y": LABELS}, r"X has shape \(32, 32, 3\)"),
    "other layout": ({"X": PICTURES.T, "y": LABELS}, r"X has shape \(6, 3, 32, 32\)"),
    "other type": ({"X": PICTURES.astype(np.float64), "y": LABELS}, "float64 instead of uint8"),
    "cells": ({"X": np.array([1, "a"], dtype=object), "y": LABELS}, "type object instead of uint8"),
    "text": ({"X": PICTURES, "y": "digits"}, "y has shape"),
}


@pytest.mark.parametrize("fault", MAT_FAULTS)
def test_bad_mat_files_are_refused(tmp_path, fault):
    content, message = MAT_FAULTS[fault]
    savemat(tmp_path / "file.mat", content)
    refused(read_mat, tmp_path / "file.mat", message)


@pytest.mark.parametrize("keep", [0, 50, 130, 2000, -1])
def test_truncated_mat_files_are_refused(tmp_path, keep):
    path = tmp_path / "file.mat"
    savemat(path, {"X": PICTURES, "y": LABELS}, do_compression=True)
    path.write_bytes(path.read_bytes()[:keep])
    refused(read_mat, path, "cut off or damaged|no MATLAB file|missing")


class Touch:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_in_disguise_is_refused_and_not_run(tmp_path):
    harm, path = tmp_path / "harm", tmp_path / "train_32x32.mat"
    for content in (pickle.dumps(Touch(harm)), b"MATLAB 5.0 MAT-file" + pickle.dumps(Touch(harm)) + b"\0" * 200):
        path.write_bytes(content)
        refused(read_mat, path, "no MATLAB file|cut off or damaged")
    np.save(tmp_path / "array.npy", np.array([Touch(harm)], dtype=object), allow_pickle=True)
    refused(read_mat, tmp_path / "array.npy", "no MATLAB file")
    assert not harm.exists()
    refused(read_mat, tmp_path / "none.mat", "cannot read")
