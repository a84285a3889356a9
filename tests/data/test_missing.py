"""The law of missingness: its exact share, at least one modality per sample, no modality preferred."""

import numpy as np
import pytest

from pimvae.data._missing import draw_mask
from pimvae.data._published import published_mask
from pimvae.errors import UserError


@pytest.mark.parametrize("modalities", [1, 2, 5, 32])
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.5, 0.8])
def test_share_is_exact_and_no_sample_is_empty(modalities: int, rate: float) -> None:
    n = 997
    rate = min(rate, 1 - 1 / modalities)
    mask = draw_mask(np.random.default_rng(0), n, modalities, rate)
    assert mask.shape == (n, modalities)
    assert mask.any(axis=1).all()
    assert abs(mask.mean() - (1 - rate)) <= 0.5 / mask.size + 1e-12


def test_nothing_is_missing_at_rate_zero() -> None:
    assert draw_mask(np.random.default_rng(0), 100, 5, 0.0).all()


def test_smallest_share_keeps_exactly_one() -> None:
    assert (draw_mask(np.random.default_rng(0), 100, 4, 0.75).sum(axis=1) == 1).all()


def test_modalities_are_exchangeable() -> None:
    n = 40_000
    mask = draw_mask(np.random.default_rng(0), n, 5, 0.5)
    # Beside the sure one, each of the other four is kept with probability 1.5/4.
    sizes = np.bincount(mask.sum(axis=1), minlength=6) / n
    p = 1.5 / 4
    binomial = np.array([0, (1 - p) ** 4, 4 * p * (1 - p) ** 3, 6 * p**2 * (1 - p) ** 2, 4 * p**3 * (1 - p), p**4])
    np.testing.assert_allclose(sizes, binomial, atol=5 * 0.5 / np.sqrt(n))
    np.testing.assert_allclose(mask.mean(axis=0), 0.5, atol=5 * 0.5 / np.sqrt(n))


def test_impossible_rate_is_refused() -> None:
    with pytest.raises(UserError, match=r"at most 0\.5"):
        draw_mask(np.random.default_rng(0), 10, 2, 0.6)


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_published_mask(rate: float) -> None:
    mask = published_mask(np.random.RandomState(2), 5000, 4, rate)
    assert mask.any(axis=1).all()
    assert abs(mask.mean() - (1 - rate)) < 0.005
