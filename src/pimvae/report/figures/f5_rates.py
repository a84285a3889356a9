"""F5: rates and distortions of images and text over β."""

__all__ = ["F5_RATES"]

import math

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pimvae.claims.selection import drop_diverged, select
from pimvae.config.catalogue import PRIVATE, catalogue
from pimvae.report.figures._drawing import Drawing, line_handle, line_style
from pimvae.report.grid import in_grid
from pimvae.report.style import MUTED, figure, log_axis
from pimvae.results.files import Results

EXPERIMENT = "images"
KINDS = {"full": ("rate", "reconstruction"), "cross": ("cross_rate", "reconstruction_cross")}
UNIT = ["kind", "aggregator", "objective", "beta"]
ROWS = 3  # of the legend
SMALLEST, GROWTH = 2.4, 1.5  # marker sizes: the first β, and what each further one adds


def data(results: Results) -> pd.DataFrame:
    """Means over seeds of rate and distortion (minus the reconstruction) in nats, full and across modalities."""
    rows = select(in_grid(drop_diverged(results.metrics)), {"experiment": EXPERIMENT, "split": "test"})
    found = []
    for kind, names in KINDS.items():
        part = select(rows, {"metric": list(names)})
        for (aggregator, objective, beta), cell in part.groupby(["aggregator", "objective", "beta"]):
            means = cell.groupby("metric")["value"].mean()
            if set(names) <= set(means.index):
                found.append([kind, aggregator, objective, beta, means[names[0]], -means[names[1]],
                              cell["seed"].nunique()])  # fmt: skip
    return pd.DataFrame(found, columns=[*UNIT, "rate", "distortion", "seeds"])


def plot(table: pd.DataFrame) -> Figure:
    """A row for full and cross, a column per bound; one curve per aggregator, its points the values of β."""
    objectives = catalogue().order("objectives", table["objective"])
    kinds = [kind for kind in KINDS if (table["kind"] == kind).any()]
    drawn = figure(0.9 + 1.75 * len(kinds))
    axes = drawn.subplots(len(kinds), len(objectives), sharex="row", sharey="row", squeeze=False)
    for row, kind in enumerate(kinds):
        for column, objective in enumerate(objectives):
            _panel(axes[row, column], select(table, {"kind": kind, "objective": objective}))
            axes[row, column].set_xlabel(f"{kind} rate (nats)")
            log_axis(axes[row, column])  # rates of a short training differ by orders of magnitude
        axes[row, 0].set_ylabel(f"{kind} distortion (nats)")
    for panel, objective in zip(axes[0], objectives, strict=True):
        panel.set_title(f"{catalogue().look('objectives', objective).label} bound", fontweight="bold")
    order = catalogue().order("aggregators", table["aggregator"])
    handles = [line_handle(name, 3.5) for name in order]
    for name, handle in zip(order, handles, strict=True):
        handle.set_markerfacecolor("white" if name.startswith(PRIVATE) else handle.get_color())
    handles += [Line2D([], [], ls="none", label=" ")] * (-len(handles) % ROWS)  # β has a column of its own
    handles += [Line2D([], [], ls="none", marker="o", color=MUTED, ms=size, label=rf"$\beta={beta:g}$")
                for beta, size in _sizes(table).items()]  # fmt: skip
    drawn.legend(handles=handles, loc="outside lower center", ncols=math.ceil(len(handles) / ROWS))
    return drawn


def _sizes(table: pd.DataFrame) -> dict[float, float]:
    return {beta: SMALLEST + GROWTH * place for place, beta in enumerate(sorted(set(table["beta"])))}


def _panel(axes: plt.Axes, part: pd.DataFrame) -> None:
    axes.grid()
    sizes = _sizes(part)
    for name in catalogue().order("aggregators", part["aggregator"]):
        rows = part[part["aggregator"] == name].sort_values("beta")
        look = catalogue().aggregator(name)
        axes.plot(rows["rate"], rows["distortion"], color=look.colour, lw=0.9, ls=line_style(name))
        face = "white" if name.startswith(PRIVATE) else look.colour
        for _, point in rows.iterrows():
            axes.plot(point["rate"], point["distortion"], color=look.colour, marker=look.marker, mfc=face,
                      ms=sizes[point["beta"]], mew=0.8)  # fmt: skip


F5_RATES = Drawing(data, plot, "images: not run at this scale")
