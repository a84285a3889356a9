"""The text modality: the alphabet, every template, and the way back."""

import numpy as np

from pimvae.data._text import ALPHABET, BLANK, LENGTH, WORDS, decode, templates


def test_alphabet():
    assert len(ALPHABET) == len(set(ALPHABET)) == 71
    assert ALPHABET[:36] == "abcdefghijklmnopqrstuvwxyz0123456789"
    assert ALPHABET[BLANK] == " " and ALPHABET[70] == "\n"
    assert not any(character.isalnum() or character.isspace() for character in ALPHABET[36:BLANK])


def test_templates_are_every_word_at_every_start():
    text = templates()
    assert text.rows.shape == (40, LENGTH * 71) and set(np.unique(text.rows)) == {0, 1}
    one_hot = text.rows.reshape(-1, LENGTH, 71)
    assert (one_hot.sum(axis=2) == 1).all()
    shown = decode(one_hot.argmax(axis=2))
    assert len(set(shown)) == 40
    for string, digit, start in zip(shown, text.digits, text.starts, strict=True):
        assert string == (" " * start + WORDS[digit]).ljust(LENGTH)
        assert string[-1] == " " and string.strip() == WORDS[digit]
    for digit, word in enumerate(WORDS):
        rows = slice(text.first[digit], text.first[digit] + text.count[digit])
        assert text.starts[rows].tolist() == list(range(LENGTH - len(word)))  # 0..7 − length
        assert (text.digits[rows] == digit).all()


def test_decoding_keeps_to_one_line():
    assert decode(np.array([[0, 70, 26, BLANK, 1, 1, 1, 1]])) == ["a↵0 bbbb"]
