"""Training curves of one experiment, the mean over seeds as a line and their range as a band."""

__all__ = ["training_curves"]

import math
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pimvae.claims.selection import select
from pimvae.config.catalogue import catalogue
from pimvae.report.figures._drawing import Drawing, line_handle, line_style
from pimvae.report.grid import in_grid
from pimvae.report.style import figure, log_axis
from pimvae.results.files import Results

COMMON = 0.98  # share of a method's later points that no panel cuts off
BEYOND = 10  # times where the middle method ends, at which a panel does whatever the others do
UNIT = ["dataset", "prior", "aggregator", "objective"]


def training_curves(experiment: str, reference: str) -> Drawing:
    """The figure of one experiment; ``reference`` is the metric ℓ* above whose negative the loss is drawn (nats)."""
    return Drawing(partial(_data, experiment, reference), _plot, "no training curves at this scale")


def _data(experiment: str, reference: str, results: Results) -> pd.DataFrame:
    """Loss plus ℓ* for β = 1: mean, least and greatest over seeds."""
    rows = select(in_grid(results.history), {"experiment": experiment, "term": "loss", "beta": 1})
    wanted = {"experiment": experiment, "metric": reference, "subset": "all", "split": "train"}
    best = select(results.metrics, wanted)[["dataset", "seed", "value"]].drop_duplicates(["dataset", "seed"])
    rows = rows.merge(best.rename(columns={"value": "best"}), on=["dataset", "seed"])
    rows = rows[np.isfinite(rows["value"])]  # the curve of a diverged replica ends where it left the numbers
    excess = rows.assign(excess=rows["value"] + rows["best"]).groupby([*UNIT, "step"])["excess"]
    return excess.agg(mean="mean", low="min", high="max", seeds="count").reset_index()


def _plot(table: pd.DataFrame) -> Figure:
    """A row per bound, a column per data set and prior; both bounds of a column share their axes."""
    datasets = catalogue().order("datasets", table["dataset"])
    priors = catalogue().order("priors", table["prior"])
    columns = [(dataset, prior) for dataset in datasets for prior in priors]
    objectives = catalogue().order("objectives", table["objective"])
    methods = catalogue().order("aggregators", table["aggregator"])
    drawn = figure(0.75 + 1.55 * len(objectives))
    axes = drawn.subplots(len(objectives), len(columns), sharex="col", sharey="col", squeeze=False)
    for row, objective in enumerate(objectives):
        for column, (dataset, prior) in enumerate(columns):
            part = select(table, {"dataset": dataset, "prior": prior, "objective": objective})
            both = table[(table["dataset"] == dataset) & (table["prior"] == prior)]
            _curves(axes[row, column], part, methods, both["low"].min())
            axes[row, column].xaxis.set_major_locator(MaxNLocator(2 if len(columns) > 3 else 4, integer=True))
            axes[0, column].set_title(_title(dataset, prior, len(datasets), len(priors)), fontweight="bold")
            axes[-1, column].set_xlabel("step")
            _cut_off(axes[row, column], both)
        label = catalogue().look("objectives", objective).label
        axes[row, 0].set_ylabel(f"{label} bound: loss\n" + r"above $-\ell^\star$ (nats)")
    for panel in axes.flat:
        if panel.get_yscale() == "log":
            log_axis(panel, "y")
    entries = len(methods) if len(methods) <= 5 else math.ceil(len(methods) / 2)
    drawn.legend(handles=list(map(line_handle, methods)), loc="outside lower center", ncols=entries)
    return drawn


def _title(dataset: str, prior: str, datasets: int, priors: int) -> str:
    """What distinguishes a column: its data set, its prior, or both on two lines."""
    names = [catalogue().look("datasets", dataset).label] if datasets > 1 or priors == 1 else []
    names += [catalogue().look("priors", prior).label] if priors > 1 else []
    return ",\n".join(names).replace(", ", ",\n")


def _curves(axes: plt.Axes, part: pd.DataFrame, methods: list[str], lowest: float) -> None:
    """Curves of one panel; its logarithmic axis is linear near zero if ``lowest``, of the column, is not positive."""
    axes.grid(axis="y")
    for name in methods:
        rows = part[part["aggregator"] == name].sort_values("step")
        colour = catalogue().aggregator(name).colour
        axes.fill_between(rows["step"], rows["low"], rows["high"], color=colour, alpha=0.15, lw=0)
        axes.plot(rows["step"], rows["mean"], color=colour, ls=line_style(name))
    axes.set_yscale("log") if lowest > 0 else axes.set_yscale("symlog", linthresh=1.0)
    axes.set_xlim(left=0)


def _cut_off(axes: plt.Axes, rows: pd.DataFrame) -> None:
    """Let curves leave at the top: first steps, rare peaks and one method that explodes must not flatten all others.

    The top is where the later points of the highest method end, unless that is far beyond the middle one.
    """
    late = rows[rows["step"] > max(0.05 * rows["step"].max(), rows["step"].min())]
    tops = late.groupby(["aggregator", "objective"])["high"].quantile(COMMON)
    if len(tops) and (top := min(tops.max(), BEYOND / 2 * tops.median())) > 0:
        axes.set_ylim(top=min(axes.get_ylim()[1], 2 * top))
