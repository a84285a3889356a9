"""Tables of the identifiable experiments: a panel per prior, aggregators in rows, the two bounds side by side."""

__all__ = ["FIT", "RATES", "Measure", "identifiable_table"]

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pimvae.claims.selection import select
from pimvae.claims.statistics import format_number
from pimvae.config.catalogue import catalogue
from pimvae.report.grid import in_grid
from pimvae.report.tables._layout import Column, Rows, aggregator_rows, body, grouped_headings, not_run, panel, tabular
from pimvae.report.tables._published import published_blocks
from pimvae.report.tables._simple import simple_block, standing
from pimvae.results.files import Results

TRUE_MODEL = "true_model"


@dataclass(frozen=True)
class Measure:
    """One column under each bound."""

    heading: str
    metric: str
    subset: str = "all"
    beta: float = 1.0
    interval: bool = True


FIT = [
    Measure("LLH", "llh", interval=False),
    Measure("gap", "ceiling_gap"),
    Measure("strong", "mcc_strong_mean"),
    Measure("weak", "mcc_weak_mean"),
    Measure("clusters", "cluster_accuracy"),
]
RATES = [
    Measure("rate", "rate"),
    Measure("cross rate", "cross_rate", "unimodal"),
    Measure("full", "reconstruction"),
    Measure("cross", "reconstruction_cross", "unimodal"),
]


def identifiable_table(
    results: Results, experiment: str, dataset: str | Sequence[str], split: str, measures: Sequence[Measure]
) -> str:
    """``measures`` on one split under each bound; a last row shows the log-likelihood under the true model.

    Several data sets get panels of their own. Best values are marked per column, over both priors.
    """
    names = [dataset] if isinstance(dataset, str) else list(dataset)
    where = {"experiment": experiment, "dataset": names}
    metrics, simple = (select(rows, {**where, "split": split}) for rows in (results.metrics, results.baselines))
    trained = metrics[metrics["aggregator"] != TRUE_MODEL]
    if trained.empty:
        return not_run()
    # Divergence is a property of the replica, not of a split.
    flags = select(results.metrics, {**where, "metric": "diverged"})
    trained = pd.concat([trained[trained["metric"] != "diverged"], flags])
    beside, trained = trained, in_grid(trained)
    if trained.empty:
        return not_run()
    objectives = catalogue().order("objectives", trained["objective"])
    columns = [
        Column(m.heading, m.metric, m.subset, (("objective", objective), ("beta", m.beta)), m.interval)
        for objective in objectives
        for m in measures
    ]
    headings = [m.heading for m in measures]
    groups = [(f"{catalogue().look('objectives', name).label} bound", headings) for name in objectives]
    lines, low = grouped_headings(groups), standing(results, {**where, "split": [split, "train"]})
    present = catalogue().order("datasets", trained["dataset"])
    for name in present:
        title = f"{catalogue().look('datasets', name).label}, " if len(present) > 1 else ""
        lines += _panels(trained[trained["dataset"] == name], columns, title, low)
        own = [Column(m.heading, m.metric, m.subset, (("beta", m.beta),), m.interval) for m in measures]
        lines += published_blocks(beside[beside["dataset"] == name], own, len(columns))
        lines += simple_block(simple[simple["dataset"] == name], columns)
        lines += _ceiling(metrics[metrics["dataset"] == name], columns)
    return tabular("l" + "r" * len(columns), lines)


def _panels(trained: pd.DataFrame, columns: Sequence[Column], title: str, low: pd.DataFrame) -> list[str]:
    """Rows of one data set, under a line for each prior."""
    priors = catalogue().order("priors", trained["prior"])
    parts: list[Rows] = [
        [(label, {**where, "prior": prior}) for label, where in aggregator_rows(trained[trained["prior"] == prior])]
        for prior in priors
    ]
    rows = body(trained, [row for part in parts for row in part], columns, low[low["dataset"].isin(trained["dataset"])])
    lines: list[str] = []
    for prior, part in zip(priors, parts, strict=True):
        shown, rows = rows[: len(part)], rows[len(part) :]
        lines += panel(f"{title}{catalogue().look('priors', prior).label}", len(columns) + 1, shown)
    return lines


def _ceiling(metrics: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    """The row of the true model: its log-likelihood in the columns of that metric, nothing elsewhere."""
    values = metrics.loc[metrics["metric"] == "llh_ceiling", "value"]
    if values.empty or not any(column.metric == "llh" for column in columns):
        return []
    cells = [format_number(values.mean(), 4) if column.metric == "llh" else "" for column in columns]
    label = catalogue().aggregator(TRUE_MODEL).label
    return [r"\midrule", " & ".join([label, *cells]) + r" \\"]
