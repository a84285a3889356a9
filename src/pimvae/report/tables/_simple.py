"""The part of simple models below the trained ones, and which replicas stand no higher than the simplest of them."""

__all__ = ["NOTES", "simple_parts", "standing"]

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pimvae.claims.selection import select
from pimvae.claims.status import replica_status
from pimvae.config.catalogue import catalogue
from pimvae.report.latex import escape
from pimvae.report.table import Part
from pimvae.report.tables._cells import Column, cell
from pimvae.results.files import Results

NOTES = ("untrained", "collapsed")  # statuses that a table tells, each with a macro of its own


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
        cells = [_cell(part, column) for column in columns]
        if any(cells):
            rows.append([escape(catalogue().look("baselines", name).label), *cells])
    return [Part(rows)] if rows else []


def _cell(part: pd.DataFrame, column: Column) -> str:
    """Mean over seeds, with its interval where the column has one and the seeds differ."""
    if column.where.get("beta", 1) != 1:
        return ""
    values = select(part, {"metric": column.metric, "subset": column.subset})["value"]
    shown = (values * catalogue().metric(column.metric).factor).tolist()
    return cell(shown, 0, "", column.interval, column.digits) if shown else ""
