"""Gaussians and mixtures fitted by EM, held against closed forms and against direct maximisation."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA

from pimvae.evaluation.gaussian_em import FLOOR, GaussianMixture, fit_mixture, moments, probabilistic_pca


def correlated(n: int, dim: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return 3 + generator.standard_normal((n, dim)) @ generator.standard_normal((dim, dim))


def test_one_gaussian_on_complete_data_is_the_closed_form():
    x = correlated(50, 4)
    found = fit_mixture(x, np.ones_like(x, dtype=bool))
    assert found.means[0] == pytest.approx(x.mean(0), abs=1e-12)
    assert found.covariances[0] == pytest.approx(np.cov(x.T, bias=True) + FLOOR * np.eye(4), abs=1e-10)
    exact = multivariate_normal(found.means[0], found.covariances[0]).logpdf(x)
    assert found.log_likelihood(x, np.ones_like(x, dtype=bool)) == pytest.approx(exact, abs=1e-9)


def test_missing_entries_are_integrated_out_by_the_fit():
    x = correlated(40, 2, seed=1)
    observed = np.ones_like(x, dtype=bool)
    observed[:12, 0], observed[12:20, 1] = False, False
    hidden = np.where(observed, x, np.nan)
    found = fit_mixture(hidden, observed, iterations=5000, tolerance=1e-13)

    def loss(parameters: np.ndarray) -> float:
        factor = np.array([[np.exp(parameters[2]), 0], [parameters[3], np.exp(parameters[4])]])
        return -direct(x, observed, parameters[:2], factor @ factor.T)

    bounds = [(None, None), (None, None), (-2, 3), (-9, 9), (-2, 3)]
    best = minimize(loss, np.zeros(5), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-7})
    reached = found.log_likelihood(hidden, observed).sum()
    assert reached == pytest.approx(-best.fun, abs=1e-4)
    assert found.means[0] == pytest.approx(best.x[:2], abs=1e-2)


def direct(x: np.ndarray, observed: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> float:
    """Log-likelihood of two dimensions, sample by sample."""
    total = 0.0
    for row, seen in zip(x, observed, strict=True):
        total += multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]).logpdf(row[seen])
    return total


@pytest.mark.parametrize("latent", [1, 2, 4])
def test_probabilistic_pca_is_that_of_scikit_learn(latent):
    x = correlated(300, 5, seed=2)
    found = fit_mixture(x, np.ones_like(x, dtype=bool), probabilistic_pca(latent))
    library = PCA(latent).fit(x).get_covariance() * 299 / 300  # which divides by n − 1
    assert found.covariances[0] == pytest.approx(library, rel=1e-9)


def test_probabilistic_pca_with_missing_entries_never_loses_likelihood():
    x = correlated(80, 4, seed=3)
    observed = np.random.default_rng(0).random(x.shape) < 0.6
    observed[~observed.any(1), 0] = True
    reached = [
        fit_mixture(x, observed, probabilistic_pca(2), iterations=n, tolerance=-np.inf)
        .log_likelihood(x, observed)
        .mean()
        for n in range(0, 40, 4)
    ]
    assert (np.diff(reached) >= -1e-10).all()
    assert reached[-1] > reached[0] + 0.01


def test_a_mixture_is_the_log_of_a_sum():
    weights, means = np.array([0.3, 0.7]), np.array([[0.0, 1.0], [2.0, -1.0]])
    covariances = np.array([[[1.0, 0.3], [0.3, 2.0]], [[0.5, 0.0], [0.0, 0.1]]])
    x = correlated(9, 2, seed=4)
    parts = [
        np.log(w) + multivariate_normal(m, s).logpdf(x) for w, m, s in zip(weights, means, covariances, strict=True)
    ]
    found = GaussianMixture(weights, means, covariances).log_likelihood(x, np.ones_like(x, dtype=bool))
    assert found == pytest.approx(logsumexp(parts, axis=0), abs=1e-10)


def test_separate_clusters_are_found_from_responsibilities():
    generator = np.random.default_rng(5)
    labels = np.repeat([0, 1], [60, 40])
    x = generator.standard_normal((100, 2)) + 50 * labels[:, None]
    found = fit_mixture(x, np.ones_like(x, dtype=bool), responsibilities=np.eye(2)[labels])
    assert found.weights == pytest.approx([0.6, 0.4], abs=1e-9)
    assert found.means == pytest.approx(np.stack([x[labels == c].mean(0) for c in (0, 1)]), abs=1e-9)


def test_constant_and_unseen_columns_stay_finite():
    x = correlated(30, 3, seed=6)
    x[:, 0] = 2.5
    observed = np.ones_like(x, dtype=bool)
    observed[:, 2] = False
    mean, variance = moments(x, observed)
    assert (mean[0], mean[2]) == (pytest.approx(2.5), 0) and (variance[0], variance[2]) == (FLOOR, 1)
    for constraint in ({}, {"constraint": probabilistic_pca(1)}):
        found = fit_mixture(x, observed, **constraint)
        assert np.isfinite(found.log_likelihood(x, observed)).all()


def test_an_empty_component_does_not_break_the_others():
    x = correlated(30, 2, seed=7)
    start = np.zeros((30, 2))
    start[:, 0] = 1
    found = fit_mixture(x, np.ones_like(x, dtype=bool), responsibilities=start)
    one = fit_mixture(x, np.ones_like(x, dtype=bool))
    assert found.log_likelihood(x, x == x) == pytest.approx(one.log_likelihood(x, x == x), abs=1e-5)
