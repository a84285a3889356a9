"""Tables of the image experiment: aggregators in rows, the two bounds side by side, β = 1."""

__all__ = ["MODALITIES", "Measure", "image_rows", "image_table"]

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pimvae.claims.selection import select
from pimvae.config.catalogue import catalogue
from pimvae.report.grid import in_grid
from pimvae.report.tables._layout import Column, aggregator_rows, body, grouped_headings, not_run, panel, tabular
from pimvae.report.tables._published import published_blocks
from pimvae.report.tables._simple import simple_block, standing
from pimvae.results.files import Results

EXPERIMENT = "images"
MODALITIES = {"mnist": "M", "svhn": "S", "text": "T"}
CLASSIFIER = "classifier"


@dataclass(frozen=True)
class Measure:
    """One column under each bound."""

    heading: str
    metric: str
    subset: str
    interval: bool = True


def image_rows(results: Results) -> pd.DataFrame:
    """The metrics of the trained models."""
    rows = select(results.metrics, {"experiment": EXPERIMENT})
    return rows[rows["aggregator"] != CLASSIFIER]


def image_table(results: Results, panels: dict[str, Sequence[Measure]]) -> str:
    """One panel per entry (title: measures, equally many), without a title line if there is one panel alone."""
    beside = image_rows(results)
    metrics = in_grid(beside)
    if metrics.empty:
        return not_run()
    objectives = catalogue().order("objectives", metrics["objective"])
    names = {objective: f"{catalogue().look('objectives', objective).label} bound" for objective in objectives}
    headings = [measure.heading for measure in next(iter(panels.values()))]
    where = {"experiment": EXPERIMENT}
    low, simple = standing(results, where), select(results.baselines, where)
    lines = grouped_headings([(names[objective], headings) for objective in objectives])
    width = len(objectives) * len(headings)
    for title, measures in panels.items():
        columns = [Column(m.heading, m.metric, m.subset, (("objective", objective), ("beta", 1)), m.interval, 3)
                   for objective in objectives for m in measures]  # fmt: skip
        rows = body(metrics, aggregator_rows(metrics), columns, low)
        lines += panel(title, width + 1, rows) if len(panels) > 1 else [r"\midrule", *rows]
        own = [Column(m.heading, m.metric, m.subset, (("beta", 1),), m.interval, 3) for m in measures]
        lines += published_blocks(beside, own, width)
        lines += simple_block(simple, columns)
    return tabular("l" + "r" * width, lines)
