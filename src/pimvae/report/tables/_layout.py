"""What every table shares: cells of mean ± interval, marks for the best, rows of a booktabs tabular."""

__all__ = ["Column", "Rows", "body", "cell", "escape", "tabular"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pimvae.claims.selection import diverged_replicas, drop_diverged, select
from pimvae.claims.statistics import format_estimate, format_number, marks, mean_interval
from pimvae.config.catalogue import catalogue

MISSING = "--"
LIKELIHOODS = ("llh", "llh_gap", "ceiling_gap")  # columns in which a standing below the simple models is told
Rows = Sequence[tuple[str, Mapping[str, Any]]]  # label of each row and its selection


@dataclass(frozen=True)
class Column:
    """One column: a metric of one subset, and which rows of the metrics belong to it.

    Without ``interval`` only means are shown: for values whose spread over seeds says how the data sets differ.
    """

    heading: str
    metric: str
    subset: str
    where: tuple[tuple[str, Any], ...] = ()
    interval: bool = True
    digits: int = 4  # significant, of a mean without interval

    @property
    def selection(self) -> dict[str, Any]:
        """The rows of the tidy metrics that this column reads."""
        return {"metric": self.metric, "subset": self.subset, **dict(self.where)}


def cell(values: Sequence[float], diverged: int, mark: str, interval: bool = True, digits: int = 4) -> str:
    r"""One cell: mean ± half-width; ``\best`` or ``\tie`` around it; the count of diverged replicas as a note."""
    if not values:
        return rf"\diverged{{{diverged}}}" if diverged else MISSING
    estimate = mean_interval(values)
    text = format_estimate(estimate) if interval else format_number(estimate.mean, digits)
    if mark:
        text = rf"\{mark}{{{text}}}"
    return text + (rf"\,\diverged{{{diverged}}}" if diverged else "")


def body(
    metrics: pd.DataFrame, rows: Rows, columns: Sequence[Column], standing: pd.DataFrame | None = None
) -> list[str]:
    """The rows of a table as LaTeX, best values marked per column.

    Args:
        metrics: tidy metrics, already restricted to one experiment (and data set, where rows do not name it).
        rows: label of each row and its selection; labels may recur.
        columns: see `Column`; values are multiplied by the metric's factor.
        standing: replicas and their ``status``, whose counts are shown beside likelihoods.
    """
    sound, bad = drop_diverged(metrics), diverged_replicas(metrics)
    selections = {str(index): where for index, (_, where) in enumerate(rows)}
    cells: dict[str, list[str]] = {name: [] for name in selections}
    for column in columns:
        known = catalogue().metric(column.metric)
        part = select(sound, column.selection)
        values = {name: _by_seed(select(part, where), known.factor) for name, where in selections.items()}
        marked = marks(values, known.better)
        for name, where in selections.items():
            keys = {key: value for key, value in {**where, **dict(column.where)}.items() if key in bad}
            shown = list(values[name].values())
            text = cell(shown, len(select(bad, keys)), marked[name], column.interval, column.digits)
            cells[name].append(text + _notes(standing, keys, column))
    labels = [escape(label) for label, _ in rows]
    return [" & ".join([label, *row]) + r" \\" for label, row in zip(labels, cells.values(), strict=True)]


def _notes(standing: pd.DataFrame | None, keys: Mapping[str, Any], column: Column) -> str:
    """How many replicas of a cell have which status: of the joint likelihood, in its columns."""
    if standing is None or column.metric not in LIKELIHOODS or column.subset != "all":
        return ""
    counts = select(standing, keys)["status"].value_counts().sort_index()
    return "".join(rf"\,\{status}{{{count}}}" for status, count in counts.items())


def _by_seed(rows: pd.DataFrame, factor: float) -> dict[int, float]:
    if rows["seed"].duplicated().any():
        raise ValueError(f"a table cell selects several values of one seed, the first being {rows.iloc[0].to_dict()}")
    rows = rows.dropna(subset="value").sort_values("seed")
    return {int(seed): float(value) * factor for seed, value in zip(rows["seed"], rows["value"], strict=True)}


def aggregator_rows(metrics: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    """One row per aggregator that has metrics, in the order of the catalogue."""
    return [(catalogue().aggregator(name).label, {"aggregator": name})
            for name in catalogue().order("aggregators", metrics["aggregator"])]  # fmt: skip


def tabular(alignment: str, lines: Sequence[str]) -> str:
    """A complete booktabs tabular; ``lines`` hold headings, rules and rows."""
    return "\n".join([rf"\begin{{tabular}}{{@{{}}{alignment}@{{}}}}", r"\toprule", *lines, r"\bottomrule",
                      r"\end{tabular}", ""])  # fmt: skip


def escape(text: str) -> str:
    """Plain text as LaTeX."""
    table = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
             "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "β": r"\ensuremath{\beta}"}  # fmt: skip
    return "".join(table.get(letter, letter) for letter in str(text))


def not_run(columns: int = 1) -> str:
    """A tabular that says that nothing was run."""
    return tabular("l" * columns, [r"not run at this scale \\"])


def grouped_headings(groups: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Two heading lines: names of groups of columns with rules under them, then the columns' own headings."""
    first, rules, second, start = [""], [], [""], 2
    for name, headings in groups:
        first.append(rf"\multicolumn{{{len(headings)}}}{{c}}{{{name}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + len(headings) - 1}}}")
        second.extend(headings)
        start += len(headings)
    return [" & ".join(first) + r" \\", " ".join(rules), " & ".join(second) + r" \\"]


def panel(title: str, columns: int, rows: Sequence[str]) -> list[str]:
    """Rows under a line that names their data set."""
    return [r"\midrule", rf"\multicolumn{{{columns}}}{{@{{}}l}}{{\emph{{{escape(title)}}}}} \\", *rows]
