"""Mean correlation coefficient (MCC): how well inferred latents recover the true ones, up to what cannot be known."""

__all__ = ["MCC", "mcc"]

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

TOLERANCE = 1e-10  # relative size below which a spread is taken for rounding


@dataclass(frozen=True)
class MCC:
    """Scores in [0, 1] and the matching, all from the first half of the samples except ``out_of_sample``.

    ``permutation[i]`` is the inferred dimension matched to true dimension i and ``signs[i]`` the sign of their
    correlation (after the rotation, if there is one); −1 and 0 where a true dimension has no partner.
    """

    in_sample: float
    out_of_sample: float
    permutation: Int[np.ndarray, " latent"]
    signs: Int[np.ndarray, " latent"]


def mcc(
    true: Float[np.ndarray, "n latent"], inferred: Float[np.ndarray, "n inferred"], *, rotation: bool = False
) -> MCC:
    """Mean absolute Pearson correlation of matched dimensions, (1/k) Σ_i |corr(true_i, inferred_π(i))|.

    π maximises the sum on the first half of the samples (Hungarian method); k = min(latent, inferred). Without
    ``rotation`` this is the strong MCC, which allows for order, sign and scale. With it, it is the weak MCC: both sides
    are first replaced by all of their canonical variates, fitted on the first half, which allows for any affine map.
    A constant dimension has correlation 0. If a value is not finite (a diverged model), both scores are NaN and
    nothing is matched.

    The canonical variates come from singular value decompositions, all pairs at once and exact up to rounding.
    scikit-learn's ``CCA`` iterates pair by pair, to a tolerance or until a number of iterations is spent, and each pair
    inherits the error of those before.

    Source: Khemakhem et al. (2020), ICE-BeeM; Hirt et al. (2024), identifiable experiments.

    Raises:
        ValueError: if the numbers of samples differ or are below 4.
    """
    if len(true) != len(inferred) or len(true) < 4:
        raise ValueError(f"got {len(true)} true and {len(inferred)} inferred samples, need the same number, at least 4")
    true, inferred = np.asarray(true, dtype=np.float64), np.asarray(inferred, dtype=np.float64)
    latent, half = true.shape[1], len(true) // 2
    permutation, signs = np.full(latent, -1), np.zeros(latent, dtype=int)
    if not (np.isfinite(true).all() and np.isfinite(inferred).all()):
        return MCC(float("nan"), float("nan"), permutation, signs)
    if rotation:
        true, inferred = _canonical_variates(true, inferred, half)
    first = _correlation(true[:half], inferred[:half])
    second = _correlation(true[half:], inferred[half:])
    rows, columns = linear_sum_assignment(-np.abs(first))
    permutation[rows] = columns
    signs[rows] = np.sign(first[rows, columns]).astype(int)
    in_sample, out_of_sample = (float(np.abs(each[rows, columns]).mean()) for each in (first, second))
    return MCC(in_sample, out_of_sample, permutation, signs)


def _correlation(a: Float[np.ndarray, "n a"], b: Float[np.ndarray, "n b"]) -> Float[np.ndarray, "a b"]:
    """Pearson correlations of all pairs of columns, 0 where one is constant."""
    return np.clip(_standardise(a).T @ _standardise(b), -1, 1)


def _standardise(a: Float[np.ndarray, "n a"]) -> Float[np.ndarray, "n a"]:
    """Centred columns of unit norm; constant columns become 0."""
    centred = a - a.mean(axis=0)
    return np.divide(centred, np.linalg.norm(centred, axis=0), out=np.zeros_like(centred), where=_varies(a))


def _varies(a: Float[np.ndarray, "n a"]) -> Bool[np.ndarray, " a"]:
    return np.linalg.norm(a - a.mean(axis=0), axis=0) > TOLERANCE * np.linalg.norm(a, axis=0)


def _canonical_variates(
    true: Float[np.ndarray, "n latent"], inferred: Float[np.ndarray, "n inferred"], half: int
) -> tuple[np.ndarray, np.ndarray]:
    """All min(latent, inferred) pairs for all n samples, fitted on the first ``half``; pairs beyond the rank are 0."""
    pairs = min(true.shape[1], inferred.shape[1])
    true, inferred = _whiten(true, half), _whiten(inferred, half)
    if min(true.shape[1], inferred.shape[1]) == 0:  # nothing varies
        return np.zeros((len(true), pairs)), np.zeros((len(true), pairs))
    left, _, right = np.linalg.svd(true[:half].T @ inferred[:half], full_matrices=False)
    padding = ((0, 0), (0, pairs - left.shape[1]))
    return np.pad(true @ left, padding), np.pad(inferred @ right.T, padding)


def _whiten(a: Float[np.ndarray, "n a"], half: int) -> Float[np.ndarray, "n rank"]:
    """Combinations of the columns whose first ``half`` rows are an orthonormal basis of what those columns span."""
    a = a[:, _varies(a[:half])] - a[:half, _varies(a[:half])].mean(axis=0)
    if a.shape[1] == 0:
        return a
    a = a / np.linalg.norm(a[:half], axis=0)  # the rank must not depend on the units
    _, singular, directions = np.linalg.svd(a[:half], full_matrices=False)
    rank = int(np.sum(singular > TOLERANCE * singular[0]))
    return a @ (directions[:rank].T / singular[:rank])
