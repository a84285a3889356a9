"""Rows of metrics as cells: mean ± interval, marks for the best, notes on replicas that failed."""

__all__ = ["SPLITS", "Column", "Rows", "aggregator_rows", "body", "cell", "panels"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pandas as pd

from pimvae.claims.selection import diverged_replicas, drop_diverged, select
from pimvae.claims.statistics import best_and_ties, format_estimate, format_number, mean_interval
from pimvae.config.catalogue import catalogue
from pimvae.report.latex import escape
from pimvae.report.table import MISSING, Part

HEAVY = 1 / 3  # share of points whose importance weights were too heavy-tailed, above which a likelihood is marked
LIKELIHOODS = ("llh", "llh_gap", "ceiling_gap")  # columns in which a standing below the simple models is told
SPLITS = {"train": "training", "test": "held out"}  # of the samples, and what tables call them
FAILED, MOST = "untrained", 0.5  # standing of a replica, and the share of a cell's from which on it is not ranked
Rows = Sequence[tuple[str, Mapping[str, Any]]]  # label of each row and its selection


@dataclass(frozen=True)
class Column:
    """One column: a metric of one subset, and which rows of the metrics belong to it.

    Without ``interval`` only means are shown: for values whose spread over seeds says how the data sets differ.
    """

    metric: str
    subset: str = "all"
    where: Mapping[str, Any] = field(default_factory=dict)
    interval: bool = True
    digits: int = 4  # significant, of a mean without interval

    @property
    def selection(self) -> dict[str, Any]:
        """The rows of the tidy metrics that this column reads."""
        return {"metric": self.metric, "subset": self.subset, **self.where}


def cell(values: Sequence[float], diverged: int, mark: str, interval: bool = True, digits: int = 4) -> str:
    r"""One cell: mean ± half-width; ``\best`` or ``\tie`` around it; the count of diverged replicas as a note."""
    if not values:
        return rf"\diverged{{{diverged}}}" if diverged else MISSING
    text = _number(values, interval, digits)
    if mark:
        text = rf"\{mark}{{{text}}}"
    return text + (rf"\,\diverged{{{diverged}}}" if diverged else "")


def _number(values: Sequence[float], interval: bool, digits: int) -> str:
    estimate = mean_interval(values)
    return format_estimate(estimate) if interval else format_number(estimate.mean, digits)


def body(
    metrics: pd.DataFrame, rows: Rows, columns: Sequence[Column], standing: pd.DataFrame | None = None
) -> list[list[str]]:
    """The rows of a table, each its label and its cells as LaTeX, best values marked per column.

    Args:
        metrics: tidy metrics, already restricted to one experiment (and data set, where rows do not name it).
        rows: label of each row and its selection; labels may recur.
        columns: see `Column`; values are multiplied by the metric's factor.
        standing: replicas and their ``status``, whose counts are shown beside likelihoods; where most replicas of a
            cell failed, its likelihood is not ranked.
    """
    sound, bad = drop_diverged(metrics), diverged_replicas(metrics)
    selections = {str(index): where for index, (_, where) in enumerate(rows)}
    cells: dict[str, list[str]] = {name: [] for name in selections}
    for column in columns:
        known = catalogue().metric(column.metric)
        part = select(sound, column.selection)
        # Of which likelihoods how many points had weights too heavy-tailed to do without annealing.
        shares = select(sound, {**column.selection, "metric": "k_hat_above"}) if column.metric == "llh" else sound[:0]
        values = {name: _by_seed(select(part, where), known.factor) for name, where in selections.items()}
        keys = {name: {key: value for key, value in {**where, **column.where}.items() if key in bad}
                for name, where in selections.items()}  # fmt: skip
        lost = {name: len(select(bad, chosen)) for name, chosen in keys.items()}
        counts = {name: _counts(standing, chosen, column) for name, chosen in keys.items()}
        failed = {name for name, found in counts.items()
                  if found and found.get(FAILED, 0) + lost[name] > MOST * (len(values[name]) + lost[name])}  # fmt: skip
        marks = _marks(values, failed, column)
        for name, where in selections.items():
            text = cell(list(values[name].values()), lost[name], marks[name], column.interval, column.digits)
            heavy = bool(select(shares, where)["value"].mean() > HEAVY)  # of none: not a number
            notes = "".join(rf"\,\{status}{{{count}}}" for status, count in counts[name].items())
            cells[name].append(text + (r"\annealed" if heavy else "") + notes)
    return [[escape(label), *row] for (label, _), row in zip(rows, cells.values(), strict=True)]


def panels(
    metrics: pd.DataFrame,
    blocks: Sequence[tuple[str, Rows]],
    columns: Sequence[Column],
    standing: pd.DataFrame | None = None,
) -> list[Part]:
    """A part of a table per block, its title and its rows; best values are marked per column, over all blocks."""
    cells = iter(body(metrics, [row for _, rows in blocks for row in rows], columns, standing))
    return [Part(list(islice(cells, len(rows))), title) for title, rows in blocks]


def _counts(standing: pd.DataFrame | None, keys: Mapping[str, Any], column: Column) -> dict[str, int]:
    """How many replicas of a cell have which status: of the joint likelihood, in its columns."""
    if standing is None or column.metric not in LIKELIHOODS or column.subset != "all":
        return {}
    return {str(name): int(count)
            for name, count in select(standing, keys)["status"].value_counts().sort_index().items()}  # fmt: skip


def _marks(values: Mapping[str, Mapping[int, float]], failed: set[str], column: Column) -> dict[str, str]:
    """`best_and_ties` of the rows that did not fail; a tie that reads as the best does shares its mark."""
    ranked = {name: {} if name in failed else found for name, found in values.items()}
    marks = best_and_ties(ranked, catalogue().metric(column.metric).better)
    shown = {name: _number(list(values[name].values()), column.interval, column.digits)
             for name, mark in marks.items() if mark}  # fmt: skip
    best = {shown[name] for name, mark in marks.items() if mark == "best"}
    return {name: "best" if mark and shown[name] in best else mark for name, mark in marks.items()}


def _by_seed(rows: pd.DataFrame, factor: float) -> dict[int, float]:
    if rows["seed"].duplicated().any():
        raise ValueError(f"a table cell selects several values of one seed, the first being {rows.iloc[0].to_dict()}")
    rows = rows.dropna(subset="value").sort_values("seed")
    return {int(seed): float(value) * factor for seed, value in zip(rows["seed"], rows["value"], strict=True)}


def aggregator_rows(metrics: pd.DataFrame, **where: str) -> Rows:
    """One row per aggregator that has metrics with ``where``, in the order of the catalogue."""
    shown = catalogue().order("aggregators", select(metrics, where)["aggregator"])
    return [(catalogue().aggregator(name).label, {"aggregator": name, **where}) for name in shown]
