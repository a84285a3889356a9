"""Kinds of modalities: what is taken, what must be stated, and the way from the file's values to the model's."""

import numpy as np
import pytest
from scipy import stats

from pimvae.data.modality import Modality, Raw, describe
from pimvae.data.understand import understand
from pimvae.errors import UserError

GENERATOR = np.random.default_rng(0)
CLEAR = {
    "floats": (GENERATOR.normal(size=(30, 2)), "gaussian", 2),
    "text": (np.array(["b", "a", "c"] * 10), "categorical", 3),
    "objects": (np.array(["b", None, "c"] * 10, dtype=object), "categorical", 2),
    "truth": (np.array([True, False] * 15), "categorical", 2),
    "truths": (np.array([[True, False], [False, False]] * 15), "binary", 2),
    "classes": (np.array([0, 1, 2, -1, 1] * 6), "categorical", 3),
    "zeros and ones": (np.array([[0, 1], [1, 1]] * 15), "binary", 2),
    "bytes": (GENERATOR.integers(0, 255, size=(30, 1, 4, 4)).astype(np.uint8), "image", 16),
}


@pytest.mark.parametrize(("values", "kind", "dim"), CLEAR.values(), ids=CLEAR)
def test_what_is_clear_is_taken(values, kind, dim):
    found = understand(Raw("m", values))
    assert (found.kind, found.dim) == (kind, dim)
    encoded, seen = found.encode(Raw("m", values))
    assert encoded.shape == (30, dim) and encoded.dtype == np.float32 and seen.any()
    assert Modality.of(found.record()) == found


STATED = {
    "counts": (GENERATOR.poisson(5, size=(30, 3)), "counts"),
    "one column of counts": (GENERATOR.poisson(5, size=30), "poisson"),
    "integers as measurements": (GENERATOR.integers(-5, 90, size=(30, 1)), "gaussian"),
    "years as classes": (np.array([1990, 2000, 2010] * 10), "categorical"),
    "floats as classes": (np.array([0.0, 1.0, np.nan] * 10), "categorical"),
    "floats as counts": (np.array([[0.0], [7.0], [np.nan]] * 10), "counts"),
    "float images": (GENERATOR.normal(size=(30, 3, 4, 4)), "image"),
}


@pytest.mark.parametrize(("values", "kind"), STATED.values(), ids=STATED)
def test_what_is_ambiguous_must_be_stated(values, kind):
    with pytest.raises(UserError, match=r"--kind NAME=KIND"):
        understand(Raw("m", values))
    found = understand(Raw("m", values), kind)
    assert found.kind == kind
    assert found.encode(Raw("m", values))[1].sum() == 30 - np.isnan(values.astype(float)).reshape(30, -1).any(1).sum()


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (np.array([0.5, 1.0]), "counts", "holds other values than counts"),
        (np.array([3, -1]), "poisson", "holds other values than counts"),
        (np.array([0, 2]), "binary", "other values than 0 and 1"),
        (np.array(["1.5", "b"]), "gaussian", "text or objects where numbers are expected: sample 1 has 'b'"),
        (np.array([[0.5, 1.5]]), "gaussian", "column '0' of 'm' is observed in one sample, at least 2 are needed"),
        (np.array([0.5, np.nan]), None, "column '0' of 'm' is observed in one sample, at least 2 are needed"),
        (np.array([0.5, 0.5]), None, "column '0' of 'm' is constant: leave it out"),
        (np.zeros((2, 3)), "image", "images are"),
        (np.zeros((2, 3)), "categorical", "one label per sample"),
        (np.array([1, 2]), "classes", "unknown kind 'classes'"),
        (np.arange(1500), "categorical", "1500 classes"),
    ],
)
def test_a_kind_that_does_not_fit_is_one_line(values, kind, message):
    with pytest.raises(UserError, match=message):
        understand(Raw("m", values), kind)


def test_labels_keep_their_names_and_types():
    found = understand(Raw("m", np.array(["007", "b c", "ü,\n"])))
    encoded, _ = found.encode(Raw("m", np.array(["b c", "007", ""])))
    np.testing.assert_array_equal(found.decode(encoded[:2]), ["b c", "007"])
    with pytest.raises(UserError, match="class '7', which training did not have"):
        found.encode(Raw("m", np.array(["7"])))


def test_values_and_back_and_the_jacobian():
    values = GENERATOR.normal([5, -1000], [0.1, 30], size=(40, 2))
    found = understand(Raw("m", values))
    encoded, _ = found.encode(Raw("m", values))
    np.testing.assert_allclose(found.decode(encoded), values, rtol=1e-5)
    # log N of the file's values with their own moments = log N(0, 1) of the model's + the Jacobian
    exact = stats.norm(values.mean(0), values.std(0)).logpdf(values).sum(1)
    np.testing.assert_allclose(stats.norm.logpdf(encoded).sum(1) + found.log_jacobian, exact, rtol=1e-5)
    images = GENERATOR.normal(3, 2, size=(20, 3, 4, 4))
    found = understand(Raw("m", images), "image")
    encoded, _ = found.encode(Raw("m", images))
    np.testing.assert_allclose(found.decode(encoded), images, rtol=1e-5, atol=1e-5)
    assert found.log_jacobian == pytest.approx(-48 * np.log(images.std()))


def test_identifiers_are_no_classes():
    names = Raw("m", np.array([f"patient {i}" for i in range(30)]))
    with pytest.raises(
        UserError, match=r"has 30 classes among 30 samples \(identifiers\?\): say what it is with --kind"
    ):
        understand(names)
    assert understand(names, "categorical").dim == 30


def test_small_units_are_no_constant():
    values = GENERATOR.normal(size=(30, 2)) * 1e-15
    assert understand(Raw("m", values)).scale == tuple(values.std(0))


def test_far_from_zero_is_no_trouble():
    values = 1e6 + GENERATOR.normal(size=(50, 1))
    encoded, _ = understand(Raw("m", values)).encode(Raw("m", values))
    assert abs(encoded.mean()) < 1e-3 and encoded.std() == pytest.approx(1, abs=1e-3)


def test_description():
    modalities = [understand(Raw("word", np.array(["a", "b"]))), understand(Raw("x", np.array([1.5, 2.0])))]
    lines = describe(modalities, np.array([[True, False], [True, True]]))
    assert lines[0].startswith("word  categorical 2 classes: a, b; 0 of 2 missing")
    assert "x     gaussian    1 column; means 1.75, sd 0.25; 1 of 2 missing" in lines[1]
