"""Pairs of samples of two labelled collections that share their label."""

__all__ = ["distinct_pairs", "first_rows", "matched_pairs"]

import numpy as np
from jaxtyping import Int64

from pimvae.errors import UserError

PER_LABEL = 10_000  # at most so many rows of each collection and label

Labels = Int64[np.ndarray, " n"]
Pairs = Int64[np.ndarray, "pair 2"]
Rows = list[tuple[np.ndarray, np.ndarray]]  # per label


def first_rows(a: Labels, b: Labels, repeats: int = 1) -> Rows:
    """Per label in 0..9 the first n rows of ``a`` and of ``b``, n = min(#a, #b, 10,000).

    With ``repeats`` the rows of ``a`` are gone through so many times, and #a counts them as often.
    """
    found = [(np.tile(np.flatnonzero(a == label), repeats), np.flatnonzero(b == label)) for label in range(10)]
    sizes = [min(len(of_a), len(of_b), PER_LABEL) for of_a, of_b in found]
    return [(of_a[:size], of_b[:size]) for (of_a, of_b), size in zip(found, sizes, strict=True)]


def matched_pairs(rng: np.random.Generator, rows: Rows, matchings: int, samples: int | None) -> Pairs:
    """Rows of both collections: independent matchings one after the other, cut after ``samples``.

    A matching pairs all ``rows`` (see `first_rows`), label by label at random, and shuffles the pairs.

    Raises:
        UserError: if the matchings have fewer pairs than ``samples``.
    """
    base = sum(len(of_a) for of_a, _ in rows)
    wanted = base * matchings if samples is None else samples
    if not 0 < wanted <= base * matchings:
        raise UserError(
            f"data.samples is {wanted}, but {matchings} matchings of {base} base pairs give {base * matchings}"
        )
    return np.concatenate([_matching(rng, rows) for _ in range(-(-wanted // base))])[:wanted]


def distinct_pairs(rng: np.random.Generator, rows: Rows, samples: int) -> Pairs:
    """As `matched_pairs`, with as many matchings as it takes and no pair twice.

    Raises:
        UserError: if there are not so many pairs.
    """
    possible = sum(len(np.unique(of_a)) * len(of_b) for of_a, of_b in rows)
    if samples > possible // 2:  # with more, ever fewer pairs of a matching are new
        raise UserError(f"data.test_samples is {samples}, but at most {possible // 2} distinct triples are available")
    pairs = _matching(rng, rows)
    while len(pairs := _first_of_each(pairs)) < samples:
        pairs = np.concatenate([pairs, _matching(rng, rows)])
    return pairs[:samples]


def _matching(rng: np.random.Generator, rows: Rows) -> Pairs:
    pairs = [np.stack([of_a[_order(rng, len(of_a))], of_b[_order(rng, len(of_b))]], axis=1) for of_a, of_b in rows]
    joined = np.concatenate(pairs).astype(np.int64)
    return joined[_order(rng, len(joined))]


def _order(rng: np.random.Generator, size: int) -> np.ndarray:
    """A random permutation; sorting uniform numbers depends on nothing but their bits."""
    return np.argsort(rng.random(size), kind="stable")


def _first_of_each(pairs: Pairs) -> Pairs:
    _, first = np.unique(pairs, axis=0, return_index=True)
    return pairs[np.sort(first)]
