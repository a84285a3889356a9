"""Mixing networks: injective multi-layer perceptrons without bias, from latent sources to a modality."""

__all__ = ["CANDIDATES", "leaky_relu", "mix", "orthogonal_network", "unit_columns", "well_conditioned_networks"]

import numpy as np
from jaxtyping import Float

CANDIDATES = 10_000  # random matrices whose condition numbers set the threshold
SLOPE = 0.1


def leaky_relu(x: np.ndarray) -> np.ndarray:
    """x where it is positive, 0.1 x elsewhere."""
    return np.maximum(x, x.dtype.type(SLOPE) * x)


def mix(sources: Float[np.ndarray, "... latent"], network: tuple[np.ndarray, ...]) -> Float[np.ndarray, "... dim"]:
    """f(z) = leaky(… leaky(z A_1) A_2 …) A_K."""
    hidden = sources @ network[0]
    for weight in network[1:]:
        hidden = leaky_relu(hidden) @ weight
    return hidden


def orthogonal_network(rng: np.random.Generator, size: int, layers: int) -> tuple[np.ndarray, ...]:
    """Independent orthogonal matrices [size, size]: Q of the QR decomposition of U(−1, 1) entries."""
    return tuple(np.linalg.qr(rng.uniform(-1, 1, (layers, size, size)))[0])


def unit_columns(matrices: Float[np.ndarray, "... rows columns"]) -> Float[np.ndarray, "... rows columns"]:
    """The matrices with every column scaled to Euclidean norm 1."""
    return matrices / np.linalg.norm(matrices, axis=-2, keepdims=True)


def well_conditioned_networks(
    rng: np.random.Generator, networks: int, latent: int, dim: int, layers: int
) -> list[tuple[np.ndarray, ...]]:
    """Networks with one matrix [latent, dim] and layers − 1 matrices [dim, dim] each.

    Entries are U(−1, 1), columns have unit norm, and the condition number is below the 25 % quantile of 10,000 random
    draws (Hirt et al. 2024, multi-modal identifiable experiment). The candidates of one shape are drawn once, and the
    matrices of all networks are chosen at random, none twice, from their best quarter.
    """
    first = _well_conditioned(rng, networks, (latent, dim))
    later = _well_conditioned(rng, networks * (layers - 1), (dim, dim)) if layers > 1 else np.empty((0, dim, dim))
    return [(first[s], *later[s * (layers - 1) : (s + 1) * (layers - 1)]) for s in range(networks)]


def _well_conditioned(rng: np.random.Generator, count: int, shape: tuple[int, int]) -> Float[np.ndarray, "count a b"]:
    candidates = unit_columns(rng.uniform(-1, 1, (CANDIDATES, *shape)))
    condition = np.linalg.cond(candidates)  # one batched singular value decomposition
    best = np.argsort(condition, kind="stable")[: CANDIDATES // 4]
    return candidates[rng.choice(best, count, replace=False)]
