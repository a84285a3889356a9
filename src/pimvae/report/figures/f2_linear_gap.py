"""F2: gap to the maximum likelihood per aggregator and bound, every seed a dot; and the parts of the bound's gap."""

__all__ = ["F2_LINEAR_GAP"]

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pimvae.claims.selection import drop_diverged, select
from pimvae.config.catalogue import catalogue
from pimvae.report.figures._drawing import FILLED, Drawing, objective_handles
from pimvae.report.style import ALARM, MUTED, figure, log_axis
from pimvae.results.files import Results

EXPERIMENT = "linear"
TERMS = {
    "anatomy_subset_kl": ("inference from $S$", "#3B5B92"),
    "anatomy_prediction": ("prediction of the rest", "#D9A441"),
    "anatomy_full_kl": ("inference from $O$", "#8FB8A8"),
}
OFFSETS = {"masked": 0.19, "mixture": -0.19}  # the two bounds of one aggregator, above and below its line


def data(results: Results) -> pd.DataFrame:
    """Per replica: the LLH gap (%), the gap of the bound (nats) and its parts; diverged replicas are flagged."""
    names = ["llh_gap", "bound_gap", "diverged", *TERMS]
    rows = select(results.metrics, {"experiment": EXPERIMENT, "metric": names})
    bad = rows[~rows.index.isin(drop_diverged(rows).index)].index
    rows = rows[["dataset", "aggregator", "objective", "seed", "metric", "value"]].drop(bad)
    factor = rows["metric"].map(lambda name: catalogue().metric(name).factor)
    return rows.assign(value=rows["value"] * factor).reset_index(drop=True)


def plot(table: pd.DataFrame) -> Figure:
    """Above: LLH gap, one dot per seed and a bar at the mean. Below: mean parts of the gap of the bound, stacked."""
    datasets = catalogue().order("datasets", table["dataset"])
    methods = catalogue().order("aggregators", table["aggregator"])
    drawn = figure(1.05 + 0.36 * len(methods))
    axes = drawn.subplots(2, len(datasets), sharey=True, squeeze=False)
    for column, dataset in enumerate(datasets):
        part = table[table["dataset"] == dataset]
        _dots(axes[0, column], part, methods)
        _bars(axes[1, column], part, methods)
        _note_absent(axes[:, column], [row for row, name in enumerate(methods) if name not in set(part["aggregator"])])
        axes[0, column].set_title(catalogue().look("datasets", dataset).label, fontweight="bold", pad=5)
        axes[0, column].set_xlabel("LLH gap (%)")
        axes[1, column].set_xlabel("gap of the bound (nats)")
    for row in axes:
        row[0].set_yticks(range(len(methods)), [catalogue().aggregator(name).short for name in methods])
        row[0].set_ylim(len(methods) - 0.45, -0.55)
    objectives = catalogue().order("objectives", table["objective"])
    handles = objective_handles(objectives) + [Patch(color=colour, label=label) for label, colour in TERMS.values()]
    if (table.loc[table["metric"] == "diverged", "value"] != 0).any():
        handles.append(Line2D([], [], ls="none", marker="$†$", color=ALARM, ms=5, label="diverged replicas"))
    drawn.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return drawn


def _dots(axes: plt.Axes, part: pd.DataFrame, methods: list[str]) -> None:
    gaps = part[part["metric"] == "llh_gap"]
    axes.grid(axis="x")
    for row, name in enumerate(methods):
        look = catalogue().aggregator(name)
        for objective, offset in OFFSETS.items():
            cell = gaps[(gaps["aggregator"] == name) & (gaps["objective"] == objective)]
            values = cell.sort_values("seed")["value"].to_numpy()
            height = row - offset
            if len(values):
                spread = height + np.linspace(-0.08, 0.08, len(values)) if len(values) > 1 else [height]
                axes.plot(values, spread, ls="none", marker=look.marker, ms=3.4, mew=0.8, mec=look.colour, zorder=3,
                          mfc=look.colour if FILLED[objective] else "white", clip_on=False)  # fmt: skip
                axes.plot([values.mean()] * 2, [height - 0.17, height + 0.17], color=look.colour, lw=1.3, zorder=2)
            _note_diverged(axes, part, name, objective, height)
    positive = gaps["value"] > 0
    if positive.any() and positive.all() and gaps["value"].max() > 15 * gaps["value"].min():
        log_axis(axes)
    elif len(gaps):
        axes.set_xlim(left=min(0.0, gaps["value"].min()))


def _bars(axes: plt.Axes, part: pd.DataFrame, methods: list[str]) -> None:
    means = part.groupby(["aggregator", "objective", "metric"])["value"].mean()
    axes.grid(axis="x")
    for row, name in enumerate(methods):
        for objective, offset in OFFSETS.items():
            height = row - offset
            ends = [0.0, 0.0]  # where the next positive and the next negative part start
            for term, (_, colour) in TERMS.items():
                value = means.get((name, objective, term), 0.0)
                side = int(value < 0)
                axes.barh(height, value, 0.3, left=ends[side], color=colour, lw=0)
                ends[side] += value
            total = means.get((name, objective, "bound_gap"))
            if total is not None:
                axes.plot(total, height, marker="o", ms=3.8, mew=0.9, mec="black", clip_on=False, zorder=3,
                          mfc="black" if FILLED[objective] else "white")  # fmt: skip
            _note_diverged(axes, part, name, objective, height)
    axes.axvline(0, color=MUTED, lw=0.6)
    axes.use_sticky_edges = False  # markers at the ends of bars stay inside
    axes.autoscale_view()


def _note_absent(column: Iterable[plt.Axes], rows: Sequence[int]) -> None:
    """Say of rows without a marker that they are not part of the grid."""
    for axes in column if rows else ():
        axes.text(0.5, float(np.mean(rows)), "not in the grid\nof these data", ha="center", va="center", color=MUTED,
                  fontsize=7, fontstyle="italic", transform=axes.get_yaxis_transform())  # fmt: skip


def _note_diverged(axes: plt.Axes, part: pd.DataFrame, name: str, objective: str, height: float) -> None:
    """A dagger with the number of diverged replicas, right of the panel in the row of its cell."""
    rows = part[(part["aggregator"] == name) & (part["objective"] == objective) & (part["metric"] == "diverged")]
    count = int((rows["value"] != 0).sum())
    if count:
        axes.annotate(f"†{count}", (1.015, height), xycoords=("axes fraction", "data"), va="center", color=ALARM,
                      fontsize=7, annotation_clip=False)  # fmt: skip


F2_LINEAR_GAP = Drawing(data, plot)
