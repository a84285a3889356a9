"""How a comparison of two runs is shown: lines, a table and a figure."""

__all__ = ["equal_numbers", "equal_verdicts", "figure_of", "lines_of", "note_of", "table_of"]

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pimvae.config.catalogue import catalogue
from pimvae.report.comparison import DIFFERS, IDENTICAL, LOST, NEW, OPEN, SAME, SMALL, UNIT, VERDICTS
from pimvae.report.figures._drawing import empty_figure
from pimvae.report.latex import escape
from pimvae.report.style import ALARM, GRID, MUTED, figure
from pimvae.report.table import Part, Table

COLOURS = {IDENTICAL: MUTED, SAME: "#0072B2", SMALL: "#9A7400", DIFFERS: ALARM}
NOT_RUN = "not run"  # the verdict on a claim whose experiment a run left out
FIRST = ("train.steps", "data.samples", "seeds")  # of differing settings, those that are named
LISTED = 10  # differing numbers that are named
LIMIT = 100.0  # intervals beyond which a point is drawn at the edge


def lines_of(numbers: pd.DataFrame, claims: pd.DataFrame) -> list[str]:
    """The result in words: claims side by side, the largest differences; the last two lines sum up both."""
    lines = [f"{row.claim:4} fresh: {row.fresh:13}  shipped: {row.shipped:13}  {row.short}"
             for row in claims.itertuples()]  # fmt: skip
    worst = numbers[numbers["verdict"] == DIFFERS]
    worst = worst.iloc[np.argsort(-_in_intervals(worst).abs().to_numpy(), kind="stable")]
    for row in worst.head(LISTED).to_dict("records"):
        place = " ".join(str(row[key]) for key in UNIT)
        lines.append(f"differs: {place}: {row['fresh']:.6g} fresh, {row['shipped']:.6g} shipped")
    return [*lines, equal_verdicts(claims), _summary(numbers)]


def _summary(numbers: pd.DataFrame) -> str:
    counts = numbers["verdict"].value_counts()
    found = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts.get(name))
    judged = sum(counts.get(name, 0) for name in (SAME, SMALL, DIFFERS))
    beyond = sum(counts.get(name, 0) for name in (SMALL, DIFFERS))
    chance = f"; {beyond} of {judged} beyond seed noise, {0.05 * judged:.0f} would be by chance" if judged else ""
    return f"{len(numbers)} numbers: {found or 'none'}{chance}"


def note_of(settings: pd.DataFrame, fresh: object, shipped: object) -> list[str]:
    """One line that two runs are of other settings, as those of two scales are; none if they are of the same."""
    if settings.empty:
        return []
    settings = settings.assign(key=settings["key"].str.removeprefix("cell."))
    keys = sorted(settings["key"].unique(), key=lambda key: (FIRST.index(key) if key in FIRST else len(FIRST), key))
    firsts = settings.drop_duplicates("key").set_index("key")
    named = [f"{key} {firsts['value_fresh'][key]} fresh, {firsts['value_shipped'][key]} shipped" for key in keys[:2]]
    more = [f"{len(keys) - 2} more"] if len(keys) > 2 else []
    return [f"note: {fresh} and {shipped} differ in settings, as two scales do: {'; '.join([*named, *more])}"]


def equal_verdicts(claims: pd.DataFrame) -> str:
    """``equal verdicts: n of n``: of the claims that both runs examined; then those with other verdicts."""
    examined = claims[(claims[["fresh", "shipped"]] != NOT_RUN).all(axis=1)]
    other = examined[examined["fresh"] != examined["shipped"]]
    rest = len(claims) - len(examined)
    left_out = f" ({rest} not examined by both)" if rest else ""
    named = f"; other: {', '.join(other['claim'])}" if len(other) else ""
    return f"equal verdicts: {len(examined) - len(other)} of {len(examined)}{left_out}{named}"


def equal_numbers(numbers: pd.DataFrame) -> str:
    """``n of n numbers equal``: of those that both runs have, to the relative tolerance of `comparison.TOLERANCE`."""
    both = numbers[~numbers["verdict"].isin([NEW, LOST])]
    return f"{(both['verdict'] == IDENTICAL).sum():,} of {len(both):,} numbers equal"


def table_of(numbers: pd.DataFrame) -> Table:
    """Data sets in rows, how many of their numbers got each verdict."""
    shown = [name for name in VERDICTS if (numbers["verdict"] == name).any()]
    rows = []
    for dataset in catalogue().order("datasets", numbers["dataset"]):
        counts = numbers.loc[numbers["dataset"] == dataset, "verdict"].value_counts()
        cells = [escape(catalogue().look("datasets", dataset).label), str(counts.sum())]
        rows.append([*cells, *(str(counts.get(name, 0)) for name in shown)])
    return Table("l" + "r" * (1 + len(shown)), [["", "numbers", *map(escape, shown)]], [Part(rows)])


def figure_of(numbers: pd.DataFrame) -> Figure:
    """Every number as a point: its difference in units of the ± that the tables print, a row for each metric."""
    judged = numbers[numbers["verdict"].isin([*COLOURS, OPEN])]
    if judged.empty:
        return empty_figure("the two runs have no number in common")
    metrics = [name for name in catalogue().entries["metrics"] if (judged["metric"] == name).any()]
    metrics += sorted(set(judged["metric"]) - set(metrics))
    experiments = list(dict.fromkeys(judged["experiment"]))
    drawn = figure(0.9 + 0.16 * len(metrics))
    panels = drawn.subplots(1, len(experiments), sharex=True, sharey=True, squeeze=False)[0]
    for panel, experiment in zip(panels, experiments, strict=True):
        _panel(panel, judged[judged["experiment"] == experiment], metrics)
        panel.set_title(experiment, fontweight="bold")
    panels[0].set_yticks(range(len(metrics)), [_label(name) for name in metrics])
    panels[0].set_ylim(len(metrics) - 0.5, -0.5)
    drawn.supxlabel("fresh minus shipped, in half-widths of the shipped interval over seeds", fontsize=8)
    handles = [Line2D([], [], ls="none", marker="o", ms=3, color=colour, label=name) for name, colour in
               COLOURS.items() if (judged["verdict"] == name).any()]  # fmt: skip
    drawn.legend(
        handles=handles, loc="outside upper center", ncols=len(COLOURS),
        title=equal_numbers(numbers), title_fontproperties={"weight": "bold", "size": 9},
    )  # fmt: skip
    return drawn


def _panel(panel: plt.Axes, rows: pd.DataFrame, metrics: list[str]) -> None:
    panel.axvspan(-1, 1, color=GRID, alpha=0.5, lw=0)
    panel.axvline(0, color=MUTED, lw=0.6)
    for name, colour in COLOURS.items():
        part = rows[rows["verdict"] == name]
        heights = part["metric"].map(metrics.index)
        panel.plot(_in_intervals(part), heights, "o", ms=2, color=colour, alpha=0.5, mew=0)
    panel.set_xscale("symlog", linthresh=1)
    panel.set_xlim(-1.2 * LIMIT, 1.2 * LIMIT)
    panel.set_xticks([-LIMIT, -1, 0, 1, LIMIT], ["−100", "−1", "0", "1", "100"])
    panel.minorticks_off()


def _in_intervals(rows: pd.DataFrame) -> pd.Series:
    """Difference over the half-width of the shipped interval, at most ``LIMIT``; 0 for no difference."""
    ratio = rows["difference"] / rows["seed_half"].where(rows["seed_half"] > 0)
    ratio = ratio.fillna(np.sign(rows["difference"]) * LIMIT)
    return ratio.clip(-LIMIT, LIMIT)


def _label(metric: str) -> str:
    listed = catalogue().entries["metrics"]
    return catalogue().metric(metric).label if metric in listed else metric
