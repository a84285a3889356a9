"""Parts of a table for objectives beside its grid: each has its own bound, so its numbers stand in one group only."""

__all__ = ["TITLES", "published_parts", "published_rows"]

from collections.abc import Sequence

import pandas as pd

from pimvae.config.catalogue import catalogue
from pimvae.report.grid import in_block
from pimvae.report.table import Part
from pimvae.report.tables._cells import Column, Rows, body

TITLES = {"nonempty": "mixture bound without the empty subset", "published": "published baselines, each with its bound"}


def published_parts(metrics: pd.DataFrame, columns: Sequence[Column], width: int) -> list[Part]:
    """A part per block that has rows: ``columns`` (without an objective) under the first group, the rest empty.

    Args:
        metrics: tidy metrics of one data set.
        columns: those of one group.
        width: columns of the whole table, the labels not counted.
    """
    blocks = [(title, in_block(metrics, name)) for name, title in TITLES.items()]
    rest = [""] * (width - len(columns))
    return [Part([[*row, *rest] for row in body(found, published_rows(found), columns)], title)
            for title, found in blocks if len(found)]  # fmt: skip


def published_rows(metrics: pd.DataFrame) -> Rows:
    """A row per pair of objective and aggregator: the objective's name, or the aggregator's where one has several."""
    rows: Rows = []
    for objective in catalogue().order("objectives", metrics["objective"]):
        aggregators = catalogue().order("aggregators", metrics.loc[metrics["objective"] == objective, "aggregator"])
        for aggregator in aggregators:
            look = catalogue().look("objectives", objective) if len(aggregators) == 1 else None
            label = look.label if look else catalogue().aggregator(aggregator).label
            rows = [*rows, (label, {"objective": objective, "aggregator": aggregator})]
    return rows
