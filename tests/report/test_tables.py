import re

import pytest

from pimvae.claims.selection import select
from pimvae.claims.statistics import format_estimate, mean_interval
from pimvae.registry import lookup, names
from pimvae.report import job
from pimvae.report.tables._layout import cell, escape
from pimvae.report.tables.t1_dense_digits import table_dense_digits
from pimvae.report.tables.t2_sparse import table_sparse


def cells(text: str, panel: str | None, row: str) -> list[str]:
    """The cells of one row, of the panel with that title."""
    part = text.split(rf"\emph{{{panel}}}")[1] if panel else text
    line = next(line for line in part.splitlines() if line.startswith(f"{row} &"))
    return [piece.strip() for piece in line.removesuffix(r"\\").split("&")[1:]]


@pytest.mark.parametrize("objective", ["masked", "mixture"])
@pytest.mark.parametrize("dataset", ["dense", "digits"])
def test_every_cell_comes_from_metric_rows(results, dataset, objective):
    text = table_dense_digits(results)
    measures = [("llh_gap", "all", 100), ("bound_gap", "average", 1), ("kl_posterior", "unimodal", 1),
                ("kl_posterior", "all", 1)]  # fmt: skip
    for label, name in (("PoE", "poe"), ("MoE", "moe"), ("SelfAttention", "self_attention")):
        found = cells(text, dataset, label)[4 * (objective == "mixture") :]
        for shown, (metric, subset, factor) in zip(found, measures, strict=False):
            rows = select(results.metrics, {"dataset": dataset, "aggregator": name, "objective": objective,
                                            "metric": metric, "subset": subset})  # fmt: skip
            assert len(rows) == 3
            assert shown == format_estimate(mean_interval((rows["value"] * factor).tolist()))


def test_the_best_is_bold_once_per_column(results):
    text = table_dense_digits(results)
    for dataset in ("dense", "digits"):
        assert all(re.fullmatch(r"\\best\{.*\}", shown) for shown in cells(text, dataset, "SumPooling"))
    assert text.count(r"\best") == 16


def test_bold_moves_with_the_values(results):
    metrics = results.metrics.copy()
    better = (metrics["dataset"] == "dense") & (metrics["aggregator"] == "moe") & (metrics["metric"] == "llh_gap")
    metrics.loc[better, "value"] = 1e-9
    text = table_dense_digits(type(results)(metrics, results.runs, results.history, results.settings, results.folder))
    assert [shown.startswith(r"\best") for shown in cells(text, "dense", "MoE")] == [True, False, False, False] * 2
    assert not cells(text, "dense", "SumPooling")[0].startswith(r"\best")


def test_diverged_replicas_are_shown(results):
    row = cells(table_sparse(results), None, "MoE")
    assert all(r"\diverged{1}" in shown for shown in row[4:])
    assert not any("diverged" in shown for shown in row[:4])
    assert cell([], 3, "") == r"\diverged{3}"


def test_private_models_have_their_rows(results):
    text = table_sparse(results)
    assert [cells(text, None, f"{name} (private)") != [] for name in ("PoE", "SumPooling", "SelfAttention")] == [
        True
    ] * 3


def test_every_table_is_one_balanced_tabular(folder, tmp_path):
    written = job.tables(folder, tmp_path)
    assert {path.stem for path in written} == set(names("report.tables"))
    for path in written:
        text = path.read_text()
        assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
        assert text.count("{") == text.count("}")
        rows = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        assert len({line.count(" & ") for line in rows if " & " in line}) <= 2
        assert "nan" not in text


def test_a_table_without_rows_says_so(results):
    empty = type(results)(*(getattr(results, name)[:0] for name in ("metrics", "runs", "history", "settings")),
                          results.folder)  # fmt: skip
    for name in set(names("report.tables")) - job.CLAIM_ENTRIES:
        assert "not run" in lookup("report.tables", name)(empty)


def test_text_is_escaped():
    assert escape("a_b & 5%") == r"a\_b \& 5\%"
