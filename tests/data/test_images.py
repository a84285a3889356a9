"""Image triples: labels agree, pairing and starts are seeded, the test set is fixed, both sources look the same."""

import gzip
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pimvae.config.schema import ImagesData
from pimvae.data import _downloads
from pimvae.data import images as module
from pimvae.data._house_numbers import house_numbers
from pimvae.data._pairing import distinct_pairs, first_rows, matched_pairs
from pimvae.data._text import WORDS, decode, templates
from pimvae.data.dataset import Dataset, load, save
from pimvae.data.digits import embedded_digits
from pimvae.data.images import images
from pimvae.errors import UserError
from pimvae.files import sha256

SMALL = {"samples": 200, "test_samples": 60, "matchings": 2}


@pytest.fixture(autouse=True)
def few_house_numbers(monkeypatch):
    """Enough for every test, drawn in a moment."""
    monkeypatch.setattr(module, "HOUSE_NUMBERS", {"train": 4000, "test": 1000})
    monkeypatch.setattr(module, "house_numbers", few)
    monkeypatch.setattr(module, "embedded_digits", handwritten)
    module._embedded.cache_clear()
    yield
    module._embedded.cache_clear()


@cache
def handwritten() -> tuple[np.ndarray, np.ndarray]:
    return embedded_digits()


@cache
def few(stream: int, count: int, variation: float) -> tuple[np.ndarray, np.ndarray]:
    pictures, digits = house_numbers(stream, 100, variation)
    repeats = -(-count // 100)
    return np.tile(pictures, (repeats, 1, 1, 1))[:count], np.tile(digits, repeats)[:count]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def check(dataset: Dataset, config: ImagesData) -> None:
    """What holds for triples of either source."""
    assert dataset.likelihoods == ("laplace", "laplace", "text") and dataset.noise_scale is None
    assert dataset.provenance == config.source and dataset.max_dim == max(dataset.train.dims)
    assert dataset.train.dims == (config.mnist_side**2, 3 * config.svhn_side**2, 568)
    for split in (dataset.train, dataset.test):
        assert split.mask.all() and [table.dtype for table in split.x] == ["uint8", "uint8", "float32"]
        np.testing.assert_array_equal(dataset.truth["text_digits"][split.pairs[:, 2]], split.truth["labels"])
        np.testing.assert_array_equal(split.x[2], templates().rows)


def test_triples_show_the_same_digit():
    config = ImagesData(**SMALL)
    dataset = images(config, seed=0)
    check(dataset, config)
    assert len(dataset.train) == 200 and len(dataset.test) == 60
    pixels, digit_labels = handwritten()
    digit_of = {picture.tobytes(): label for picture, label in zip(pixels, digit_labels, strict=True)}
    for split, stream in ((dataset.train, module.STREAM), (dataset.test, module.TEST_STREAM)):
        pictures, digits = few(stream, 100, 1.0)
        house_of = {picture.tobytes(): digit for picture, digit in zip(pictures, digits, strict=True)}
        for (first, second, _), label in zip(split.pairs, split.truth["labels"], strict=True):
            assert digit_of[split.x[0][first].tobytes()] == house_of[split.x[1][second].tobytes()] == label
    assert np.bincount(dataset.train.truth["labels"]).tolist() == [20] * 10


def test_train_and_test_share_no_handwritten_digit():
    dataset = images(ImagesData(samples=4000, test_samples=1000, matchings=1), seed=0)
    train, test = ({row.tobytes() for row in split.x[0]} for split in (dataset.train, dataset.test))
    assert len(train | test) == len(train) + len(test) == 5000
    assert np.bincount(dataset.train.pairs[:, 0]).tolist() == [1] * 4000  # a matching has every digit once


def test_seed_changes_only_the_training_triples(tmp_path):
    first, again, other = (images(ImagesData(**SMALL), seed) for seed in (0, 0, 1))
    for name, dataset in (("first", first), ("again", again)):
        save(dataset, tmp_path / name)
    assert sha256(tmp_path / "first") == sha256(tmp_path / "again")
    check(load(tmp_path / "first"), ImagesData(**SMALL))
    assert shown(first.test) == shown(other.test)
    assert (first.train.pairs != other.train.pairs).any(axis=0).all()


def shown(split: module.Split) -> list[bytes]:
    return [b"".join(split.values(s)[i].tobytes() for s in range(3)) for i in range(len(split))]


def test_fewer_test_triples_are_the_first_of_many():
    few_, many = (images(ImagesData(**SMALL | {"test_samples": count}), 0).test for count in (50, 1500))
    assert shown(few_) == shown(many)[:50]
    assert len(many) == 1500


def test_starts_are_spread_over_all_that_fit():
    dataset = images(ImagesData(samples=4000, test_samples=1, matchings=1), seed=0)
    used = np.bincount(dataset.train.pairs[:, 2], minlength=40)
    expected = 400 / templates().count[dataset.truth["text_digits"]]
    assert np.abs(used - expected).max() < 5 * np.sqrt(expected.max())
    symbols = dataset.train.values(2).reshape(-1, 8, 71).argmax(axis=2)
    words = [text.strip() for text in decode(symbols[:50])]
    assert words == [WORDS[label] for label in dataset.train.truth["labels"][:50]]


@pytest.mark.parametrize("side", [14, 16])
def test_low_resolution_is_the_mean_of_four_pixels(side):
    sides = {"mnist_side": 14} if side == 14 else {"svhn_side": 16}
    whole, low = (images(ImagesData(**SMALL, **chosen), 0).train for chosen in ({}, sides))
    s = 0 if side == 14 else 1
    tiles = whole.x[s].reshape(len(whole.x[s]), -1, side, 2, side, 2).astype(np.float64)
    means = tiles.mean(axis=(3, 5)).reshape(len(tiles), -1)
    assert np.abs(low.x[s] - means).max() <= 0.5
    np.testing.assert_array_equal(low.pairs, whole.pairs)


MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
SVHN_TRAIN = [4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659]
SVHN_TEST = [1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595]


def labels(counts: list[int], seed: int = 0) -> np.ndarray:
    return rng(seed).permutation(np.repeat(np.arange(10), counts))


def test_the_real_sets_give_the_published_numbers_of_pairs():
    a, b = labels(MNIST_TRAIN), labels(SVHN_TRAIN, 1)
    assert (len(a), len(b)) == (60_000, 73_257)
    pairs = matched_pairs(rng(), first_rows(a, b), 20, None)
    assert len(pairs) == 1_121_360 and len(pairs) // 20 == 56_068
    np.testing.assert_array_equal(a[pairs[:, 0]], b[pairs[:, 1]])
    for matching in pairs.reshape(20, -1, 2)[:2]:
        assert len(np.unique(matching[:, 0])) == len(np.unique(matching[:, 1])) == 56_068
    assert (pairs[:56_068] != pairs[56_068:112_136]).any(axis=1).mean() > 0.99
    tested = distinct_pairs(rng(), first_rows(labels(MNIST_TEST), labels(SVHN_TEST, 1)), 10_000)
    assert len(np.unique(tested, axis=0)) == len(np.unique(tested[:, 0])) == 10_000


def test_the_first_of_each_label_are_paired():
    a, b = np.array([1, 0, 1, 1, 0]), np.array([0, 1, 1, 5])
    rows = first_rows(a, b)
    assert [(of_a.tolist(), of_b.tolist()) for of_a, of_b in rows[:2]] == [([1], [0]), ([0, 2], [1, 2])]
    assert [len(of_a) for of_a, _ in rows] == [1, 2, *[0] * 8]
    repeated = first_rows(np.arange(10), np.repeat(np.arange(10), 3), repeats=3)
    assert repeated[4][0].tolist() == [4, 4, 4] and repeated[4][1].tolist() == [12, 13, 14]
    many = np.zeros(10_001, dtype=np.int64)
    assert len(first_rows(many, many)[0][0]) == 10_000


def test_distinct_pairs_are_distinct_and_no_more_than_there_are():
    rows = first_rows(np.arange(10), np.repeat(np.arange(10), 6), repeats=6)
    pairs = distinct_pairs(rng(), rows, 30)
    assert len(np.unique(pairs, axis=0)) == 30
    with pytest.raises(UserError, match=r"data.test_samples is 31, but at most 30 distinct triples"):
        distinct_pairs(rng(), rows, 31)


def test_more_triples_than_there_are_is_refused():
    with pytest.raises(UserError, match=r"data.samples is 8001, but 2 matchings of 4000 base pairs give 8000"):
        images(ImagesData(**SMALL | {"samples": 8001}), 0)
    assert len(images(ImagesData(**SMALL | {"samples": None}), 0).train) == 8000


@pytest.fixture
def downloaded(tmp_path, monkeypatch) -> Path:
    """A folder with small files of MNIST and SVHN, and a table of files that expects them."""
    for stem, part, size, seed in (("train", "train", 400, 0), ("t10k", "test", 100, 1)):
        marks = np.arange(size) % 10
        digits = np.repeat(marks.astype(np.uint8) + 100, 784)  # the brightness tells the digit
        pack(tmp_path / f"{stem}-images-idx3-ubyte.gz", struct.pack(">4I", 0x803, size, 28, 28) + digits.tobytes())
        pack(tmp_path / f"{stem}-labels-idx1-ubyte.gz", struct.pack(">2I", 0x801, size) + marks.astype("u1").tobytes())
        shown = rng(seed).permutation(np.arange(size + 30) % 10)
        pictures = np.broadcast_to((shown + 50).astype(np.uint8), (32, 32, 3, size + 30))
        savemat(tmp_path / f"{part}_32x32.mat", {"X": pictures, "y": np.where(shown == 0, 10, shown)[:, None]})
    files = {path.name: _downloads.Remote(sha256(path), ("http://127.0.0.1:9/",)) for path in tmp_path.iterdir()}
    monkeypatch.setattr(_downloads, "FILES", files)
    return tmp_path


def pack(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content, 1))


def test_the_real_files_come_out_of_the_same_interface(downloaded):
    config = ImagesData(source="full", data_dir=str(downloaded), samples=None, test_samples=90, matchings=3)
    dataset = images(config, seed=0)
    check(dataset, config)
    assert len(dataset.train) == 3 * 400 and len(dataset.test) == 90
    for split in (dataset.train, dataset.test):
        for s, offset in ((0, 100), (1, 50)):
            digits = split.x[s][split.pairs[:, s]].astype(np.int64) - offset
            assert (digits == split.truth["labels"][:, None]).all()


def test_missing_real_files_are_told_in_one_line(downloaded, monkeypatch):
    (downloaded / "test_32x32.mat").unlink()
    config = ImagesData(source="full", data_dir=str(downloaded), samples=10, test_samples=10)
    with pytest.raises(UserError, match=r"lacks the file test_32x32.mat"):
        images(config, seed=0)


def test_house_numbers_vary_as_much_as_is_asked():
    loud, calm = (images(ImagesData(svhn_variation=variation, **SMALL), 0) for variation in (1.0, 0.25))
    np.testing.assert_array_equal(loud.train.truth["labels"], calm.train.truth["labels"])
    assert calm.train.x[1].std() < 0.7 * loud.train.x[1].std()
