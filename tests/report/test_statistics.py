import math

import numpy as np
import pytest

from pimvae.claims.statistics import (
    Estimate,
    bootstrap_mean,
    format_estimate,
    format_number,
    marks,
    mean_interval,
    paired_difference,
    stratified_bootstrap,
)


def test_interval_by_hand():
    # mean 2, s = 1, n = 3, t_2(0.975) = 4.30265: half = 4.30265 / sqrt(3)
    found = mean_interval([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert found.half == pytest.approx(2.484138, abs=1e-5)
    assert (found.low, found.high) == (found.mean - found.half, found.mean + found.half)


def test_one_seed_has_no_interval_and_none_no_mean():
    assert math.isnan(mean_interval([5.0]).half) and mean_interval([5.0]).mean == 5
    assert math.isnan(mean_interval([]).mean)


def test_pairing_uses_the_seeds_that_both_have():
    found = paired_difference({0: 5.0, 1: 7.0, 2: 100.0}, {0: 4.0, 1: 5.0, 3: 0.0})
    assert (found.mean, found.count) == (1.5, 2)


def test_pairing_sees_what_unpaired_means_hide():
    """Seeds that differ by 100, a constant difference of 1: a tie without pairing, none with it."""
    a = {seed: 100.0 * seed for seed in range(4)}
    b = {seed: value + 1 + 0.01 * seed for seed, value in a.items()}
    assert marks({"a": a, "b": b}, "lower") == {"a": "best", "b": ""}


def test_marks_by_direction():
    columns = {"a": {0: 1.0, 1: 2.0, 2: 3.0}, "b": {0: 1.1, 1: 1.9, 2: 3.1}, "c": {0: 9.0, 1: 10.0, 2: 11.0}, "d": {}}
    assert marks(columns, "lower") == {"a": "best", "b": "tie", "c": "", "d": ""}
    assert marks(columns, "higher")["c"] == "best"
    assert set(marks(columns, "neither").values()) == {""}


def test_one_seed_marks_only_the_best():
    assert marks({"a": {0: 1.0}, "b": {0: 2.0}}, "lower") == {"a": "best", "b": ""}


def test_bootstrap_of_constant_strata_has_no_spread():
    assert bootstrap_mean([[1.0, 1.0], [3.0, 3.0]]) == (2.0, 2.0, 2.0)


def test_bootstrap_spread_is_that_of_the_mean():
    """Widened by √(n/(n−1)), the bootstrap variance of a mean over strata is Σ s²/n / strata², s² unbiased."""
    strata = [[0.0, 1.0, 5.0], [2.0, 2.5, 4.0]]
    draws = stratified_bootstrap(strata, resamples=200_000)
    expected = sum(np.var(values, ddof=1) / 3 for values in strata) / 4
    assert draws.var() == pytest.approx(expected, rel=0.02)
    assert draws.mean() == pytest.approx(np.mean(strata), abs=0.01)


@pytest.mark.parametrize(("strata", "seeds"), [(1, 2), (1, 3), (3, 3), (5, 5)])
def test_bootstrap_interval_covers_the_truth(strata, seeds):
    """About 95% of intervals hold the true mean, also for few seeds (percentiles alone: 61% for 2, 85% for 3)."""
    draws = np.random.default_rng(0).standard_normal((1000, strata, seeds)) * np.arange(1, strata + 1)[:, None]
    ends = [bootstrap_mean(values, resamples=300)[1:] for values in draws.tolist()]
    coverage = np.mean([low <= 0 <= high for low, high in ends])
    assert 0.91 <= coverage <= 0.985


def test_weights_of_strata():
    """By hand: mean Σ w m, and the spread of each stratum counts by its weight."""
    strata = [[0.0, 1.0, 2.0], [10.0, 10.0, 10.0]]
    mean, low, high = bootstrap_mean(strata, weights=[3.0, 1.0])
    alone = bootstrap_mean(strata[:1])
    assert mean == pytest.approx(0.75 * 1 + 0.25 * 10)
    assert (low - mean, high - mean) == pytest.approx([0.75 * (end - alone[0]) for end in alone[1:]], rel=0.05)


def test_bootstrap_without_repeats_has_no_interval():
    mean, low, high = bootstrap_mean([[1.0], [2.0]])
    assert mean == 1.5 and math.isnan(low) and math.isnan(high)


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [
        (12.3456, 0.24, r"12.3\pmhalf{0.2}"),
        (12.3456, 0.14, r"12.35\pmhalf{0.14}"),
        (0.00234, 0.0004, r"0.0023\pmhalf{0.0004}"),
        (-1234.5, 56.0, r"\ensuremath{-}1230\pmhalf{60}"),
        (0.001, 3.0, r"0\pmhalf{3}"),
        (5.0, math.nan, "5.00"),
        (math.nan, 1.0, "--"),
        (1234567.0, 20000.0, r"(1.23\pmhalf{0.02})\ensuremath{\cdot 10^{6}}"),
    ],
)
def test_digits_follow_the_interval(mean, half, text):
    assert format_estimate(Estimate(mean, half, 3)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (2.5, "2.50"), (0.012345, "0.0123"), (98765.0, "98765"), (1.5e-7, r"\ensuremath{1.50\cdot 10^{-7}}")],
)
def test_plain_numbers(value, text):
    assert format_number(value) == text


def test_equal_values_have_no_interval_made_of_rounding():
    assert format_estimate(Estimate(90.6, 3e-14, 3)) == "90.60"
    assert format_estimate(Estimate(90.6, 3e-9, 3)) != "90.60"
