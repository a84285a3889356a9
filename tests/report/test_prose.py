"""Words that depend on results: verdicts with what is not settled, exceptions, the best cells, weights of the rate."""

from dataclasses import replace

import pandas as pd
import pytest

from pimvae.claims.schema import Claim, read_claims
from pimvae.claims.verdict import Judgement
from pimvae.report import beside, prose, readme
from pimvae.report.figures.f9_claims import data, plot
from pimvae.report.tables._cells import Column, body
from pimvae.report.tables.t9_compute import _times
from pimvae.results.files import COLUMNS

CLAIM = next(claim for claim in read_claims() if claim.id == "C1a")
GROUP = {"claim": "C1a", "verdict": "undecided", "metric": "bound_gap", "subset": "average", "dataset": "dense",
         "pairs": 3, "effect": 0.0, "failed_better": 0, "failed_worse": 0}  # fmt: skip


def groups(*rows: tuple[str, float, float, str]) -> pd.DataFrame:
    return pd.DataFrame([{**GROUP, "group": name, "low": low, "high": high, "state": state}
                         for name, low, high, state in rows])  # fmt: skip


def judgement(verdict: str = "undecided", half: str | None = None, claim: Claim = CLAIM, **kept: object) -> Judgement:
    made = Judgement(claim, verdict, 0.0, -1.0, 1.0, 3, 0, kept.get("groups", groups(("MoE, dense", -1.0, 1.0, ""))),
                     pd.DataFrame())  # fmt: skip
    return made if half is None else replace(made, half=replace(made, verdict=half))


ROWS = [("PoE, dense", 1.0, 2.0, ""), ("MoE, dense", -2.0, -1.0, ""), ("MoE, dense", -1.0, 1.0, ""),
        ("SumPooling, dense", -2.0, -1.0, "untrained"), ("SelfAttention, dense", -1.0, 1.0, "")]  # fmt: skip


def test_exceptions_are_named_once_and_the_untrained_are_not_against():
    found = judgement(groups=groups(*ROWS))
    assert prose.exceptions(found, against=True) == "MoE, dense"
    assert prose.exceptions(found, against=False) == "SumPooling, dense and SelfAttention, dense"
    assert readme._exceptions(found) == "**MoE, dense**; SumPooling, dense; SelfAttention, dense"
    audited = judgement(groups=found.groups.assign(state=float("nan")))  # an audit compares verdicts
    as_claimed = set(found.groups.loc[found.groups["low"] > CLAIM.relevant, "group"])
    assert as_claimed and not as_claimed & {name for name, _ in prose.exceptional(audited)}
    audited = replace(found, groups=found.groups.assign(state=None)[:3])  # its groups have no state
    assert readme._exceptions(audited) == "**MoE, dense**" == f"**{prose.exceptions(audited, against=True)}**"
    three = groups(*[(f"{name}, dense", -1.0, 1.0, "") for name in "ABC"])
    assert prose.exceptions(judgement(groups=three), against=False) == "A, dense; B, dense and C, dense"


def test_what_is_not_settled_is_said_in_the_abstract_and_in_the_figure():
    moved = judgement(half="holds")
    assert "(\\mbox{C1a}, not settled)" in prose.verdict_summary([moved])
    assert "not settled" not in prose.verdict_summary([judgement(half="undecided")])
    table = data([moved])
    assert set(table["verdict"]) == {"undecided (not settled)"}
    (axes,) = plot(table).axes
    assert "C1a: undecided\n(not settled)" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(("high", "wide", "marks"), [(0.3, False, 0), (0.6, True, 0), (2.5, True, 1)])
def test_axes_of_relative_effects(high, wide, marks):
    """The whole range, unless all are small; an arrowhead where an interval goes on."""
    rows = groups(("PoE", -0.1, high, ""))
    (axes,) = plot(data([judgement(groups=rows)])).axes
    assert (axes.get_xlim() == (-2.15, 2.15)) == wide
    assert sum(line.get_marker() == ">" for line in axes.lines) == marks


def test_a_sentence_starts_with_a_word():
    text = prose.verdict_summary([judgement()] * 11)
    assert "11" not in text and "Of the eleven claims examined, none holds. Eleven are undecided:" in text
    assert prose.count_word(21) == "21"


def rows(values: dict[tuple[str, str], list[float]], metric: str, baseline: str = "") -> pd.DataFrame:
    """{(aggregator, objective): a value per seed} of five views."""
    found = [("multimodal", "complete", *cell, "standard", 1.0, seed, 1.0, baseline, "test", "all", metric, value)
             for cell, column in values.items() for seed, value in enumerate(column)]  # fmt: skip
    return pd.DataFrame(found, columns=COLUMNS)


CELLS = {
    ("poe", "masked"): [3.0, 3.2, 3.1],
    ("moe", "mixture"): [2.0, 2.2, 2.1],
    ("poe", "mopoe_looser"): [0.0, 0.1, 0.2],
}


def test_the_best_cell_is_one_of_the_grid():
    ((key, text),) = beside.best(rows(CELLS, "ceiling_gap"))
    assert key == "complete:ceiling_gap" and text.startswith("MoE under the mixture bound, 2.1")


def test_cells_above_a_random_code_are_counted_by_pairs():
    codes = rows({("none", "none"): [2.5, 2.6, 2.7]}, "mcc_strong_mean", "linear_mix")
    found = dict(beside.above(rows(CELLS, "mcc_strong_mean"), codes))
    assert found == {"complete:linear_mix": "one of two"}
    assert (
        dict(beside.above(rows(CELLS, "mcc_strong_mean"), codes.assign(value=9.0)))["complete:linear_mix"]
        == "none of two"
    )


def test_weights_say_which_schemes_have_which():
    one = rows(CELLS, "llh")
    assert dict(beside.weights(one)) == {"complete": "1"}
    more = pd.concat([one, one[one["aggregator"] == "poe"].assign(beta=0.1)])
    more = pd.concat([more, one[:1].assign(aggregator="classifier")])
    assert dict(beside.weights(more)) == {"complete": "0.1 and 1 (PoE); 1 (MoE)"}


def test_cells_most_of_whose_replicas_failed_are_not_ranked_and_equal_ones_share_the_bold():
    values = {
        ("poe", "masked"): [1.0, 1.1, 0.9],
        ("moe", "masked"): [1.001, 1.1, 0.901],
        ("mopoe", "masked"): [0.1] * 3,
    }
    metrics = rows(values, "ceiling_gap")
    labels = [(name, {"aggregator": name}) for name in ("poe", "moe", "mopoe")]
    columns = [Column("ceiling_gap", where={"objective": "masked"})]
    failed = metrics[metrics["aggregator"] == "mopoe"].assign(status="untrained")
    cells = [cell for _, cell in body(metrics, labels, columns, failed)]
    assert cells[0].startswith(r"\best{") and cells[1].startswith(r"\best{")
    assert cells[2] == r"0.1000\,\untrained{3}"
    assert body(metrics, labels, columns, failed[:1])[2][1].startswith(r"\best{0.1000}")


def test_times_are_those_of_one_kind_of_device():
    run = pd.DataFrame(
        {"device": ["cuda (x)", "cpu", "cpu"], "ms_per_step": [1.0, 10.0, 20.0], "seconds": [5.0, 50.0, 70.0]}
    )
    assert _times(run) == ["15.0", "60.0"]
    assert _times(run[:1]) == [r"1.00\ongpu", r"5.00\ongpu"]
