"""Tables and figures of the identifiable experiments on made-up results."""

import numpy as np
import pandas as pd
import pytest
from report.identifiable import ceiling_of, points_of, write_ceiling
from report.identifiable import write_cells as write_identifiable
from report.test_tables import cells, latex

from pimvae.claims.selection import select
from pimvae.claims.statistics import format_estimate, format_number, mean_interval
from pimvae.errors import UserError
from pimvae.registry import lookup
from pimvae.report.figures._examples import read_examples
from pimvae.report.figures.f3_bimodal import ARRAYS
from pimvae.results import collect
from pimvae.results.files import Results

TABLES = {
    "t3_bimodal": ("bimodal", "clusters", [("llh", "all", 1), ("ceiling_gap", "all", 1), ("mcc_strong_mean", "all", 1),
                                           ("mcc_strong_mean", "all", 0.1), ("accuracy", "vector", 1)]),
    "t4_multimodal": ("multimodal", "complete", [(name, "all", 1) for name in (
        "llh", "ceiling_gap", "mcc_strong_mean", "mcc_weak_mean", "cluster_accuracy")]),
    "t5_missing": ("multimodal", "half", [(name, "all", 1) for name in (
        "llh", "ceiling_gap", "mcc_strong_mean", "mcc_weak_mean", "cluster_accuracy")]),
}  # fmt: skip
PERCENT = {"accuracy", "cluster_accuracy"}


def plain(shown: str) -> str:
    """A cell without its mark."""
    for mark in (r"\best{", r"\tie{"):
        if shown.startswith(mark):
            return shown.removeprefix(mark)[:-1]
    return shown


def replaced(results: Results, metrics: pd.DataFrame) -> Results:
    return Results(metrics, results.runs, results.history, results.settings, results.folder)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("prior", ["standard", "mixture"])
def test_every_cell_comes_from_held_out_rows(results, name, prior):
    experiment, dataset, measures = TABLES[name]
    text = latex(name, results)
    panel = {"standard": "fixed prior", "mixture": "learned prior"}[prior]
    for label, aggregator in (("MoE", "moe"), ("SelfAttention", "self_attention")):
        shown = cells(text, panel, label)
        assert len(shown) == 10
        for index, (objective, (metric, subset, beta)) in enumerate(
            [(objective, measure) for objective in ("masked", "mixture") for measure in measures]
        ):
            where = {"experiment": experiment, "dataset": dataset, "aggregator": aggregator, "prior": prior,
                     "beta": beta, "objective": objective, "split": "test", "metric": metric,
                     "subset": subset}  # fmt: skip
            values = select(results.metrics, where)["value"] * (100 if metric in PERCENT else 1)
            if metric == "cluster_accuracy" and prior == "standard":
                assert shown[index] == "--"
                continue
            assert len(values) == 3
            estimate = mean_interval(values.tolist())
            expected = format_number(estimate.mean, 4) if metric == "llh" else format_estimate(estimate)
            assert plain(shown[index]) == expected


def test_the_gap_is_paired_with_the_true_model_of_the_seed(results):
    rows = select(results.metrics, {"dataset": "half", "aggregator": "moe", "objective": "masked", "prior": "standard"})
    llh, gap = (rows[rows["metric"] == name].set_index("seed")["value"] for name in ("llh", "ceiling_gap"))
    assert len(gap) == 3
    for seed in gap.index:
        assert gap[seed] == pytest.approx(ceiling_of(seed) - llh[seed])


@pytest.mark.parametrize("name", TABLES)
def test_the_true_model_has_a_row_without_marks(results, name):
    shown = cells(latex(name, results), None, "true model")
    mean = format_number(np.mean([ceiling_of(seed) for seed in range(3)]), 4)
    assert shown == [mean, "", "", "", "", mean, "", "", "", ""]


def test_the_best_value_is_marked_once_over_both_priors(results):
    text = latex("t4_multimodal", results)
    assert text.count(r"\best") == 10
    best = cells(text, "learned prior", "SumPoolingMixture")
    assert [shown.startswith(r"\best") for shown in best[:4]] == [True] * 4
    fixed = text.split(r"\emph{fixed prior}")[1].split(r"\emph{learned prior}")[0]
    assert r"\best" not in fixed


def test_pairing_by_seed_marks_ties(results):
    """SelfAttention at the values of the best, moved to and fro: a tie in this column, which it was not before."""
    key = {"dataset": "complete", "objective": "masked", "prior": "mixture", "subset": "all",
           "metric": "mcc_strong_mean"}  # fmt: skip
    metrics = results.metrics.copy()
    best = select(metrics, {**key, "aggregator": "sum_pooling_mixture"}).sort_values("seed")["value"].to_numpy()
    other = select(metrics, {**key, "aggregator": "self_attention"}).sort_values("seed")
    metrics.loc[other.index, "value"] = best - [0.01, -0.009, 0.0]
    before, after = (cells(latex("t4_multimodal", each), "learned prior", "SelfAttention")
                     for each in (results, replaced(results, metrics)))  # fmt: skip
    marks = (r"\tie", r"\best")  # bold if both read alike
    assert not before[2].startswith(marks) and after[2].startswith(marks)


def test_a_diverged_replica_is_left_out_and_counted(results):
    metrics = results.metrics.copy()
    cell = {"dataset": "clusters", "aggregator": "moe", "objective": "masked", "prior": "mixture", "seed": 1, "beta": 1}
    bad = select(metrics, cell)
    metrics.loc[bad.index[bad["metric"] == "diverged"], "value"] = 1.0
    text = latex("t3_bimodal", replaced(results, metrics))
    row = cells(text, "learned prior", "MoE")
    assert [r"\diverged{1}" in shown for shown in row] == [True, True, True, False, True] + [False] * 5
    assert "diverged" not in "".join(cells(text, "fixed prior", "MoE"))


def test_ceilings_are_no_replicas_and_are_refused_twice(tmp_path):
    folders, ceilings = write_identifiable(tmp_path, range(1))
    with pytest.raises(UserError, match="occurs twice"):
        collect.run(folders, tmp_path, [*ceilings, ceilings[0]])
    with pytest.raises(UserError, match="does not exist"):
        collect.run(folders, tmp_path, [tmp_path / "nowhere.csv"])
    broken = write_ceiling(tmp_path / "broken.csv", "clusters", range(1))
    pd.read_csv(broken).drop(columns="prior").to_csv(broken, index=False)
    with pytest.raises(UserError, match="lacks the column"):
        collect.run(folders, tmp_path, [broken])


def test_points_are_those_of_one_seed_in_the_spread_of_the_truth(results):
    table = lookup("report.figures", "f3_bimodal").data(results)
    assert set(table["seed"]) == {0}
    cells_shown = table.loc[table["kind"] == "inferred", ["aggregator", "objective", "prior"]].drop_duplicates()
    assert len(cells_shown) == 20
    true = table[table["kind"] == "latents"]
    for _, part in table[table["kind"] == "inferred"].groupby(["aggregator", "objective", "prior"]):
        for name in ("first", "second"):
            assert part[name].mean() == pytest.approx(true[name].mean(), abs=1e-3)
            assert part[name].std() == pytest.approx(true[name].std(), abs=1e-3)
        assert part["mcc"].iloc[0] == part["mcc"].iloc[-1] > 0


def test_all_panels_of_points_have_equal_axes(results):
    drawing = lookup("report.figures", "f3_bimodal")
    drawn = drawing.plot(drawing.data(results))
    panels = [axes for axes in drawn.axes if axes.collections]
    assert len(panels) == 2 + 40
    width, height = drawn.get_size_inches()
    for axes in panels:
        box = axes.get_position()
        assert box.width * width == pytest.approx(box.height * height)
        assert np.ptp(axes.get_xlim()) == pytest.approx(np.ptp(axes.get_ylim()))
    assert len({axes.get_xlim() for axes in panels}) == 2  # one for latents, one for vectors


def test_cells_that_diverged_are_named_where_points_would_be(tmp_path):
    folders, ceilings = write_identifiable(tmp_path)
    name = "clusters-moe-masked"
    np.savez(tmp_path / "bimodal" / name / "examples.npz")  # what the evaluation leaves: nothing
    points_of(tmp_path / "bimodal" / "clusters-poe-mixture" / "examples.npz", seed=1)  # seed 0 diverged there
    collect.run(folders, tmp_path, ceilings)
    drawing = lookup("report.figures", "f3_bimodal")
    drawn = drawing.plot(drawing.data(Results.load(tmp_path)))
    assert sum(text.get_text() == "diverged" for axes in drawn.axes for text in axes.texts) == 4


def test_damaged_points_are_a_user_error(tmp_path):
    path = tmp_path / "examples.npz"
    np.savez(path, seed=np.array(0), labels=np.zeros(5))
    with pytest.raises(UserError, match="cannot be read"):
        read_examples(path, ARRAYS)


def test_recovery_by_number_of_views(results):
    table = lookup("report.figures", "f4_recovery").data(results)
    codes, table = table[table["given"] == 0], table[table["given"] > 0]
    assert set(codes["aggregator"]) == {"linear_mix", "label_code"} and codes["mean"].between(0.6, 0.67).all()
    assert set(table.loc[table["dataset"] == "complete", "given"]) == {1, 2, 3, 4, 5}
    assert set(table.loc[table["dataset"] == "half", "given"]) == {1, 2, 3, 4}
    row = select(table, {"dataset": "half", "aggregator": "poe", "objective": "masked", "given": 2}).iloc[0]
    where = {"dataset": "half", "aggregator": "poe", "objective": "masked", "subset": "size2"}
    estimate = mean_interval(select(results.metrics, where)["value"].tolist())
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((estimate.mean, estimate.low, estimate.high))
    assert (table["low"] >= 0).all() and (table["high"] <= 1).all()


def test_training_curves_are_measured_from_the_true_model(results):
    """The made-up losses are −ℓ* + level + 50/step."""
    table = lookup("report.figures", "f8_bimodal").data(results)
    row = select(table, {"aggregator": "poe", "objective": "masked", "step": 100}).iloc[0]
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((6.5, 6.5, 6.5))
    assert set(table["prior"]) == {"standard", "mixture"}
