"""Linear-Gaussian modalities, whose likelihoods and posteriors are known exactly (experiment 1)."""

__all__ = ["linear"]

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from pimvae.config.schema import LinearData
from pimvae.data.dataset import Dataset, Split
from pimvae.errors import UserError

STREAM = 101  # separates these draws from those of the other data sets with the same seed


def linear(config: LinearData, seed: int) -> Dataset:
    r"""z ~ N(0, I), x_s = W_s z + b_s + ε_s with ε_s ~ N(0, v I), b_s ~ N(0, I), s = 1..M.

    D_s is uniform on dim_low .. dim_high − 1, the columns of W_s are orthonormal (QR of uniform(−1, 1) entries).
    ``dense``: z has ``latent`` dimensions that all modalities share. ``sparse``: z = (shared, private_1, …, private_M),
    blocks of ``latent``; W_s is zero in the private blocks of the others, and its 2·latent remaining columns are
    jointly orthonormal.

    Returns:
        All modalities observed, no test split; split truth ``latents`` [n, L]; truth ``W`` [M, max_dim, L] and
        ``b`` [M, max_dim] (rows beyond D_s are zero) and ``dims`` [M].

    Raises:
        UserError: if no D_s exists, or a modality may have fewer dimensions than its loading has columns.

    Source: Hirt et al. (2024), section 5.1.
    """
    _check(config)
    rng = Generator(PCG64(SeedSequence([seed, STREAM])))
    dims = rng.integers(config.dim_low, config.dim_high, size=config.modalities)
    loadings = [_loading(config, s, int(dim), rng) for s, dim in enumerate(dims)]
    offsets = [rng.standard_normal(dim) for dim in dims]
    z = rng.standard_normal((config.samples, loadings[0].shape[1]))
    scale = config.noise_variance**0.5
    x = tuple(
        (z @ w.T + b + scale * rng.standard_normal((len(z), len(b)))).astype(np.float32)
        for w, b in zip(loadings, offsets, strict=True)
    )
    max_dim = config.dim_high - 1
    truth = {"W": _pad(loadings, max_dim), "b": _pad(offsets, max_dim), "dims": dims.astype(np.int64)}
    train = Split(x, np.ones((len(z), len(x)), dtype=np.bool_), {"latents": z})
    return Dataset("linear", ("gaussian",) * len(x), max_dim, scale, train, truth=truth)


def _check(config: LinearData) -> None:
    if config.dim_low >= config.dim_high:
        raise UserError(f"data.dim_low ({config.dim_low}) must be below data.dim_high ({config.dim_high})")
    columns = config.latent * (2 if config.loading == "sparse" else 1)
    if config.dim_low < columns:
        raise UserError(f"data.dim_low ({config.dim_low}) must be at least {columns} for orthonormal loadings")


def _loading(config: LinearData, s: int, dim: int, rng: Generator) -> np.ndarray:
    """W_s, [dim, latent] (dense) or [dim, (1 + M)·latent] (sparse)."""
    k = config.latent
    if config.loading == "dense":
        return _orthonormal(dim, k, rng)
    columns = _orthonormal(dim, 2 * k, rng)
    w = np.zeros((dim, (1 + config.modalities) * k))
    w[:, :k] = columns[:, k:]  # shared
    w[:, (1 + s) * k : (2 + s) * k] = columns[:, :k]  # private
    return w


def _orthonormal(rows: int, columns: int, rng: Generator) -> np.ndarray:
    return np.linalg.qr(rng.uniform(-1, 1, (rows, columns)))[0]


def _pad(arrays: list[np.ndarray], rows: int) -> np.ndarray:
    """Stack arrays [D_s, ...] that differ in D_s, with zero rows below."""
    return np.stack([np.pad(a, [(0, rows - len(a))] + [(0, 0)] * (a.ndim - 1)) for a in arrays])
