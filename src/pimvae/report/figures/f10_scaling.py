"""F10: quality and cost against the number of modalities."""

__all__ = ["F10_SCALING"]

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pimvae.claims.selection import drop_diverged, select
from pimvae.config.catalogue import catalogue
from pimvae.report.figures._drawing import Drawing, intervals, line_handle, objective_handles
from pimvae.report.style import MUTED, figure
from pimvae.results.files import Results

EXPERIMENT, PREFIX = "scaling", "views_"
SCORES = {"ceiling_gap": "gap to the true model (nats)", "mcc_strong_mean": "MCC, strong"}
COSTS = {"ms_per_step": "ms per step and replica", "memory_mib": "memory (MiB)"}
PANELS = {**SCORES, **COSTS}
KEYS = ["aggregator", "objective", "modalities"]
SUBSETS = "mopoe"  # the scheme with a component per subset


def data(results: Results) -> pd.DataFrame:
    """Mean and 95% interval over seeds of the scores, held out; time per step and peak memory of each training."""
    metrics = select(drop_diverged(results.metrics), {"experiment": EXPERIMENT, "split": "test", "subset": "all"})
    scores = intervals(select(metrics, {"metric": [*SCORES]}), ["dataset", "aggregator", "objective", "metric"])
    rows = [[aggregator, objective, _count(dataset), metric, *ends]
            for dataset, aggregator, objective, metric, *ends, _ in scores]  # fmt: skip
    for run in select(results.runs, {"experiment": EXPERIMENT}).to_dict("records"):
        for cost in COSTS:
            value = run.get(cost, np.nan)
            rows.append([run["aggregator"], run["objective"], _count(run["dataset"]), cost, value, value, value])
    found = pd.DataFrame(rows, columns=[*KEYS, "panel", "mean", "low", "high"])
    return found[np.isfinite(found["mean"].astype(float))].reset_index(drop=True)


def _count(dataset: str) -> int:
    return int(dataset.removeprefix(PREFIX))


def plot(table: pd.DataFrame) -> Figure:
    """One panel per score and cost, one line per scheme and bound; dashed: growth in proportion to 2^M."""
    drawn = figure(2.3)
    drawn.get_layout_engine().set(w_pad=0.08)
    axes = drawn.subplots(1, len(PANELS))
    counts = sorted(table["modalities"].unique())
    for panel, (name, label) in zip(axes, PANELS.items(), strict=True):
        _panel(panel, table[table["panel"] == name], name)
        panel.set_ylabel(label)
        panel.set_xscale("log", base=2)
        panel.set_xticks(counts, [str(count) for count in counts])
        panel.minorticks_off()
        panel.set_xlabel("modalities")
    methods = catalogue().order("aggregators", table["aggregator"])
    handles = [line_handle(name, 3.6) for name in methods]
    handles += objective_handles(catalogue().order("objectives", table["objective"]))
    if SUBSETS in methods:
        handles.append(Line2D([], [], color=MUTED, ls="--", lw=0.9, label=r"in proportion to $2^M$"))
    drawn.legend(handles=handles, loc="outside lower center", ncols=4)
    return drawn


def _panel(axes: plt.Axes, part: pd.DataFrame, name: str) -> None:
    axes.grid(axis="y")
    for (aggregator, objective), rows in part.groupby(["aggregator", "objective"]):
        look, rows = catalogue().aggregator(aggregator), rows.sort_values("modalities")
        face = look.colour if objective == "masked" else "white"
        style = "-" if objective == "masked" else ":"
        axes.vlines(rows["modalities"], rows["low"], rows["high"], color=look.colour, lw=0.7, alpha=0.6)
        axes.plot(rows["modalities"], rows["mean"], color=look.colour, marker=look.marker, mfc=face, ms=3.6, lw=0.9,
                  ls=style)  # fmt: skip
    if name == "mcc_strong_mean":
        axes.set_ylim(0, 1)  # a Student interval of two seeds can leave what a correlation can be
    if name == "ms_per_step":
        axes.set_yscale("log")
        _exponential(axes, part)


def _exponential(axes: plt.Axes, part: pd.DataFrame) -> None:
    """What a component per subset comes to, from the largest number of modalities that was run."""
    rows = part[part["aggregator"] == SUBSETS].sort_values("modalities")
    if rows.empty:
        return
    limits, last = axes.get_ylim(), rows.iloc[-1]
    end = min(last["modalities"] + np.log2(3 * limits[1] / last["mean"]), part["modalities"].max())
    reach = np.linspace(last["modalities"], max(end, last["modalities"]), 20)
    axes.plot(reach, last["mean"] * 2.0 ** (reach - last["modalities"]), color=MUTED, ls="--", lw=0.9)


F10_SCALING = Drawing(data, plot)
