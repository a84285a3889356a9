"""The readers of MNIST's and SVHN's files: good small files, and one line for every bad one."""

import gzip
import pickle
import struct
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pimvae.data._mnist_svhn import read_idx, read_mat
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
    np.testing.assert_array_equal(read_idx(tmp_path / "images", axes=3), PIXELS)
    (tmp_path / "labels").write_bytes(gzip.compress(idx(0x801, 3, values=bytes([7, 0, 9]))))
    assert read_idx(tmp_path / "labels", axes=1).tolist() == [7, 0, 9]


FAULTS = {
    "truncated gzip": (gzip.compress(images())[:-500], "ended before the end-of-stream"),
    "no gzip": (images(), "Not a gzipped file"),
    "empty": (b"", "buffer"),
    "damaged gzip": (gzip.compress(images())[:-8] + bytes(8), "CRC check failed"),
    "wrong magic": (gzip.compress(images(magic=0x802)), "starts with 0x802 instead of 0x803"),
    "little-endian": (gzip.compress(struct.pack("<4I", 0x803, 5, 28, 28) + PIXELS.tobytes()), "starts with 0x3080000"),
    "labels": (gzip.compress(idx(0x801, 3, values=b"\0" * 30)), "starts with 0x801"),
    "too short": (gzip.compress(images(PIXELS.tobytes()[:-1])), "size 3919"),
    "too long": (gzip.compress(images(PIXELS.tobytes() + b"\0")), "size 3921"),
    "head only": (gzip.compress(images()[:9]), "buffer is smaller"),
    "absurd sizes": (gzip.compress(images(sizes=(2**31, 28, 28))), "cannot reshape"),
    "pickle": (pickle.dumps(PIXELS), "Not a gzipped file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_idx_files_are_refused(tmp_path, fault):
    content, message = FAULTS[fault]
    (tmp_path / "file").write_bytes(content)
    refused(partial(read_idx, axes=3), tmp_path / "file", message)


def refused(read, path: Path, message: str = "cannot read") -> None:
    with pytest.raises(UserError, match=message) as error:
        read(path)
    assert str(error.value).startswith(f"cannot read {path}: ") and "\n" not in str(error.value)


@pytest.mark.parametrize("compressed", [True, False])
def test_mat_files_are_read(tmp_path, compressed):
    savemat(tmp_path / "file.mat", {"X": PICTURES, "y": LABELS, "more": 1}, do_compression=compressed)
    pictures, digits = read_mat(tmp_path / "file.mat")
    assert digits.tolist() == [0, 1, 2, 9, 0, 5] and digits.dtype == np.int64  # 10 stands for 0
    np.testing.assert_array_equal(pictures[4, 2], PICTURES[:, :, 2, 4])
    assert pictures.shape == (6, 3, 32, 32) and pictures.flags.c_contiguous


@pytest.mark.parametrize("content", [{"X": PICTURES}, {"y": LABELS}, {"X": PICTURES[..., 0], "y": LABELS}])
def test_mat_files_of_other_arrays_are_refused(tmp_path, content):
    savemat(tmp_path / "file.mat", content)
    refused(read_mat, tmp_path / "file.mat", "'X'|'y'|axes don't match array")


@pytest.mark.parametrize("keep", [0, 50, 130, 2000, -1])
def test_truncated_mat_files_are_refused(tmp_path, keep):
    path = tmp_path / "file.mat"
    savemat(path, {"X": PICTURES, "y": LABELS}, do_compression=True)
    path.write_bytes(path.read_bytes()[:keep])
    refused(read_mat, path)


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
        refused(read_mat, path)
    np.save(tmp_path / "array.npy", np.array([Touch(harm)], dtype=object), allow_pickle=True)
    refused(read_mat, tmp_path / "array.npy", "Unknown mat file type")
    assert not harm.exists()
    refused(read_mat, tmp_path / "none.mat", "No such file")
