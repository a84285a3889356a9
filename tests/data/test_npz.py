"""The user's own modalities: what each way to mark a missing one gives, and one line for every fault."""

from pathlib import Path

import numpy as np
import pytest

from pimvae.config.schema import NpzData
from pimvae.data.npz import npz, read_npz
from pimvae.errors import UserError

X = np.arange(12.0).reshape(4, 3)
Y = np.array([1.0, 2.0, 3.0, 4.0])
LABEL = np.array([0, 2, 1, 0])


def write(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "my.npz", **arrays)
    return folder / "my.npz"


def test_kinds_of_modalities(tmp_path):
    data = npz(NpzData(path=str(write(tmp_path, b=X, a=Y, label=LABEL)), samples=4), seed=3)
    assert data.likelihoods == ("gaussian", "gaussian", "categorical")
    assert data.train.dims == (3, 1, 3) and data.max_dim == 3  # in the order of the file
    np.testing.assert_array_equal(data.train.x[0], X.astype(np.float32))
    np.testing.assert_array_equal(data.train.x[1][:, 0], Y)
    np.testing.assert_array_equal(data.train.x[2], np.eye(3)[LABEL])
    assert data.train.mask.all() and data.test is None and data.noise_scale is None


def test_missing_ones_are_nan_or_minus_one_or_masked(tmp_path):
    holed, label = X.copy(), LABEL.copy()
    holed[1], label[2] = np.nan, -1
    mask = np.ones((4, 3), dtype=int)
    mask[3, 1] = 0
    data = read_npz(write(tmp_path, x=holed, y=Y, label=label, mask=mask))
    expected = np.ones((4, 3), dtype=bool)
    expected[1, 0] = expected[2, 2] = expected[3, 1] = False
    np.testing.assert_array_equal(data.train.mask, expected)
    assert not data.train.x[0][1].any() and not data.train.x[2][2].any() and not data.train.x[1][3].any()


def test_nan_that_is_masked_and_values_that_are_masked_are_the_same_data(tmp_path):
    mask = np.ones((4, 2), dtype=bool)
    mask[1, 0] = False
    holed = X.copy()
    holed[1] = np.nan
    (tmp_path / "a").mkdir()
    by_nan, by_mask = read_npz(write(tmp_path, x=holed, y=Y)), read_npz(write(tmp_path / "a", x=X, y=Y, mask=mask))
    np.testing.assert_array_equal(by_nan.train.mask, by_mask.train.mask)
    for a, b in zip(by_nan.train.x, by_mask.train.x, strict=True):
        np.testing.assert_array_equal(a, b)


def test_held_out_samples_and_their_classes(tmp_path):
    data = read_npz(write(tmp_path, x=X, label=LABEL, x_test=X[:2], label_test=np.array([3, -1]),
                          mask_test=np.array([[0, 1], [1, 0]])))  # fmt: skip
    assert data.train.dims == data.test.dims == (3, 4)  # a class may occur among the held-out samples only
    np.testing.assert_array_equal(data.test.mask, [[False, True], [True, False]])


HOLED = np.where(np.arange(12).reshape(4, 3) == 4, np.nan, X)
FAULTS = {
    "one modality": ({"x": X}, "it has 1 modalities"),
    "lengths": ({"x": X, "y": Y[:3]}, "differ in their number of samples: {'x': 4, 'y': 3}"),
    "images": ({"x": X, "y": X.reshape(4, 3, 1)}, "'y' has shape (4, 3, 1), expected (n, D)"),
    "text": ({"x": X, "y": np.array(["a", "b", "c", "d"])}, "'y' has type <U1, expected numbers"),
    "part of a row": ({"x": HOLED, "y": Y}, "sample [1] of 'x' is partly NaN"),
    "infinite": ({"x": X, "y": np.array([1, 2, 3, np.inf])}, "sample [3] of 'y' is not finite"),
    "infinities": ({"x": np.full((4, 3), np.inf), "y": Y}, "sample [0] of 'x' is not finite, and so are 3 more"),
    "nothing held out": (
        {"x": X, "y": Y, "x_test": X, "y_test": Y, "mask_test": np.zeros((4, 2))},
        "sample [0] of the held-out ones has no observed modality",
    ),
    "nothing left": ({"x": X, "y": Y, "mask": np.array([[1, 1]] * 3 + [[0, 0]])}, "sample [3] has no observed"),
    "mask's shape": ({"x": X, "y": Y, "mask": np.ones((4, 3))}, "'mask' has shape (4, 3), expected (4, 2)"),
    "mask's values": ({"x": X, "y": Y, "mask": np.full((4, 2), 2)}, "'mask' holds other values than 0 and 1"),
    "classes": ({"x": X, "y": np.array([-2, 0, 1, 1])}, "'y' has the class -2"),
    "no test data": ({"x": X, "y": Y, "x_test": X}, "'y_test' is missing"),
    "no training data": ({"x": X, "y": Y, "x_test": X, "y_test": Y, "z_test": Y}, "'z_test' has no training"),
    "kinds": ({"x": X, "y": LABEL, "x_test": X, "y_test": Y}, "'y_test' holds no classes, 'y' does"),
    "widths": ({"x": X, "y": Y, "x_test": X[:, :2], "y_test": Y}, "train and test differ"),
    "objects": ({"x": X, "y": np.array([1, None])}, "is not an .npz file of plain arrays"),
}


@pytest.mark.parametrize(("arrays", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named(tmp_path, arrays, message):
    with pytest.raises(UserError) as error:
        read_npz(write(tmp_path, **arrays))
    assert message in str(error.value) and str(tmp_path / "my.npz") in str(error.value)


def test_a_single_array_is_refused(tmp_path):
    with (tmp_path / "my.npz").open("wb") as file:
        np.save(file, X)
    with pytest.raises(UserError, match=r"is not an \.npz file"):
        read_npz(tmp_path / "my.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no archive"])
def test_a_file_that_is_none(tmp_path, content):
    (tmp_path / "my.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"is not an \.npz file"):
        read_npz(tmp_path / "my.npz")
