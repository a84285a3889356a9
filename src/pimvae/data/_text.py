"""The text modality: a digit's English name somewhere in eight characters, as one-hot rows."""

__all__ = ["ALPHABET", "BLANK", "LENGTH", "WORDS", "Templates", "decode", "templates"]

import string
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int, Int64

LENGTH = 8  # characters
BLANK = 69  # index of the blank
# 26 letters, 10 digits, 33 punctuation marks (those of ASCII and one more), the blank and the end of a line.
ALPHABET = string.ascii_lowercase + string.digits + string.punctuation + "§" + " " + "\n"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Templates(NamedTuple):
    """Every word at every start, ordered by digit, then by start.

    ``rows``: one-hot, symbol a at position p is entry 71·p + a. Digit d's templates are ``first[d]`` …
    ``first[d] + count[d] − 1``.
    """

    rows: Float32[np.ndarray, "template 568"]
    digits: Int64[np.ndarray, " template"]
    starts: Int64[np.ndarray, " template"]
    first: Int64[np.ndarray, "10"]
    count: Int64[np.ndarray, "10"]


def templates() -> Templates:
    """All 40 texts: a word of n letters starts at 0..7 − n, so that the last position is always blank."""
    places = [(digit, start) for digit, word in enumerate(WORDS) for start in range(LENGTH - len(word))]
    texts = [(" " * start + WORDS[digit]).ljust(LENGTH) for digit, start in places]
    symbols = np.array([[ALPHABET.index(character) for character in text] for text in texts])
    rows = np.eye(len(ALPHABET), dtype=np.float32)[symbols].reshape(len(texts), -1)
    digits, starts = np.array(places, dtype=np.int64).T
    count = np.bincount(digits).astype(np.int64)
    return Templates(rows, digits, starts, np.cumsum(count) - count, count)


def decode(symbols: Int[np.ndarray, "n 8"]) -> list[str]:
    """Texts of symbol indices, blanks included; the end of a line, which would break one, is shown as ↵."""
    return ["".join(ALPHABET[index] for index in row).replace("\n", "↵") for row in symbols]
