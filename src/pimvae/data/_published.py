"""The draws of the authors' released scripts, call by call, from numpy's legacy generator (audit arms only).

The scripts seed numpy's global generator; a ``RandomState`` of our own with the same seed gives the same numbers. All
arrays are float32 as in the scripts, and the in-place operations round where theirs do.
Source: code released with Hirt et al. (2024), the bi-modal and the multi-modal identifiable experiment.
"""

__all__ = ["published_conditioned_network", "published_mask", "published_orthogonal_network", "published_sources"]

import numpy as np
from jaxtyping import Bool

from pimvae.data._mixing import CANDIDATES, unit_columns


def published_sources(
    rng: np.random.RandomState, n: int, clusters: int, latent: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cluster means and scales, sources [n, latent] and labels [n]; the rows are ordered by cluster."""
    scale = rng.uniform(0.5, 3, (clusters, latent))
    mean = rng.uniform(-5, 5, (clusters, latent))
    sources = rng.randn(n, latent).astype(np.float32)
    labels = np.arange(n) * clusters // n
    sources *= scale[labels]
    sources += mean[labels]
    return mean, scale, sources, labels


def published_orthogonal_network(rng: np.random.RandomState, size: int, layers: int) -> tuple[np.ndarray, ...]:
    """One orthogonal matrix, used in every layer."""
    return (np.linalg.qr(rng.uniform(-1, 1, (size, size)))[0].astype(np.float32),) * layers


def published_conditioned_network(
    rng: np.random.RandomState, latent: int, dim: int, layers: int
) -> tuple[np.ndarray, ...]:
    """A matrix [latent, dim], then one matrix [dim, dim] that every later layer uses."""
    first = _conditioned(rng, (latent, dim))
    return first if layers == 1 else (*first, *_conditioned(rng, (dim, dim)) * (layers - 1))


def _conditioned(rng: np.random.RandomState, shape: tuple[int, int]) -> tuple[np.ndarray]:
    # One call for 10,000 matrices consumes the stream exactly as 10,000 calls do.
    candidates = unit_columns(rng.uniform(-1, 1, (CANDIDATES, *shape)).astype(np.float32))
    threshold = np.quantile(np.linalg.cond(candidates), 0.25)
    while True:
        matrix = unit_columns((rng.uniform(0, 2, shape) - 1).astype(np.float32))
        if np.linalg.cond(matrix) <= threshold:
            return (matrix,)


def published_mask(
    rng: np.random.RandomState, n: int, modalities: int, missing_rate: float
) -> Bool[np.ndarray, "n modality"]:
    """Observed entries [n, M]: one sure view per row plus extra views whose rate is corrected once for collisions.

    The whole draw is repeated until the share observed is within 0.005 of 1 − missing_rate; nothing is drawn if all
    views are kept.
    """
    if missing_rate == 0:
        return np.ones((n, modalities), dtype=bool)
    cells = n * modalities
    wanted = cells * (1 - missing_rate) - n  # entries beyond the sure view of each row
    while True:
        sure = np.eye(modalities, dtype=bool)[rng.randint(0, modalities, (n, 1))[:, 0]]
        extra = rng.randint(0, 100, (n, modalities)) < int(100 * wanted / cells)
        if wanted > 0:
            collisions = np.sum(sure & extra)
            ratio = wanted / (1 - collisions / wanted) / cells
            extra = rng.randint(0, 100, (n, modalities)) < int(100 * ratio)
        mask = sure | extra
        if abs(mask.mean() - (1 - missing_rate)) < 0.005:
            return mask
