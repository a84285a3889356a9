"""Own data from an .npz file: what each way to mark a missing modality gives, and one line for every fault."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pimvae.data.readers import read
from pimvae.data.readers.npz import read_npz
from pimvae.errors import UserError
from pimvae.library.data import modalities_of, pack_collection

X = np.arange(12.0).reshape(4, 3) / 10
Y = np.array([1.5, 2.0, 3.0, 4.0])
LABEL = np.array([0, 2, 1, 0])


def write(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "my.npz", **arrays)
    return folder / "my.npz"


def understood(path: Path, kinds: dict[str, str] | None = None):
    data = read([path])
    modalities = modalities_of(data, kinds)
    return modalities, pack_collection(data, modalities), data


def test_kinds_of_modalities(tmp_path):
    modalities, packed, data = understood(write(tmp_path, b=X, a=Y, label=LABEL))
    assert [m.name for m in modalities] == ["b", "a", "label"]  # in the order of the file
    assert [m.kind for m in modalities] == ["gaussian", "gaussian", "categorical"]
    assert packed.dims == (3, 1, 3) and modalities[2].classes == (0, 1, 2) and data.test is None
    np.testing.assert_allclose(packed.x[0], (X - X.mean(0)) / X.std(0), rtol=1e-6)
    np.testing.assert_array_equal(packed.x[2], np.eye(3)[LABEL])
    assert packed.mask.all() and data.ids == ("0", "1", "2", "3")


@pytest.mark.parametrize("column", [False, True])
def test_missing_ones_are_nan_or_minus_one_or_masked(tmp_path, column):
    holed, label = X.copy(), LABEL.copy()
    holed[1], label[2] = np.nan, -1
    label[1] = 1  # every class occurs
    mask = np.ones((4, 3), dtype=int)
    mask[3, 1] = 0
    _, packed, _ = understood(write(tmp_path, x=holed, y=Y, label=label[:, None] if column else label, mask=mask))
    expected = np.ones((4, 3), dtype=bool)
    expected[1, 0] = expected[2, 2] = expected[3, 1] = False
    np.testing.assert_array_equal(packed.mask, expected)
    assert not packed.x[0][1].any() and not packed.x[2][2].any() and not packed.x[1][3].any()


def test_values_under_a_mask_do_not_count(tmp_path):
    mask = np.ones((4, 2), dtype=bool)
    mask[1, 1] = False
    label = np.array([0, 999, 1, 0])
    modalities, packed, _ = understood(write(tmp_path, x=X, label=label, mask=mask))
    assert modalities[1].classes == (0, 1) and not packed.mask[1, 1]
    wild = X.copy()
    wild[1] = 1e6
    masked, _, _ = understood(write(tmp_path, x=wild, label=LABEL, mask=mask[:, ::-1]))
    assert max(masked[0].centre) < 2


def test_held_out_samples_their_classes_and_ids(tmp_path):
    path = write(tmp_path, x=X, label=LABEL, x_test=X[:2], label_test=np.array([3.0, -1.0]),
                 mask_test=np.array([[0, 1], [1, 0]]), ids=np.array(["001", "b", "c", "d"]))  # fmt: skip
    modalities, packed, data = understood(path)
    assert packed.dims == (3, 4)  # a class may occur among the held-out samples only, and as a float
    np.testing.assert_array_equal(pack_collection(data.test, modalities).mask, [[False, True], [True, False]])
    assert data.ids == ("001", "b", "c", "d") and data.test.ids == ("4", "5")


HOLED = np.where(np.arange(12).reshape(4, 3) == 4, np.nan, X)
FAULTS = {
    "one modality": ({"x": X}, "at least 2 modalities are needed, found 1"),
    "lengths": ({"x": X, "y": Y[:3]}, "differ in their number of samples: {'x': 4, 'y': 3}"),
    "cube": ({"x": X, "y": X.reshape(4, 3, 1)}, "'y' has shape (4, 3, 1), expected (n, D)"),
    "part of a row": ({"x": HOLED, "y": Y}, "sample [1] of 'x' is partly NaN"),
    "infinite": ({"x": X, "y": np.array([1.5, 2, 3, np.inf])}, "sample [3] of 'y' is not finite"),
    "nothing left": ({"x": X, "y": Y, "mask": np.array([[1, 1]] * 3 + [[0, 0]])}, "sample '3' has no observed"),
    "mask's shape": ({"x": X, "y": Y, "mask": np.ones((4, 3))}, "'mask' has shape (4, 3), expected (4, 2)"),
    "mask's values": ({"x": X, "y": Y, "mask": np.full((4, 2), 2)}, "'mask' holds other values than 0 and 1"),
    "negative": ({"x": X, "y": np.array([-2, 0, 1, 1])}, "'y' holds integers that are not 0"),
    "plus and minus": ({"x": X, "y": np.array([-1, 1, 1, -1])}, "'y' holds integers that are not 0"),
    "gaps": ({"x": X, "y": np.array([0, 1, 7, 1])}, "say what it is with --kind NAME=KIND"),
    "counts": ({"x": X, "y": np.array([[3, 14], [15, 92], [65, 35], [8, 9]])}, "'y' holds integers in several columns"),
    "whole floats": ({"x": X, "y": np.array([0.0, 1.0, np.nan, 1.0])}, "'y' holds whole numbers as floats"),
    "no test data": ({"x": X, "y": Y, "x_test": X}, "'y_test' is missing"),
    "no training data": ({"x": X, "y": Y, "x_test": X, "y_test": Y, "z_test": Y}, "'z_test' has no training"),
    "objects": ({"x": X, "y": np.array([1, None])}, "is not an .npz file of plain arrays"),
    "never observed": ({"x": X, "y": np.full(4, np.nan)}, "'y' is never observed"),
    "always masked": ({"x": X, "y": Y, "mask": np.array([[1, 0]] * 4)}, "'y' is never observed"),
    "no labels": ({"x": X, "y": np.array(["", "", "", ""])}, "'y' is never observed"),
    "no columns": ({"x": X, "y": np.zeros((4, 0))}, "'y' has no columns"),
    "no samples": ({"x": X[:0], "y": Y[:0]}, "there are no samples"),
    "constant": ({"x": X, "y": np.full(4, 0.1)}, "column '0' of 'y' is constant"),
    "one class": ({"x": X, "y": np.array(["a", "a", "a", ""])}, "'y' has one class only, 'a'"),
    "ids": ({"x": X, "y": Y, "ids": np.array([1, 2, 3, 1])}, "the id '1' occurs twice"),
    "ids held out": ({"x": X, "y": Y, "x_test": X, "y_test": Y, "ids_test": np.arange(4)}, "the id '0' occurs twice"),
    "a line in a name": ({"x\ny": X, "y": Y}, "the name 'x\\ny' of a modality holds what cannot be printed"),
    "too large": ({"x": X, "y": np.array([1e300, -1e300, 1.5e300, 2.5])}, "column '0' of 'y' has values that are too"),
    "complex": ({"x": X, "y": Y + 1j}, "'y' has type complex128"),
    "a number": ({"x": X, "y": np.float64(3)}, "'y' is a single number"),
    "text in columns": ({"x": X, "y": np.array([["a", "b"]] * 4)}, "'y' has several columns of text"),
}


@pytest.mark.parametrize(("arrays", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named(tmp_path, arrays, message):
    with pytest.raises(UserError) as error:
        understood(write(tmp_path, **arrays))
    assert message in str(error.value) and str(tmp_path / "my.npz") in str(error.value)


@pytest.mark.parametrize("part", ["", "_test"])
def test_faults_of_held_out_samples(tmp_path, part):
    path = write(tmp_path, x=X, y=Y, x_test=X[:, :2] if part else X, y_test=np.array([np.inf, 1, 2, 3]))
    modalities, _, data = understood(path)
    with pytest.raises(UserError, match="2 numbers per sample, expected 3" if part else "not finite"):
        pack_collection(data.test, modalities)


def header(shape) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(64)


@pytest.mark.parametrize("shape", [(2**40,), (2**62, 2**62), (-1, 3), (0, 2**62)])
def test_a_header_that_promises_too_much(tmp_path, shape):
    with zipfile.ZipFile(tmp_path / "my.npz", "w") as archive:
        for name in "xy":
            archive.writestr(f"{name}.npy", header(shape))
    with pytest.raises(UserError, match=r"my\.npz"):
        understood(tmp_path / "my.npz")


@pytest.mark.parametrize("part", ["", "_test"])
def test_numbers_that_single_precision_does_not_hold(tmp_path, part):
    path = write(tmp_path, x=X, y=Y, x_test=X, y_test=Y)
    modalities, _, _ = understood(path)
    large = write(tmp_path, **({"x": X, "y": Y, "x_test": X, "y_test": Y} | {f"x{part}": X * 1e300}))
    with pytest.raises(UserError, match="has values that are too large"):
        found = read_npz(large)
        pack_collection(found.test if part else found, modalities)


def test_bytes_are_text(tmp_path):
    modalities, packed, _ = understood(write(tmp_path, x=X, y=np.array([b"cat", b"dog", b"", b"cat"])))
    assert modalities[1].classes == ("cat", "dog") and packed.mask[:, 1].tolist() == [True, True, False, True]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no archive"])
def test_a_file_that_is_none(tmp_path, content):
    (tmp_path / "my.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"is not an \.npz file"):
        read_npz(tmp_path / "my.npz")


def test_an_archive_that_would_unpack_to_too_much_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setenv("PIMVAE_MAX_MEGABYTES", "1")
    np.savez_compressed(tmp_path / "my.npz", x=np.zeros((1000, 1000)), y=np.zeros(1000))
    with pytest.raises(UserError, match="holds 8 MB, more than 1"):
        read_npz(tmp_path / "my.npz")


def test_a_foreign_member_is_one_line(tmp_path):
    path = write(tmp_path, x=X, y=Y)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UserError, match="readme"):
        read_npz(path)


@pytest.mark.parametrize(
    ("option", "message"), [({"ids": "x"}, "leave out --id"), ({"places": ["x=X"]}, "for .h5ad files")]
)
def test_options_of_other_formats_are_told(tmp_path, option, message):
    with pytest.raises(UserError, match=message):
        read([write(tmp_path, x=X, y=Y)], **option)
