"""Entry points of the DAG and the command line: read collected CSVs, write tables, figures, claims and macros."""

__all__ = ["KINDS", "claims", "compare", "figures", "judge", "macros", "row_of", "tables"]

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from pimvae.claims.age import mark_younger
from pimvae.claims.evaluate import evaluate
from pimvae.claims.kept import KEPT, keep, kept, key_of
from pimvae.claims.rules import rule_digests
from pimvae.claims.schema import claims_file, read_claims
from pimvae.claims.status import COLLAPSED, UNTRAINED
from pimvae.claims.verdict import Judgement
from pimvae.files import write_json
from pimvae.registry import lookup, names, summary
from pimvae.report.table import ACROSS, Table
from pimvae.results.files import Results, read_collected, read_settings, write_frame, write_text

YOUNGER = "* statement or rule younger than the run"
KINDS = ("tex", "html", "csv")  # of files of tables
CLAIM_ENTRIES = {"t10_claims", "t11_verdicts", "f9_claims", "f9_images"}  # drawn from verdicts instead of results


def judge(results: Results, claims_path: Path | None = None, folder: Path | None = None) -> list[Judgement]:
    """Verdicts on all claims of ``claims_path`` (default ``config/claims.yaml``).

    Where ``folder``, from which the results were read, has the verdicts on them (`claims` writes them), they are read.
    """
    if folder is not None and (folder / KEPT).is_file():
        known = kept(folder, key_of(folder, claims_path), claims_path)
        if known is not None:
            return known
    found = evaluate(results.metrics, read_claims(claims_path), results.baselines, results.budget)
    return mark_younger(found, results.settings, rule_digests(claims_file(claims_path)))


def tables(results_dir: Path, out_dir: Path, claims_path: Path | None = None, only: Sequence[str] | None = None,
           kind: str = "tex", scale: str = "", others: Sequence[Path] | None = None,
           pages: Path | None = None) -> list[Path]:  # fmt: skip
    """Write every table (or those named in ``only``) to ``out_dir/<name>.<kind>``, see ``KINDS``; returns the paths.

    Args:
        results_dir: the results of one scale.
        out_dir: folder to write to.
        claims_path: file of claims.
        only: names of tables.
        kind: of the files.
        scale: the name of that scale, which web pages say and ``others`` need.
        others: folders of shipped results of other scales, whose verdicts are shown beside those of this one in a
            further table and the numbers behind them in another, see `pimvae.report.scales`. If there are none, those
            that an earlier run left are removed; None leaves them as they are.
        pages: folder in which each table becomes a web page, too.
    """
    results = Results.load(results_dir)
    judged = cache(lambda: judge(results, claims_path, results_dir))  # several tables are made from verdicts
    places = [(out_dir, kind), *([] if pages is None else [(pages, "html")])]
    written = []

    def write(name: str, table: Table) -> None:
        for folder, form in places:
            write_text(folder / f"{name}.{form}", _shown(table, form, name, scale))
        written.append(out_dir / f"{name}.{kind}")

    for name in names("report.tables") if only is None else only:
        write(name, lookup("report.tables", name)(judged() if name in CLAIM_ENTRIES else results))
    if others:
        from pimvae.report.scales import in_order, table_cells, table_scales
        from pimvae.report.source import Verdicts

        runs = [Verdicts(scale, results, judged())]
        runs = in_order([*runs, *(Verdicts.shipped(folder, claims_path) for folder in others)])
        for name, table in zip(ACROSS, (table_scales, table_cells), strict=True):
            write(name, table(runs))
    elif others is not None:
        for name in ACROSS:
            for folder, form in places:
                (folder / f"{name}.{form}").unlink(missing_ok=True)
    return written


def _shown(table: Table, kind: str, name: str, scale: str) -> str:
    """A table as a file of this kind; for a browser it is a page of its own."""
    if kind == "html":
        from pimvae.report.webpage import page

        return page(ACROSS.get(name) or summary("report.tables", name), table, scale, name)
    return table.to_csv() if kind == "csv" else table.to_latex()


def figures(results_dir: Path, out_dir: Path, claims_path: Path | None = None,
            only: Sequence[str] | None = None) -> list[Path]:  # fmt: skip
    """Write every figure (or those named in ``only``) as PDF and PNG with the CSV behind it; returns the PDFs."""
    from pimvae.report.style import save  # matplotlib only where it is drawn with

    results = Results.load(results_dir)
    written = []
    for name in names("report.figures") if only is None else only:
        drawing = lookup("report.figures", name)
        table = drawing.data(judge(results, claims_path, results_dir) if name in CLAIM_ENTRIES else results)
        write_frame(out_dir / f"{name}.csv", table)
        save(drawing.plot(table), out_dir, name)
        written.append(out_dir / f"{name}.pdf")
    return written


def claims(results_dir: Path, out_dir: Path | None = None, claims_path: Path | None = None) -> list[str]:
    """Write ``claims.json``, ``claims.csv`` (verdicts), ``claims_groups.csv`` and ``claims_strata.csv``.

    Returns one line per claim. The JSON holds the verdicts with their groups; what has no number is null. Beside them
    lies ``verdicts.json``, from which tables, figures and text of these results are made.
    """
    key = key_of(results_dir, claims_path)  # of what is there before the verdicts, not after
    results = Results.load(results_dir)
    judgements = judge(results, claims_path)
    out = out_dir or results_dir
    keep(out, judgements, key)
    write_frame(out / "claims.csv", pd.DataFrame([row_of(judgement) for judgement in judgements]))
    write_json(out / "claims.json", [_entry(judgement) for judgement in judgements])
    for part in ("groups", "strata"):
        parts = [getattr(judgement, part) for judgement in judgements]
        full = [frame for frame in parts if len(frame)]
        write_frame(out / f"claims_{part}.csv", pd.concat(full, ignore_index=True) if full else parts[0])
    width = max((len(judgement.stated) for judgement in judgements), default=0)
    lines = [f"{judgement.name:4}  {judgement.stated:{width}}  {judgement.claim.short}" for judgement in judgements]
    return [*lines, YOUNGER] if any(judgement.younger for judgement in judgements) else lines


def _entry(judgement: Judgement) -> dict[str, object]:
    """One claim for programs: the row of ``claims.csv`` with the rows of its groups."""
    groups = judgement.groups.drop(columns=["claim", "verdict"]).to_dict("records")
    row = {**row_of(judgement), "groups": [_nulled(group) for group in groups]}
    return _nulled({"short": judgement.claim.short, "experiment": judgement.claim.experiment, **row})


def _nulled(entry: dict[str, object]) -> dict[str, object]:
    """JSON has no NaN."""
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in entry.items()}  # fmt: skip


def row_of(judgement: Judgement) -> dict[str, object]:
    """One claim as a row of ``claims.csv``."""
    return {
        "claim": judgement.claim.id, "verdict": judgement.stated, "scale": judgement.claim.effect,
        "effect": judgement.effect, "low": judgement.low, "high": judgement.high, "pairs": judgement.pairs,
        "effect_half_budget": judgement.half.effect if judgement.half else math.nan,
        "verdict_half_budget": judgement.half.verdict if judgement.half else "",
        "younger": judgement.younger, "collapsed": "; ".join(judgement.names(COLLAPSED)),
        "untrained": "; ".join(judgement.names(UNTRAINED)),
        "groups": len(judgement.groups), "as_claimed": judgement.as_claimed, "against": judgement.against,
        "diverged": judgement.diverged, "text": judgement.claim.text.strip(),
    }  # fmt: skip


def macros(results_dir: Path, out_file: Path, scale: str, claims_path: Path | None = None) -> Path:
    """Write the macros of all numbers in the paper's text to ``out_file``; returns its path."""
    from pimvae.report.macros import macros as render

    results = Results.load(results_dir)
    write_text(out_file, render(results, judge(results, claims_path, results_dir), scale))
    return out_file


def compare(fresh_dir: Path, shipped_dir: Path, out_dir: Path, claims_path: Path | None = None) -> list[str]:
    """Write ``compare.csv``, ``compare_claims.csv``, the table and the figure; returns the lines to print.

    See `pimvae.report.comparison.compare` for the statistic. The first line says if the runs are of other settings.
    """
    from pimvae.report import comparison, comparison_view
    from pimvae.report.style import save

    fresh, shipped = (read_collected(folder, "no results lie there") for folder in (fresh_dir, shipped_dir))
    settings = [read_settings(folder) for folder in (fresh_dir, shipped_dir)]
    note = comparison_view.note_of(comparison.other_settings(*settings), fresh_dir, shipped_dir)
    numbers = comparison.compare(fresh, shipped)
    claims = comparison.compare_claims(fresh, shipped, read_claims(claims_path))
    write_frame(out_dir / "compare.csv", numbers)
    write_frame(out_dir / "compare_claims.csv", claims)
    write_text(out_dir / "compare.tex", comparison_view.table_of(numbers).to_latex())
    save(comparison_view.figure_of(numbers), out_dir, "compare")
    return [*note, *comparison_view.lines_of(numbers, claims)]
