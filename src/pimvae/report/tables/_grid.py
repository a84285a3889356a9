"""Tables of metrics as the page ``report/tables.yaml`` states them: aggregators in rows, columns under each bound."""

__all__ = ["Grid", "Measure", "grid_table"]

from collections.abc import Sequence
from typing import Annotated, Any

import pandas as pd

from pimvae.claims.selection import select
from pimvae.config.catalogue import catalogue
from pimvae.config.strict import AsList, Strict
from pimvae.report.grid import in_grid
from pimvae.report.table import NOT_RUN, Part, Table, bound_headings, grouped_headings
from pimvae.report.tables._below import ceiling_parts, published_parts, simple_parts, standing
from pimvae.report.tables._cells import Column, aggregator_rows, panels
from pimvae.results.files import Results


class Measure(Strict):
    """One column under each bound."""

    heading: str
    metric: str
    subset: str = "all"
    beta: float = 1.0
    interval: bool = True


class Grid(Strict):
    """What the page says of a table; the page explains each key."""

    summary: str
    experiment: str
    datasets: Annotated[tuple[str, ...], AsList]
    columns: Annotated[tuple[Measure, ...], AsList]
    split: str | None = None
    target: str = ""
    by_prior: bool = False
    digits: int = 4

    @property
    def where(self) -> dict[str, Any]:
        """The rows of all results that belong to the table."""
        return {"experiment": self.experiment, "dataset": list(self.datasets)}

    def group(self, objective: str | None = None) -> list[Column]:
        """The columns under one bound; of any objective without one."""
        bound = {} if objective is None else {"objective": objective}
        return [
            Column(m.metric, m.subset.format(target=self.target), {**bound, "beta": m.beta}, m.interval, self.digits)
            for m in self.columns
        ]


def grid_table(grid: Grid, results: Results) -> Table:
    """The table; a panel per data set and per prior, as far as there are several.

    Best values are marked per column and data set, over both priors.
    """
    metrics = select(results.metrics, grid.where)
    of_split = {} if grid.split is None else {"split": grid.split}
    if grid.split is not None:  # divergence is a property of the replica, not of a split
        metrics = metrics[(metrics["split"] == grid.split) | (metrics["metric"] == "diverged")]
    shown = in_grid(metrics)
    if shown.empty:
        return NOT_RUN
    objectives = catalogue().order("objectives", shown["objective"])
    head = grouped_headings(bound_headings(objectives, [measure.heading for measure in grid.columns]))
    width = len(objectives) * len(grid.columns)
    low = standing(results, {**grid.where, **{key: [value, "train"] for key, value in of_split.items()}})
    simple = select(results.baselines, {**grid.where, **of_split})
    parts: list[Part] = []
    for name in catalogue().order("datasets", shown["dataset"]):
        own, models, everything = (rows[rows["dataset"] == name] for rows in (shown, simple, metrics))
        columns = [column for objective in objectives for column in grid.group(objective)]
        title = catalogue().look("datasets", name).label if len(grid.datasets) > 1 else ""
        here = low[low["dataset"] == name]
        parts += _panels(own, columns, here, title, grid.by_prior)
        parts += published_parts(everything, grid.group(), width, here)
        parts += simple_parts(models, columns)
        parts += ceiling_parts(everything, columns)
    return Table("l" + "r" * width, head, parts)


def _panels(
    metrics: pd.DataFrame, columns: Sequence[Column], low: pd.DataFrame, title: str, by_prior: bool
) -> list[Part]:
    """The trained models of one data set; ``title`` is its name, where there are several."""
    if not by_prior:
        return panels(metrics, [(title, aggregator_rows(metrics))], columns, low)
    blocks = []
    for prior in catalogue().order("priors", metrics["prior"]):
        label = catalogue().look("priors", prior).label
        blocks.append((", ".join(filter(None, [title, label])), aggregator_rows(metrics, prior=prior)))
    return panels(metrics, blocks, columns, low)
