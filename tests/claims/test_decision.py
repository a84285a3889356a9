"""Error rates of intervals and joint verdicts, by simulation, and Holm's method by hand."""

import math

import numpy as np
import pytest

from pimvae.claims.decision import decide, holm, improvement, interquartile_mean, verdict_of
from pimvae.claims.statistics import mean_interval


@pytest.mark.parametrize(
    ("low", "high", "relevant", "verdict"),
    [
        (0.1, 0.2, 0.0, "holds"),
        (0.1, 0.2, 0.15, "undecided"),
        (-0.2, -0.1, 0.5, "refuted"),
        (-0.01, 0.02, 0.05, "negligible"),
        (-0.01, 0.02, 0.0, "undecided"),
        (math.nan, math.nan, 0.05, "undecided"),
    ],
)
def test_rule_of_one_interval(low, high, relevant, verdict):
    assert verdict_of(low, high, relevant) == verdict


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, math.nan]) == pytest.approx([1.0, 1.0])


def test_robust_summaries_by_hand():
    assert interquartile_mean([0.0, 1.0, 2.0, 100.0]) == 1.5
    assert improvement([1.0, -1.0, 0.0, 2.0]) == 0.625


@pytest.mark.parametrize("seeds", [3, 5, 8])
@pytest.mark.parametrize("tails", ["normal", "t3"])
def test_coverage_of_the_interval(seeds, tails):
    generator = np.random.default_rng(seeds)
    size = (2000, seeds)
    draws = generator.standard_normal(size) if tails == "normal" else generator.standard_t(3, size)
    estimates = [mean_interval(row) for row in draws.tolist()]
    covered = np.mean([estimate.low <= 0 <= estimate.high for estimate in estimates])
    assert 0.93 <= covered <= (0.97 if tails == "normal" else 0.99)


@pytest.mark.parametrize(("quantifier", "count"), [("every", 1), ("every", 4), ("some", 4), ("average", 1)])
@pytest.mark.parametrize("failed", [0.0, 0.12])
def test_false_holds_without_an_effect(quantifier, count, failed):
    """At most 2.5 % (three standard errors of 800 draws allowed), also where replicas are missing."""
    generator = np.random.default_rng(7)
    wrong = 0
    for draws in generator.standard_normal((800, count, 5)):
        kept = [row[generator.random(5) >= failed].tolist() for row in draws]
        wrong += decide(kept, quantifier) == "holds"
    assert wrong / 800 <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 800)


def test_joint_verdicts():
    good, bad, small = [1.0, 1.1, 0.9], [-1.0, -1.1, -0.9], [0.01, -0.01, 0.0]
    assert decide([good, good], "every", 0.5) == "holds"
    assert decide([good, bad], "every") == "refuted"
    assert decide([good, small], "every", 0.5) == "negligible"
    assert decide([bad, small], "some", 0.5) == "negligible"
    assert decide([bad, good], "some") == "holds"
    assert decide([], "every") == "not run"
