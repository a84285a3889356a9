"""Clustered sources: the latent variables of the bimodal and the multimodal data set."""

__all__ = ["draw_clusters", "draw_labels", "draw_sources"]

import numpy as np
from jaxtyping import Float, Int


def draw_clusters(rng: np.random.Generator, clusters: int, latent: int) -> tuple[np.ndarray, np.ndarray]:
    """Means ~ U(−5, 5) and scales ~ U(0.5, 3) of the clusters, each [clusters, latent]."""
    return rng.uniform(-5, 5, (clusters, latent)), rng.uniform(0.5, 3, (clusters, latent))


def draw_labels(rng: np.random.Generator, n: int, clusters: int, *, ordered: bool) -> Int[np.ndarray, " n"]:
    """Cluster labels: independent and uniform, or (``ordered``) segments of equal size, one after another."""
    return np.arange(n) * clusters // n if ordered else rng.integers(clusters, size=n)


def draw_sources(
    rng: np.random.Generator,
    mean: Float[np.ndarray, "cluster latent"],
    scale: Float[np.ndarray, "cluster latent"],
    labels: Int[np.ndarray, " n"],
    *,
    laplace: bool = False,
) -> Float[np.ndarray, "n latent"]:
    """z = mean_c + scale_c · ε for c = the labels; ε is Gaussian or Laplace, of unit variance in both cases.

    A Laplace variable of scale b has variance 2b², hence b = 1/√2: ``scale`` is the standard deviation in both cases.
    """
    shape = (len(labels), mean.shape[1])
    unit = rng.laplace(scale=np.sqrt(0.5), size=shape) if laplace else rng.standard_normal(shape)
    return mean[labels] + scale[labels] * unit
