"""What stands below the trained models of a table: published baselines, simple models, the true model.

Objectives beside the grid have each its own bound, so that their numbers stand in one group of columns only.
"""

__all__ = ["TITLES", "ceiling_parts", "published_parts", "published_rows", "simple_parts", "standing"]

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pimvae.claims.selection import select
from pimvae.claims.statistics import format_number
from pimvae.claims.status import replica_status
from pimvae.config.catalogue import catalogue
from pimvae.evaluation.rows import TRUE_MODEL
from pimvae.report.grid import in_grid
from pimvae.report.latex import escape
from pimvae.report.table import Part
from pimvae.report.tables._cells import Column, Rows, body, cell
from pimvae.results.files import Results

TITLES = {"nonempty": "mixture bound without the empty set", "published": "published baselines, each with its bound"}
NOTES = ("untrained", "collapsed")  # statuses that a table tells, each with a macro of its own


def published_parts(
    metrics: pd.DataFrame, columns: Sequence[Column], width: int, standing: pd.DataFrame | None = None
) -> list[Part]:
    """A part per block that has rows: ``columns`` (without an objective) under the first group, the rest empty.

    Args:
        metrics: tidy metrics of one data set.
        columns: those of one group.
        width: columns of the whole table, the labels not counted.
        standing: see `body`.
    """
    blocks = [(title, in_grid(metrics, name)) for name, title in TITLES.items()]
    rest = [""] * (width - len(columns))
    return [Part([[*row, *rest] for row in body(found, published_rows(found), columns, standing)], title)
            for title, found in blocks if len(found)]  # fmt: skip


def published_rows(metrics: pd.DataFrame) -> Rows:
    """A row per pair of objective and aggregator: the objective's name, or the aggregator's where one has several."""
    rows = []
    for objective in catalogue().order("objectives", metrics["objective"]):
        aggregators = catalogue().order("aggregators", metrics.loc[metrics["objective"] == objective, "aggregator"])
        for aggregator in aggregators:
            several = len(aggregators) > 1
            look = catalogue().aggregator(aggregator) if several else catalogue().look("objectives", objective)
            rows.append((look.label, {"objective": objective, "aggregator": aggregator}))
    return rows


def standing(results: Results, where: Mapping[str, Any]) -> pd.DataFrame:
    """Status of the replicas of the cells selected by ``where``, those in ``NOTES`` only."""
    status = replica_status(select(results.metrics, where), select(results.baselines, where))
    return select(status, {"status": list(NOTES)})


def simple_parts(baselines: pd.DataFrame, columns: Sequence[Column]) -> list[Part]:
    """One part, a row per simple model that has a value in one of the columns, without marks; [] for none.

    Args:
        baselines: rows of one data set and split.
        columns: of the table; a simple model belongs to no bound and no β but 1, so its values recur under each bound.
    """
    rows = []
    for name in catalogue().order("baselines", baselines["baseline"]):
        part = baselines[baselines["baseline"] == name]
        cells = [_mean(part, column) for column in columns]
        if any(cells):
            rows.append([escape(catalogue().look("baselines", name).label), *cells])
    return [Part(rows)] if rows else []


def _mean(part: pd.DataFrame, column: Column) -> str:
    """Mean over seeds, with its interval where the column has one and the seeds differ."""
    if column.where.get("beta", 1) != 1:
        return ""
    values = select(part, {"metric": column.metric, "subset": column.subset})["value"]
    shown = (values * catalogue().metric(column.metric).factor).tolist()
    return cell(shown, 0, "", column.interval, column.digits) if shown else ""


def ceiling_parts(metrics: pd.DataFrame, columns: Sequence[Column]) -> list[Part]:
    """The row of the true model: its log-likelihood in the columns of that metric, nothing elsewhere."""
    values = metrics.loc[metrics["metric"] == "llh_ceiling", "value"]
    if values.empty or not any(column.metric == "llh" for column in columns):
        return []
    cells = [format_number(values.mean(), 4) if column.metric == "llh" else "" for column in columns]
    return [Part([[catalogue().aggregator(TRUE_MODEL).label, *cells]])]
