"""The statistic of ``none_best``, cross-fitted shortfalls: the rule uses them, and its error rate by simulation."""

import math

import numpy as np
import pandas as pd
import pytest

from pimvae.claims.decision import decide
from pimvae.claims.evaluate import evaluate
from pimvae.claims.schema import Claim
from pimvae.results.files import COLUMNS

SCHEMES, METRICS = ("poe", "moe", "mopoe"), ("llh", "coherence")
CLAIM = Claim(id="C9", short="s", text="t", experiment="linear", effect="difference", quantifier="none_best",
              measures=[{"metric": name, "subset": "all"} for name in METRICS])  # fmt: skip
RUNS = 600


def shortfalls(values: np.ndarray) -> np.ndarray:
    """[scheme, seed], mean over columns: how far each scheme stays below the best by the other seeds.

    values: [column, scheme, seed], higher is better.
    """
    others = (values.sum(-1, keepdims=True) - values) / (values.shape[-1] - 1)
    best = np.take_along_axis(values, others.argmax(1, keepdims=True), axis=1)
    return (best - values).mean(0)


def error_rate(means: np.ndarray, seeds: int, between: float) -> float:
    """How often "none is best" holds for schemes of these means [column, scheme], one standard deviation of noise.

    ``between`` is the standard deviation of what all schemes share at a seed.
    """
    generator = np.random.default_rng([seeds, *np.round(100 * means).astype(int).ravel() % 2**32])
    shared = between * generator.standard_normal((RUNS, len(means), 1, seeds))
    draws = means[:, :, None] + shared + generator.standard_normal((RUNS, *means.shape, seeds))
    return float(np.mean([decide(shortfalls(draw).tolist(), "none_best") == "holds" for draw in draws]))


@pytest.mark.parametrize("seed", range(5))
def test_the_rule_decides_by_these_shortfalls(seed):
    values = np.random.default_rng(seed).standard_normal((len(METRICS), len(SCHEMES), 4))
    rows = [["linear", "dense", scheme, "masked", "standard", 1.0, s, 1.0, "", "train", "all", metric, number]
            for metric, column in zip(METRICS, values, strict=True)
            for scheme, numbers in zip(SCHEMES, column, strict=True) for s, number in enumerate(numbers)]  # fmt: skip
    found = evaluate(pd.DataFrame(rows, columns=COLUMNS), [CLAIM])[0]
    effects = dict(zip(found.groups["group"], found.groups["effect"], strict=True))
    expected = shortfalls(values)
    assert [effects[name] for name in ("PoE", "MoE", "MoPoE")] == pytest.approx(expected.mean(1).tolist())
    assert found.verdict == decide(expected.tolist(), "none_best")


def test_nothing_is_best_by_itself_and_nothing_is_compared_across_data_sets():
    assert decide([[0.0, 0.0, 0.0]], "none_best") == "undecided"
    rows = [["linear", data, scheme, "masked", "standard", 1.0, s, 1.0, "", "train", "all", metric, level + value + s]
            for data, level in (("dense", -500.0), ("sparse", -2000.0)) for metric in METRICS
            for scheme, value in zip(SCHEMES, (2.0, 1.0, 0.0), strict=True) for s in range(4)]  # fmt: skip
    found = evaluate(pd.DataFrame(rows, columns=COLUMNS), [CLAIM])[0]
    assert found.groups["effect"].tolist() == pytest.approx([0.0, 0.0, 1.0, 1.0, 2.0, 2.0])


ONE_IS_BEST = {
    "all alike": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "by a little": [[0.3, 0.0, 0.0], [0.3, 0.0, 0.0]],
    "by much": [[9.0, 0.0, 0.0], [9.0, 0.0, 0.0]],
    "others take turns": [[2.0, 1.9, 0.0], [2.0, 0.0, 1.9]],
    "tied with one in each column": [[2.0, 2.0, 0.0], [2.0, 0.0, 2.0]],
    "in one column by a little": [[5.0, 0.0, 0.0], [0.1, 0.0, 0.0]],
}


@pytest.mark.parametrize("seeds", [3, 5, 8])
@pytest.mark.parametrize("means", ONE_IS_BEST.values(), ids=ONE_IS_BEST)
def test_false_holds_where_one_scheme_is_best_everywhere(means, seeds):
    """At most 2.5 %, three standard errors of the simulation allowed."""
    assert error_rate(np.array(means), seeds, 3.0) <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / RUNS)


def test_it_holds_where_each_scheme_falls_short_somewhere():
    assert error_rate(np.array([[4.0, 0.0, 2.0], [0.0, 4.0, 2.0]]), 5, 3.0) > 0.9


def test_a_scheme_that_is_best_by_much_refutes_it():
    generator = np.random.default_rng(0)
    draws = np.array(ONE_IS_BEST["by much"])[:, :, None] + generator.standard_normal((200, 2, 3, 5))
    assert {decide(shortfalls(draw).tolist(), "none_best") for draw in draws} == {"refuted"}
