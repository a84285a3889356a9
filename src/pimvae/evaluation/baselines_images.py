"""Simple models of images and text: independent pixels and letters, and their mixture over the classes."""

__all__ = ["image_likelihoods", "laplace_location", "letter_probabilities"]

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int, Real
from scipy.special import logsumexp

from pimvae.data.dataset import Dataset, Split
from pimvae.evaluation.rows import TRIPLE
from pimvae.models.likelihoods.text import POSITIONS, SYMBOLS

SMOOTHING = 0.1  # added to every count: a letter that was never seen at a place has a probability still
COLUMNS_AT_ONCE = 64
TEXT = "text"


def image_likelihoods(data: Dataset, test: Split, scale: float) -> Iterator[tuple[str, str, float]]:
    r"""(baseline, subset, mean log-likelihood in nats) of the samples of ``test``; fitted to ``data.train`` alone.

    ``independent``: Π_s p(x_s), pixels Laplace(median, ``scale``), letters categorical at every position.
    ``class_conditional``: log Σ_c π_c Π_s p(x_s | c) with one such model per class, π_c the frequency of class c; the
    class is what the modalities share. Labels of the samples of ``test`` are not used.
    """
    labels = data.train.truth["labels"]
    classes, counts = np.unique(labels, return_counts=True)
    alone = np.stack([_modality(data, test, s, np.ones(len(labels), bool), scale) for s in range(len(TRIPLE))])
    given = np.stack([[_modality(data, test, s, labels == c, scale) for s in range(len(TRIPLE))] for c in classes])
    prior = np.log(counts / counts.sum())[:, None]
    subsets = {"all": list(range(len(TRIPLE))), **{name: [s] for s, name in enumerate(TRIPLE)}}
    for subset, chosen in subsets.items():
        yield "independent", subset, float(alone[chosen].sum(0).mean())
        yield "class_conditional", subset, float(logsumexp(prior + given[:, chosen].sum(1), axis=0).mean())


def _modality(data: Dataset, test: Split, s: int, chosen: np.ndarray, scale: float) -> Float[np.ndarray, " sample"]:
    """log p(x_s) of every sample of ``test`` under the model of the training samples ``chosen``."""
    table = data.train.x[s]
    rows = np.flatnonzero(chosen) if data.train.pairs is None else data.train.pairs[chosen, s]
    weights = np.bincount(rows, minlength=len(table))
    x = test.values(s).astype(np.float64)
    if data.likelihoods[s] == TEXT:
        return x @ np.log(letter_probabilities(table, weights))
    location = laplace_location(table, weights).astype(np.float64)
    location = location / 255 if table.dtype == np.uint8 else location
    return -np.abs(x - location).sum(1) / scale - x.shape[1] * np.log(2 * scale)


def laplace_location(
    table: Real[np.ndarray, "row pixel"], weights: Int[np.ndarray, " row"]
) -> Real[np.ndarray, " pixel"]:
    """The location of a Laplace distribution that is most likely: the (lower) weighted median of every column."""
    used = weights > 0
    table, weights = table[used], weights[used]
    found = []
    for start in range(0, table.shape[1], COLUMNS_AT_ONCE):
        part = table[:, start : start + COLUMNS_AT_ONCE]
        order = part.argsort(axis=0, kind="stable")
        below = weights[order].cumsum(axis=0)
        middle = (2 * below >= weights.sum()).argmax(axis=0)
        columns = np.arange(part.shape[1])
        found.append(part[order[middle, columns], columns])
    return np.concatenate(found)


def letter_probabilities(
    table: Real[np.ndarray, "row flat"], weights: Int[np.ndarray, " row"]
) -> Float[np.ndarray, " flat"]:
    """Smoothed frequencies of the symbols at every position, flattened (position, symbol)."""
    counts = (weights @ table.astype(np.float64)).reshape(POSITIONS, SYMBOLS) + SMOOTHING
    return (counts / counts.sum(axis=1, keepdims=True)).reshape(-1)
