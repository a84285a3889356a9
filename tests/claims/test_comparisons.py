"""Comparisons one by one: what failed, what is not trained, data sets with seeds of their own, half of the training."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from pimvae.claims.age import mark_younger
from pimvae.claims.evaluate import evaluate
from pimvae.claims.rules import record, rule_digests
from pimvae.claims.schema import Claim
from pimvae.claims.statistics import mean_interval, welch_mean
from pimvae.results.files import COLUMNS

ENTRY = {
    "id": "C9", "short": "s", "text": "t", "experiment": ["multimodal", "bimodal"], "better": {"objective": "masked"},
    "worse": {"objective": "mixture"}, "measures": [{"metric": "llh", "subset": "all"}], "effect": "difference",
}  # fmt: skip
CLEAR = [1.0, 1.1, 0.9, 1.05, 0.95]


def rows(aggregator: str, values: list[float], level: float = -100.0, metric: str = "llh",
         data: tuple[str, str] = ("multimodal", "complete"), share: float = 1.0) -> pd.DataFrame:  # fmt: skip
    """Differences masked − mixture of one aggregator, one per seed; ``level`` is the value under the mixture bound."""
    found = []
    for seed, value in enumerate(values):
        for objective, number in (("masked", level + value), ("mixture", level)):
            keys = [*data, aggregator, objective, "standard", 1.0, seed, share, "", "test", "all"]
            found += [[*keys, metric, number], [*keys, "rate", 5.0], [*keys, "diverged", 0.0]]
    return pd.DataFrame(found, columns=COLUMNS)


def baseline(level: float = -150.0, seeds: int = 5) -> pd.DataFrame:
    keys = ["multimodal", "complete", "none", "none", "none", 1.0]
    return pd.DataFrame([[*keys, seed, 1.0, "independent", "test", "all", "llh", level] for seed in range(seeds)],
                        columns=COLUMNS)  # fmt: skip


def judge(metrics: pd.DataFrame, simple: pd.DataFrame | None = None, budget: pd.DataFrame | None = None, **changes):
    return evaluate(metrics, [Claim(**{**ENTRY, **changes})], simple, budget)[0]


def test_an_untrained_cell_leaves_its_own_comparison_open_alone():
    metrics = pd.concat([rows("poe", CLEAR), rows("moe", CLEAR, level=-170.0)])
    found = judge(metrics, baseline(), quantifier="some")
    assert found.verdict == "holds"
    assert dict(zip(found.groups["group"], found.groups["state"], strict=True)) == {"PoE": "", "MoE": "untrained"}
    assert (found.as_claimed, found.names("untrained")) == (1, ["MoE"])
    assert judge(metrics, baseline()).verdict == "undecided"
    assert judge(rows("moe", CLEAR, level=-170.0), baseline(), quantifier="average").verdict == "undecided"


def test_a_single_failed_replica_is_counted_and_the_effect_is_given_with_it():
    metrics = rows("poe", CLEAR)
    worst = (metrics["objective"] == "mixture") & (metrics["seed"] == 4) & (metrics["metric"] == "llh")
    metrics.loc[worst, "value"] = -160.0
    found = judge(metrics, baseline())
    row = found.groups.iloc[0]
    assert found.verdict == "holds" and (row["failed_better"], row["failed_worse"], row["pairs"]) == (0, 1, 4)
    assert row["effect"] == pytest.approx(sum(CLEAR[:4]) / 4)
    assert row["effect_all"] == pytest.approx((sum(CLEAR[:4]) + 60.95) / 5)


def test_failures_on_the_better_side_rule_out_what_only_the_survivors_show():
    metrics = rows("poe", CLEAR)
    worst = (metrics["objective"] == "masked") & (metrics["seed"] == 4) & (metrics["metric"] == "llh")
    metrics.loc[worst, "value"] = -160.0
    found = judge(metrics, baseline())
    assert found.groups["low"][0] > 0 and found.verdict == "undecided"


def diverged(metrics: pd.DataFrame, objective: str, seeds: set[int]) -> pd.DataFrame:
    """The same with replicas of PoE that diverged: they have no value but that they did."""
    chosen = (metrics["aggregator"] == "poe") & (metrics["objective"] == objective) & metrics["seed"].isin(seeds)
    metrics = metrics.assign(value=metrics["value"].mask(chosen & (metrics["metric"] == "diverged"), 1.0))
    return metrics[~chosen | (metrics["metric"] == "diverged")]


@pytest.mark.parametrize("quantifier", ["every", "some", "average"])
@pytest.mark.parametrize("apart", [False, True])
def test_a_comparison_whose_pairs_all_diverged_does_not_vanish(quantifier, apart):
    """All replicas of one side, or those that are left on either side have no seed in common."""
    metrics = pd.concat([rows("moe", CLEAR), rows("poe", CLEAR)])
    found = diverged(metrics, "masked", {0, 1, 2} if apart else set(range(5)))
    found = diverged(found, "mixture", {3, 4}) if apart else found
    judgement = judge(found, baseline(), quantifier=quantifier)
    assert judgement.groups["group"].tolist() == ["PoE", "MoE"]
    assert judgement.groups["state"].tolist() == ["untrained", ""]
    # One of two is not the most, of which an average is taken; one that holds is enough for "some".
    assert judgement.verdict == ("holds" if quantifier == "some" else "undecided")
    against = pd.concat([rows("moe", [-one for one in CLEAR]), found[found["aggregator"] == "poe"]])
    assert judge(against, baseline(), quantifier="some").verdict == "undecided"


def test_what_is_compared_keeps_its_name_where_another_data_set_failed():
    """All of one data set below the simplest model: the sound comparisons of the other still count."""
    metrics = pd.concat([rows("poe", CLEAR, level=-300.0), rows("poe", CLEAR, data=("bimodal", "clusters"))])
    found = judge(metrics, baseline(), quantifier="some")
    assert dict(zip(found.groups["group"], found.groups["pairs"], strict=True)) == {
        "PoE, five views": 0, "PoE, vector and label": 5,
    }  # fmt: skip
    assert (found.verdict, found.pairs) == ("holds", 5)


def test_a_stratum_of_one_seed_adds_no_certainty():
    """It lies nowhere from its own mean: alone it has no interval, beside others it is left out."""

    def some(prior: str, seeds: list[int]) -> pd.DataFrame:
        metrics = rows("poe", CLEAR).assign(prior=prior)
        return metrics[metrics["seed"].isin(seeds)]

    thin = judge(pd.concat([some("standard", [0]), some("mixture", [1])]))
    assert (thin.effect, thin.verdict) == (pytest.approx((CLEAR[0] + CLEAR[1]) / 2), "undecided")
    assert np.isnan([thin.low, thin.high]).all()
    beside = judge(pd.concat([some("standard", [0, 1, 2, 3, 4]), some("mixture", [2])]))
    expected = mean_interval(CLEAR)
    assert (beside.effect, beside.low, beside.high) == pytest.approx((expected.mean, expected.low, expected.high))


def test_data_sets_keep_their_own_seeds():
    """Eight seeds of one experiment and five of the other: the mean of the two means, variances added."""
    eight = [0.3, 0.1, 0.2, 0.4, 0.3, 0.2, 0.1, 0.5]
    metrics = pd.concat([rows("poe", CLEAR), rows("poe", eight, data=("bimodal", "clusters"))])
    found, expected = judge(metrics, quantifier="average"), welch_mean([CLEAR, eight])
    assert (found.effect, found.low, found.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert found.pairs == 13


def test_a_collapsed_side_is_no_tighter_bound_and_one_above_the_likelihood_is_off_too():
    llh = rows("moe", [0.0] * 5, level=-150.0)
    llh.loc[llh["metric"] == "rate", "value"] = 0.01
    gaps = rows("moe", [-0.5] * 5, level=1.0, metric="bound_gap")
    gaps = gaps[gaps["metric"] == "bound_gap"]
    changes = {"measures": [{"metric": "bound_gap", "subset": "all"}]}
    trained = judge(pd.concat([rows("moe", CLEAR), gaps]), baseline(), **changes)
    assert trained.effect == pytest.approx(0.5)
    found = judge(pd.concat([llh, gaps]), baseline(), **changes)
    assert (found.as_claimed, found.names("collapsed"), found.verdict) == (0, ["MoE"], "undecided")
    above = rows("moe", [-0.5] * 5, level=0.0, metric="bound_gap")
    mirrored = above.assign(value=-above["value"])
    assert abs(judge(above, **changes).effect) == pytest.approx(0.5)
    assert judge(above, **changes).effect == judge(mirrored, **changes).effect


@pytest.mark.parametrize(
    ("earlier", "stated"), [([-3.0, 3.0, 0.1, -0.1, 1.0], "holds (not settled)"), (CLEAR, "holds")]
)
def test_half_of_the_training_may_say_something_else(earlier, stated):
    metrics = rows("poe", CLEAR)
    found = judge(metrics, budget=pd.concat([metrics, rows("poe", earlier, share=0.5)]))
    assert found.stated == stated and found.half.effect == pytest.approx(sum(earlier) / 5)


def test_without_rows_at_half_nothing_is_said():
    metrics = pd.concat([rows("poe", CLEAR), rows("moe", CLEAR)])
    assert judge(metrics, budget=metrics).half is None
    assert judge(metrics, budget=pd.concat([metrics, rows("poe", CLEAR, share=0.5)])).half is None


def test_half_of_the_measures_are_not_the_claim_at_half():
    """A shortfall is a mean over measures: it is another number where fewer were taken."""
    both = [{"metric": name, "subset": "all"} for name in ("llh", "coherence")]
    claim = {"measures": both, "quantifier": "none_best", "better": {}, "worse": {}}
    metrics = pd.concat(
        [rows(name, CLEAR, metric=metric) for name in ("poe", "moe") for metric in ("llh", "coherence")]
    )
    half = pd.concat([metrics, metrics[metrics["metric"] != "coherence"].assign(share=0.5)])
    assert judge(metrics, budget=half, **claim).half is None
    assert judge(metrics, budget=pd.concat([metrics, metrics.assign(share=0.5)]), **claim).half is not None


CLAIMS = """
- {id: C9, short: s, text: "a  b", experiment: multimodal, effect: difference, relevant: 0.5}
- {id: C8, short: s, text: c, experiment: multimodal, effect: difference}
"""


def test_checksums_follow_statement_and_rule_alone(tmp_path):
    path = tmp_path / "config" / "claims.yaml"
    path.parent.mkdir()
    path.write_text(CLAIMS)
    before = record(tmp_path)
    assert before["claims_sha256"] == hashlib.sha256(CLAIMS.encode()).hexdigest()
    path.write_text("# a comment" + CLAIMS.replace("a  b", "a b").replace("short: s", "short: other"))
    assert record(tmp_path)["claims"] == before["claims"] == rule_digests(path)
    path.write_text(CLAIMS.replace("0.5", "0.6"))
    changed = rule_digests(path)
    assert changed["C9"] != before["claims"]["C9"] and changed["C8"] == before["claims"]["C8"]
    assert record(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize(
    ("recorded", "younger"),
    [({"claims_sha256": "x", "claims.C9": "1"}, False), ({"claims_sha256": "x", "claims.C9": "2"}, True),
     ({"claims_sha256": "none"}, True), ({"claims_sha256": "x", "claims.C8": "1"}, True), ({}, True)],
)  # fmt: skip
def test_a_claim_that_its_run_did_not_know_is_marked(recorded, younger):
    columns = ["experiment", "key", "value"]
    settings = pd.DataFrame([["multimodal", *pair] for pair in recorded.items()], columns=columns)
    (found,) = mark_younger([judge(rows("poe", CLEAR))], settings, {"C9": "1"})
    assert found.younger is younger


def test_a_relative_effect_counts_the_noise_of_its_denominator():
    """A ratio of means: 2 where the better side is always 0, however much the other varies; else the delta method."""
    worse = [1.0, 2.0, 3.0, 4.0, 30.0]
    metrics = rows("poe", [-value for value in worse], level=0.0, metric="bound_gap")
    both = metrics["metric"] == "bound_gap"
    metrics.loc[both & (metrics["objective"] == "mixture"), "value"] = worse
    metrics.loc[both & (metrics["objective"] == "masked"), "value"] = 0.0
    changes = {"measures": [{"metric": "bound_gap", "subset": "all"}], "effect": "relative", "relevant": 0.05}
    found = judge(metrics, **changes)
    assert (found.verdict, found.effect, found.low, found.high) == ("holds", 2.0, 2.0, 2.0)
    better = np.array([0.5, 2.5, 1.0, 3.0, 9.0])
    metrics.loc[both & (metrics["objective"] == "masked"), "value"] = better
    found, total = judge(metrics, **changes), better.mean() + np.mean(worse)
    ratio = 2 * (np.mean(worse) - better.mean()) / total
    expected = mean_interval((ratio + (2 * (worse - better) - ratio * (worse + better)) / total).tolist())
    assert (found.effect, found.low, found.high) == pytest.approx((ratio, expected.low, expected.high))
    assert found.groups["improvement"].item() == 0.8  # of seeds, by the sign of their own difference


def test_pairs_with_a_collapsed_replica_do_not_enter_bound_gaps():
    """They are few: the cell counts as trained, and the others are compared."""
    gaps = rows("moe", [-0.5, -0.6, -0.4, -0.5, 0.9], level=1.0, metric="bound_gap")
    llh = rows("moe", CLEAR)
    bad = (llh["seed"] == 4) & (llh["objective"] == "mixture")
    llh.loc[bad & (llh["metric"] == "llh"), "value"] = -150.0
    llh.loc[bad & (llh["metric"] == "rate"), "value"] = 0.01
    metrics = pd.concat([llh, gaps[gaps["metric"] == "bound_gap"]])
    measures = [{"metric": "bound_gap", "subset": "all"}]
    found = judge(metrics, baseline(), measures=measures)
    assert (found.verdict, found.effect, found.pairs) == ("holds", pytest.approx(0.5), 4)
    assert judge(metrics, baseline()).pairs == 5  # likelihoods of collapsed replicas are likelihoods


def test_what_failed_on_the_other_side_refutes_nothing():
    """Survivors alone speak against the claim, and all replicas for it: neither mirror image is decided."""
    values = [-500.0] * 5, [-520.0, -520.0, -497.0, -496.0, -498.0]
    for better, worse in (values, values[::-1]):
        metrics = rows("poe", [a - b for a, b in zip(better, worse, strict=True)], level=0.0)
        for objective, numbers in (("masked", better), ("mixture", worse)):
            place = (metrics["objective"] == objective) & (metrics["metric"] == "llh")
            metrics.loc[place, "value"] = numbers
        found = judge(metrics, baseline(-515.0), relevant=1.0)
        assert found.verdict == "undecided" and found.pairs == 3
