"""F8: training curves, the mean over seeds as a line and their range as a band."""

__all__ = ["F8_TRAINING"]

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pimvae.report.figures._drawing import Drawing, empty_figure
from pimvae.report.files import Results
from pimvae.report.methods import PRIVATE, catalogue
from pimvae.report.selection import select
from pimvae.report.style import figure

EXPERIMENT = "linear"
UNIT = ["dataset", "aggregator", "objective"]


def data(results: Results) -> pd.DataFrame:
    """Loss plus ℓ*, the LLH at maximum likelihood (nats): mean, least and greatest over seeds."""
    rows = select(results.history, {"experiment": EXPERIMENT, "term": "loss", "beta": 1})
    best = select(results.metrics, {"experiment": EXPERIMENT, "metric": "llh_mle", "subset": "all"})
    best = best[["dataset", "seed", "value"]].drop_duplicates(["dataset", "seed"]).rename(columns={"value": "best"})
    rows = rows.merge(best, on=["dataset", "seed"])
    rows = rows[np.isfinite(rows["value"])]  # the curve of a diverged replica ends where it left the numbers
    excess = rows.assign(excess=rows["value"] + rows["best"]).groupby([*UNIT, "step"])["excess"]
    return excess.agg(mean="mean", low="min", high="max", seeds="count").reset_index()


def plot(table: pd.DataFrame) -> Figure:
    """One panel per data set and bound; both bounds of a data set share their axes."""
    if table.empty:
        return empty_figure("no training curves at this scale")
    datasets = catalogue().order("datasets", table["dataset"])
    objectives = catalogue().order("objectives", table["objective"])
    methods = catalogue().order("aggregators", table["aggregator"])
    drawn = figure(0.75 + 1.55 * len(objectives))
    axes = drawn.subplots(len(objectives), len(datasets), sharex="col", sharey="col", squeeze=False)
    for row, objective in enumerate(objectives):
        for column, dataset in enumerate(datasets):
            part = table[(table["dataset"] == dataset) & (table["objective"] == objective)]
            _curves(axes[row, column], part, methods)
            axes[0, column].set_title(catalogue().look("datasets", dataset).label, fontweight="bold")
            axes[-1, column].set_xlabel("step")
        label = catalogue().look("objectives", objective).label
        axes[row, 0].set_ylabel(f"{label} bound: loss\n" + r"above $-\ell^\star$ (nats)")
    entries = len(methods) if len(methods) <= 5 else math.ceil(len(methods) / 2)
    drawn.legend(handles=_handles(methods), loc="outside lower center", ncols=entries)
    return drawn


def _line_style(name: str) -> str:
    return "--" if name.startswith(PRIVATE) else "-"


def _curves(axes: plt.Axes, part: pd.DataFrame, methods: list[str]) -> None:
    axes.grid(axis="y")
    for name in methods:
        rows = part[part["aggregator"] == name].sort_values("step")
        colour = catalogue().aggregator(name).colour
        axes.fill_between(rows["step"], rows["low"], rows["high"], color=colour, alpha=0.2, lw=0)
        axes.plot(rows["step"], rows["mean"], color=colour, ls=_line_style(name))
    lowest = part["low"].min()
    axes.set_yscale("log") if lowest > 0 else axes.set_yscale("symlog", linthresh=1.0)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _handles(methods: list[str]) -> list[Line2D]:
    return [Line2D([], [], color=catalogue().aggregator(name).colour, ls=_line_style(name),
                   label=catalogue().aggregator(name).short) for name in methods]  # fmt: skip


F8_TRAINING = Drawing(data, plot)
