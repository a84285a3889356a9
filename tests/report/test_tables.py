import csv
import io
import re

import pytest

from pimvae.claims.selection import select
from pimvae.claims.statistics import format_estimate, mean_interval
from pimvae.registry import lookup, names
from pimvae.report import job
from pimvae.report.latex import escape
from pimvae.report.table import Part, Table, grouped_headings
from pimvae.report.tables._cells import cell
from pimvae.results.files import Results


def latex(name: str, results: Results) -> str:
    """A table of the paper."""
    return lookup("report.tables", name)(results).to_latex()


def cells(text: str, panel: str | None, row: str) -> list[str]:
    """The cells of one row, of the panel with that title."""
    part = text.split(rf"\emph{{{panel}}}")[1] if panel else text
    line = next(line for line in part.splitlines() if line.startswith(f"{row} &"))
    return [piece.strip() for piece in line.removesuffix(r"\\").split("&")[1:]]


@pytest.mark.parametrize("objective", ["masked", "mixture"])
@pytest.mark.parametrize("dataset", ["dense", "digits"])
def test_every_cell_comes_from_metric_rows(results, dataset, objective):
    text = latex("t1_dense_digits", results)
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
    text = latex("t1_dense_digits", results)
    for dataset in ("dense", "digits"):
        assert all(re.fullmatch(r"\\best\{.*\}", shown) for shown in cells(text, dataset, "SumPooling"))
    assert text.count(r"\best") == 16


def test_bold_moves_with_the_values(results):
    metrics = results.metrics.copy()
    better = (metrics["dataset"] == "dense") & (metrics["aggregator"] == "moe") & (metrics["metric"] == "llh_gap")
    metrics.loc[better, "value"] = 1e-9
    changed = type(results)(metrics, results.runs, results.history, results.settings, results.folder)
    text = latex("t1_dense_digits", changed)
    assert [shown.startswith(r"\best") for shown in cells(text, "dense", "MoE")] == [True, False, False, False] * 2
    assert not cells(text, "dense", "SumPooling")[0].startswith(r"\best")


def test_diverged_replicas_are_shown(results):
    row = cells(latex("t2_sparse", results), None, "MoE")
    assert all(r"\diverged{1}" in shown for shown in row[4:])
    assert not any("diverged" in shown for shown in row[:4])
    assert cell([], 3, "") == r"\diverged{3}"


def test_private_models_have_their_rows(results):
    text = latex("t2_sparse", results)
    assert [cells(text, None, f"{name} (private)") != [] for name in ("PoE", "SumPooling", "SelfAttention")] == [
        True
    ] * 3


def test_every_table_is_one_balanced_tabular(written):
    paths = sorted(written.iterdir())
    assert {path.stem for path in paths} == set(names("report.tables"))
    for path in paths:
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
        assert "not run" in latex(name, empty)


def test_text_is_escaped():
    assert escape("a_b & 5%") == r"a\_b \& 5\%"


MADE = Table(
    "lrr",
    grouped_headings([("masked bound", ["LLH gap", r"$\KL_M$"])]),
    [
        Part([["PoE", r"\best{1.2\pmhalf{3}}", "--"]], "dense & digits"),
        Part([["no latent", r"\ensuremath{-}4\,\diverged{2}", ""]]),
    ],
)


def test_a_table_is_shown_in_three_ways():
    assert MADE.to_latex().splitlines() == [
        r"\begin{tabular}{@{}lrr@{}}",
        r"\toprule",
        r" & \multicolumn{2}{c}{masked bound} \\",
        r"\cmidrule(lr){2-3}",
        r" & LLH gap & $\KL_M$ \\",
        r"\midrule",
        r"\multicolumn{3}{@{}l}{\emph{dense \& digits}} \\",
        r"PoE & \best{1.2\pmhalf{3}} & -- \\",
        r"\midrule",
        r"no latent & \ensuremath{-}4\,\diverged{2} &  \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert MADE.to_html().count("<tr") == 5 and "<strong>1.2<small> ± 3</small></strong>" in MADE.to_html()
    assert MADE.to_csv().splitlines() == [
        "part,,masked bound: LLH gap,masked bound: KLM",
        "dense & digits,PoE,1.2 ± 3,–",
        ",no latent,-4 †2,",
    ]


def test_every_table_has_its_rows_in_every_format(results):
    for name in set(names("report.tables")) - job.CLAIM_ENTRIES:
        table = lookup("report.tables", name)(results)
        rows, titles = sum(len(part.rows) for part in table.parts), sum(part.title != "" for part in table.parts)
        header, *body = csv.reader(io.StringIO(table.to_csv()))
        assert len(body) == rows > 0 and {len(row) for row in body} == {len(header)}
        assert table.to_html().partition("<tbody>")[2].count("<tr") == rows + titles


@pytest.mark.parametrize("kind", job.KINDS)
def test_tables_are_written_in_the_format_that_is_asked_for(folder, results, tmp_path, kind):
    (path,) = job.tables(folder, tmp_path, only=["t2_sparse"], kind=kind)
    assert path == tmp_path / f"t2_sparse.{kind}"
    table, text = lookup("report.tables", "t2_sparse")(results), path.read_text()
    if kind == "html":
        assert table.to_html() in text and text.startswith("<!doctype html>")
    else:
        assert text == (table.to_csv() if kind == "csv" else table.to_latex())
