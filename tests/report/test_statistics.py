import math

import numpy as np
import pytest
from scipy.stats import t as student

from pimvae.claims.statistics import (
    Estimate,
    best_and_ties,
    format_estimate,
    format_number,
    mean_interval,
    paired_difference,
    welch_mean,
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
    assert best_and_ties({"a": a, "b": b}, "lower") == {"a": "best", "b": ""}


def test_marks_by_direction():
    columns = {"a": {0: 1.0, 1: 2.0, 2: 3.0}, "b": {0: 1.1, 1: 1.9, 2: 3.1}, "c": {0: 9.0, 1: 10.0, 2: 11.0}, "d": {}}
    assert best_and_ties(columns, "lower") == {"a": "best", "b": "tie", "c": "", "d": ""}
    assert best_and_ties(columns, "higher")["c"] == "best"
    assert set(best_and_ties(columns, "neither").values()) == {""}


def test_one_seed_marks_only_the_best():
    assert best_and_ties({"a": {0: 1.0}, "b": {0: 2.0}}, "lower") == {"a": "best", "b": ""}


def test_welch_mean_by_hand():
    """Mean of the two means; variance (1/3 + 4/4)/4; degrees of freedom (4/3)² / ((1/3)²/2 + 1²/3)."""
    found = welch_mean([[0.0, 1.0, 2.0], [10.0, 14.0, 10.0, 14.0]])
    spread = (1 / 3, np.var([10.0, 14.0, 10.0, 14.0], ddof=1) / 4)
    freedom = sum(spread) ** 2 / (spread[0] ** 2 / 2 + spread[1] ** 2 / 3)
    assert found.mean == 6.5
    assert found.half == pytest.approx(student.ppf(0.975, freedom) * math.sqrt(sum(spread)) / 2)


def test_welch_mean_of_one_sample_is_students():
    values = [1.0, 2.0, 4.0]
    assert welch_mean([values]).half == pytest.approx(mean_interval(values).half)
    assert math.isnan(welch_mean([[1.0], [2.0, 3.0]]).half) and math.isnan(welch_mean([]).mean)


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
