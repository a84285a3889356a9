"""Gaussians and their mixtures fitted by maximum likelihood where entries are missing."""

__all__ = ["FLOOR", "GaussianMixture", "fit_mixture", "full", "moments", "probabilistic_pca"]

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import logsumexp

FLOOR = 1e-6  # least variance, as in scikit-learn's mixtures: a constant column would have an infinite density
LOG_2PI = np.log(2 * np.pi)
Constraint = Callable[[Float[np.ndarray, "dim dim"]], Float[np.ndarray, "dim dim"]]


@dataclass(frozen=True)
class GaussianMixture:
    """p(x) = Σ_k π_k N(x; m_k, S_k), of which any entries may be observed."""

    weights: Float[np.ndarray, " component"]
    means: Float[np.ndarray, "component dim"]
    covariances: Float[np.ndarray, "component dim dim"]

    def log_likelihood(
        self, x: Float[np.ndarray, "n dim"], observed: Bool[np.ndarray, "n dim"]
    ) -> Float[np.ndarray, " n"]:
        """log p(x_o) of the observed entries o of every sample; what is not observed is not used."""
        found = np.empty(len(x))
        for rows, seen in _patterns(observed):
            joint = [
                np.log(weight) + _condition(x[np.ix_(rows, seen)], mean, covariance, seen)[0]
                for weight, mean, covariance in zip(self.weights, self.means, self.covariances, strict=True)
            ]
            found[rows] = logsumexp(joint, axis=0)
        return found


def full(covariance: Float[np.ndarray, "dim dim"]) -> Float[np.ndarray, "dim dim"]:
    """The covariance itself, ``FLOOR`` added to its diagonal."""
    return covariance + FLOOR * np.eye(len(covariance))


def probabilistic_pca(latent: int) -> Constraint:
    r"""The constraint S = W Wᵀ + v I with W of ``latent`` columns, at its maximum of the likelihood.

    The leading eigenvalues of the sample covariance stay, the others become their mean (at least ``FLOOR``).
    Source: Tipping & Bishop (1999), appendix A.
    """

    def constrained(covariance: Float[np.ndarray, "dim dim"]) -> Float[np.ndarray, "dim dim"]:
        values, vectors = np.linalg.eigh(covariance)
        rest = len(values) - latent
        if rest > 0:
            values[:rest] = values[:rest].mean()
        return (vectors * np.maximum(values, FLOOR)) @ vectors.T

    return constrained


def fit_mixture(
    x: Float[np.ndarray, "n dim"],
    observed: Bool[np.ndarray, "n dim"],
    constraint: Constraint = full,
    responsibilities: Float[np.ndarray, "n component"] | None = None,
    iterations: int = 200,
    tolerance: float = 1e-2,
) -> GaussianMixture:
    r"""Maximum likelihood of the observed entries by EM: missing entries and components are the hidden variables.

    The E-step takes means and covariances of missing entries given observed ones, the M-step weighted moments, to which
    ``constraint`` is applied. It stops when the mean log-likelihood gains less than ``tolerance`` nats in an iteration.

    Args:
        x: values; those not observed may be anything, NaN too.
        observed: which entries are observed; a column of which none is has mean 0 and variance 1.
        constraint: from the covariance that EM finds to the one that is kept.
        responsibilities: start, one row per sample that sums to 1; without it there is one component.
        iterations: at most so many.
        tolerance: in nats per sample.

    Source: Dempster, Laird & Rubin (1977); Ghahramani & Jordan (1994).
    """
    x = np.where(observed, x, 0.0).astype(np.float64)
    mean, variance = moments(x, observed)
    x = np.where(observed, x - mean, 0.0)  # moments about the mean keep their digits
    start = np.ones((len(x), 1)) if responsibilities is None else responsibilities
    spread = np.broadcast_to(np.diag(variance), (start.shape[1], x.shape[1], x.shape[1]))
    model = GaussianMixture(np.full(start.shape[1], 1 / start.shape[1]), np.zeros((start.shape[1], len(mean))), spread)
    patterns, last = list(_patterns(observed)), -np.inf
    model, _ = _step(x, patterns, model, constraint, start)
    for _ in range(iterations):
        model, reached = _step(x, patterns, model, constraint)
        if reached - last < tolerance:
            break
        last = reached
    return GaussianMixture(model.weights, model.means + mean, model.covariances)


def moments(
    x: Float[np.ndarray, "n dim"], observed: Bool[np.ndarray, "n dim"]
) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, " dim"]]:
    """Mean and variance (at least ``FLOOR``) of the observed entries of every column; 0 and 1 where there is none."""
    count = observed.sum(0)
    mean = np.where(observed, x, 0.0).sum(0) / np.maximum(count, 1)
    variance = np.square(np.where(observed, x - mean, 0.0)).sum(0) / np.maximum(count, 1)
    return mean, np.where(count > 0, np.maximum(variance, FLOOR), 1.0)


def _step(
    x: np.ndarray,
    patterns: list[tuple[np.ndarray, np.ndarray]],
    model: GaussianMixture,
    constraint: Constraint,
    given: np.ndarray | None = None,
) -> tuple[GaussianMixture, float]:
    """One iteration of EM; also the mean log-likelihood before it. ``given`` stands in for the responsibilities."""
    components, dim = model.means.shape
    total, first = np.zeros(components), np.zeros((components, dim))
    second, reached = np.zeros((components, dim, dim)), 0.0
    for rows, seen in patterns:
        known = x[np.ix_(rows, seen)]
        parts = [_condition(known, model.means[k], model.covariances[k], seen) for k in range(components)]
        joint = np.log(model.weights)[:, None] + [part[0] for part in parts]
        evidence = logsumexp(joint, axis=0)
        reached += evidence.sum()
        share = np.exp(joint - evidence) if given is None else given[rows].T
        for k, (_, hidden, covariance) in enumerate(parts):
            filled = x[rows].copy()
            filled[:, ~seen] = hidden
            total[k] += share[k].sum()
            first[k] += share[k] @ filled
            second[k] += (share[k][:, None] * filled).T @ filled
            second[k][np.ix_(~seen, ~seen)] += share[k].sum() * covariance
    used = np.maximum(total, FLOOR)  # a component without samples keeps a weight above zero
    means = first / used[:, None]
    scatter = second / used[:, None, None] - means[:, :, None] * means[:, None, :]
    covariances = [constraint(matrix) for matrix in (scatter + scatter.swapaxes(1, 2)) / 2]  # exactly symmetric
    return GaussianMixture(used / used.sum(), means, np.stack(covariances)), reached / len(x)


def _condition(
    x: Float[np.ndarray, "n seen"],
    mean: Float[np.ndarray, " dim"],
    covariance: Float[np.ndarray, "dim dim"],
    seen: Bool[np.ndarray, " dim"],
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n hidden"], Float[np.ndarray, "hidden hidden"]]:
    """log N of the entries seen, and mean and covariance of the others given them."""
    factor = cho_factor(covariance[np.ix_(seen, seen)], lower=True)
    residual = x - mean[seen]
    white = solve_triangular(factor[0], residual.T, lower=True)
    log_det = 2 * np.log(factor[0].diagonal()).sum()
    evidence = -0.5 * (seen.sum() * LOG_2PI + log_det + (white**2).sum(0))
    cross = covariance[np.ix_(seen, ~seen)]
    gain = cho_solve(factor, cross)
    hidden = covariance[np.ix_(~seen, ~seen)] - cross.T @ gain
    return evidence, mean[~seen] + residual @ gain, hidden


def _patterns(observed: Bool[np.ndarray, "n dim"]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that have the same entries observed, and which these are."""
    distinct, which = np.unique(observed, axis=0, return_inverse=True)
    for index, seen in enumerate(distinct):
        yield np.flatnonzero(which.reshape(-1) == index), seen
