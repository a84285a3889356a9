"""F4: recovery of the latents by the number of modalities that are given."""

__all__ = ["F4_RECOVERY"]

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pimvae.claims.selection import drop_diverged, select
from pimvae.config.catalogue import catalogue
from pimvae.report.figures._drawing import Drawing, intervals, line_handle
from pimvae.report.grid import in_grid
from pimvae.report.style import MUTED, figure
from pimvae.results.files import Results

EXPERIMENT, METRIC = "multimodal", "mcc_strong_mean"
UNIT = ["dataset", "prior", "objective", "aggregator", "given"]
SPREAD = 0.36  # modalities over which the methods of one panel are set side by side
CHANCE = {"linear_mix": "--", "label_code": ":"}  # codes from which no coordinate can be read, as lines


def data(results: Results) -> pd.DataFrame:
    """Mean and 95% interval over seeds of the strong MCC of posterior means, held out.

    Random codes stand in the place of aggregators, with no bound, no prior, and 0 modalities given.
    """
    rows = select(
        in_grid(drop_diverged(results.metrics)), {"experiment": EXPERIMENT, "metric": METRIC, "split": "test"}
    )
    rows = rows[rows["subset"].astype(str).str.startswith("size") & np.isfinite(rows["value"].astype(float))]
    rows = rows.assign(given=rows["subset"].astype(str).str.removeprefix("size").astype(int))
    wanted = {"experiment": EXPERIMENT, "metric": METRIC, "split": "test", "subset": "all", "baseline": [*CHANCE]}
    codes = select(results.baselines, {**wanted, "dataset": [*rows["dataset"].unique()]})
    codes = codes.assign(prior="", objective="", aggregator=codes["baseline"], given=0)
    found = pd.DataFrame([*intervals(rows, UNIT), *intervals(codes, UNIT)],
                         columns=[*UNIT, "mean", "low", "high", "seeds"])  # fmt: skip
    # An MCC lies between 0 and 1.
    return found.assign(low=found["low"].clip(lower=0), high=found["high"].clip(upper=1))


def plot(table: pd.DataFrame) -> Figure:
    """A row per data set, a column per bound and prior; one line per aggregator, intervals over seeds as bars.

    Grey lines across a panel: random codes.
    """
    chance, table = table[table["given"] == 0], table[table["given"] > 0]
    datasets = catalogue().order("datasets", table["dataset"])
    columns = [(objective, prior) for prior in catalogue().order("priors", table["prior"])
               for objective in catalogue().order("objectives", table["objective"])]  # fmt: skip
    methods = catalogue().order("aggregators", table["aggregator"])
    drawn = figure(0.8 + 1.2 * len(datasets))
    axes = drawn.subplots(len(datasets), len(columns), sharex=True, sharey=True, squeeze=False)
    for row, dataset in enumerate(datasets):
        for column, (objective, prior) in enumerate(columns):
            part = select(table, {"dataset": dataset, "objective": objective, "prior": prior})
            _panel(axes[row, column], part)
            for code in chance[chance["dataset"] == dataset].to_dict("records"):
                axes[row, column].axhline(code["mean"], color=MUTED, lw=0.8, ls=CHANCE[code["aggregator"]], zorder=1)
        label = catalogue().look("datasets", dataset).label.replace(", ", ",\n")
        axes[row, 0].set_ylabel(f"{label}\nMCC", linespacing=1.3)
    for panel, (objective, prior) in zip(axes[0], columns, strict=True):
        names = [catalogue().look("objectives", objective).label, catalogue().look("priors", prior).label]
        panel.set_title(f"{names[0]} bound,\n{names[1]}", fontweight="bold")
    for panel in axes[-1]:
        panel.set_xlabel("modalities given")
        panel.set_xticks(sorted(set(table["given"].astype(int).tolist())))
    handles = [line_handle(name, 3) for name in methods]
    handles += [Line2D([], [], color=MUTED, lw=0.8, ls=style, label=catalogue().look("baselines", name).label)
                for name, style in CHANCE.items() if name in set(chance["aggregator"])]  # fmt: skip
    drawn.legend(handles=handles, loc="outside lower center", ncols=(len(handles) + 1) // 2)
    return drawn


def _panel(axes: plt.Axes, part: pd.DataFrame) -> None:
    axes.grid(axis="y")
    methods = catalogue().order("aggregators", part["aggregator"])
    shifts = np.linspace(-SPREAD / 2, SPREAD / 2, len(methods)) if len(methods) > 1 else [0.0]
    for name, shift in zip(methods, shifts, strict=True):
        rows = part[part["aggregator"] == name].sort_values("given")
        look = catalogue().aggregator(name)
        place = rows["given"] + shift
        axes.vlines(place, rows["low"], rows["high"], color=look.colour, lw=0.8, alpha=0.6)
        axes.plot(place, rows["mean"], color=look.colour, marker=look.marker, ms=3, lw=0.9)


F4_RECOVERY = Drawing(data, plot, "experiment not run at this scale, or too few samples")
