"""F11: distance to the exact answer against the number of steps, per aggregator and bound, simple models as lines."""

__all__ = ["F11_BUDGET"]

import math

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from pimvae.claims.selection import drop_diverged, select
from pimvae.config.catalogue import catalogue
from pimvae.report.figures._drawing import FILLED, Drawing, empty_figure, line_handle, line_style
from pimvae.report.style import MUTED, figure, log_axis
from pimvae.results.files import CELL, Results

COLUMNS = 5
PANEL = ["experiment", "dataset", "prior"]
EXACT = {  # experiment: metric and split that tell the distance, and its unit
    "linear": ("llh_gap", "train", "LLH gap (%)"),
    "bimodal": ("ceiling_gap", "test", "nats to the truth"),
    "multimodal": ("ceiling_gap", "test", "nats to the truth"),
    "images": ("llh", "test", "nats to the best"),
}
LINES = {  # simple models that are drawn, those of one experiment with styles of their own
    "no_latent": ":", "independent": ":", "gaussian": "--", "ppca": "-.", "gaussian_mixture": "-",
    "class_conditional": "--",
}  # fmt: skip
FLOOR = 1e-4  # smallest distance that is drawn: below lies rounding
BEYOND = 10  # times the greatest simple model, at which a panel ends: one scheme that exploded must not hide the rest


def data(results: Results) -> pd.DataFrame:
    """Mean distance over seeds and steps done, per cell and share of the steps; ``name`` is empty for cells."""
    shown = [name for name in FILLED if name in set(results.budget["objective"])]
    trained = select(drop_diverged(results.budget), {"objective": shown, "beta": 1})
    trained = trained.merge(results.runs[[*CELL, "steps"]], on=CELL)
    trained = trained.assign(steps=(trained["share"] * trained["steps"]).round(), name="")
    simple = select(results.baselines, {"baseline": [*LINES]})
    simple = simple.assign(steps=math.nan, name=simple["baseline"])
    found = []
    for experiment, (metric, split, _) in EXACT.items():
        wanted = {"experiment": experiment, "metric": metric, "split": split, "subset": "all"}
        rows = pd.concat([select(trained, wanted), select(simple, wanted)], ignore_index=True)
        values = rows["value"] * catalogue().metric(metric).factor
        if metric == "llh" and len(rows):  # no exact answer: the best cell, seed by seed
            values = rows["seed"].map(rows.groupby("seed")["value"].max()) - rows["value"]
        found.append(rows.assign(distance=values))
    rows = pd.concat(found, ignore_index=True)
    keys = ["experiment", "dataset", "prior", "name", "aggregator", "objective", "steps"]
    return rows.groupby(keys, sort=False, dropna=False)["distance"].agg(["mean", "count"]).reset_index()


def plot(table: pd.DataFrame) -> Figure:
    """Panels of one data set and prior each, for the masked bound above those for the mixture bound."""
    named = table["name"].astype(object)  # an empty column of a CSV is one of numbers
    table = table.assign(name=named.where(named.notna(), ""))
    cells = table[table["name"] == ""]
    if cells.empty or cells.groupby([*PANEL, "aggregator", "objective"])["steps"].nunique().max() < 2:
        return empty_figure("metrics were taken at one number of steps only")
    panels = list(cells[PANEL].drop_duplicates().itertuples(index=False, name=None))
    objectives = [name for name in FILLED if name in set(cells["objective"])]
    bands = -(-len(panels) // COLUMNS)
    drawn = figure(0.7 + 1.28 * bands * len(objectives))
    axes = drawn.subplots(bands * len(objectives), COLUMNS, squeeze=False)
    for place, panel in enumerate(panels):
        column = axes[place // COLUMNS * len(objectives) :, place % COLUMNS][: len(objectives)]
        _panel(column, table, panel, objectives)
    for spare in axes.flat:
        if not spare.has_data():
            spare.remove()
    methods = catalogue().order("aggregators", cells["aggregator"])
    lines = [name for name in LINES if name in set(table["name"])]
    handles = [line_handle(name) for name in methods]
    handles += [Line2D([], [], color=MUTED, lw=0.9, ls=LINES[name], label=catalogue().look("baselines", name).label)
                for name in lines]  # fmt: skip
    drawn.legend(handles=handles, loc="outside lower center", ncols=min(5, len(handles)))
    return drawn


def _panel(column: list[plt.Axes], table: pd.DataFrame, panel: tuple[str, ...], objectives: list[str]) -> None:
    """One panel per bound, on common axes."""
    experiment, dataset, prior = panel
    cells = select(table, {**dict(zip(PANEL, panel, strict=True)), "name": ""})
    simple = table[(table["experiment"] == experiment) & (table["dataset"] == dataset) & (table["name"] != "")]
    for axes, objective in zip(column, objectives, strict=True):
        _curves(axes, cells[cells["objective"] == objective])
        for name, height in zip(simple["name"], simple["mean"], strict=True):
            if height > FLOOR:
                axes.axhline(height, color=MUTED, lw=0.7, ls=LINES[name], zorder=1)
        axes.set_ylabel(f"{catalogue().look('objectives', objective).label}\n{EXACT[experiment][2]}", fontsize=7)
    lines = simple.loc[simple["mean"] > FLOOR, "mean"]
    heights = pd.concat([cells["mean"], lines]).clip(lower=FLOOR)
    top = min(heights.max() * 1.3, BEYOND * lines.max()) if len(lines) else heights.max() * 1.3
    for axes in column:
        axes.set(xscale="log", ylim=(heights.min() / 1.3, max(top, heights.min() * 1.3)))
        log_axis(axes, "y")
        _step_axis(axes, sorted(cells["steps"].unique()))
    label = catalogue().look("datasets", dataset).label
    priors = "" if prior == "standard" else f", {catalogue().look('priors', prior).label}"
    column[0].set_title(f"{label}{priors}".replace(", ", ",\n").replace(" and", "\nand"), fontweight="bold")
    column[-1].set_xlabel("steps")


def _curves(axes: plt.Axes, cells: pd.DataFrame) -> None:
    axes.grid(axis="y")
    for name in catalogue().order("aggregators", cells["aggregator"]):
        rows = cells[cells["aggregator"] == name].sort_values("steps")
        look = catalogue().aggregator(name)
        axes.plot(
            rows["steps"], rows["mean"].clip(lower=FLOOR), color=look.colour, ls=line_style(name), marker="o", ms=2
        )


def _step_axis(axes: plt.Axes, steps: list[float]) -> None:
    """Ticks at the numbers of steps that were measured."""
    axes.set_xticks(steps, [f"{step:g}" for step in steps])
    axes.xaxis.set_minor_locator(LogLocator(subs=()))
    axes.xaxis.set_minor_formatter(NullFormatter())


F11_BUDGET = Drawing(data, plot)
