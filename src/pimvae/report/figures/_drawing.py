"""What every figure shares: its two functions, its lines and legend of methods, and a note where nothing was run."""

__all__ = ["Drawing", "broken_label", "empty_figure", "intervals", "line_handle", "line_style",
           "objective_handles"]  # fmt: skip

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pimvae.claims.statistics import mean_interval
from pimvae.config.catalogue import PRIVATE, catalogue
from pimvae.report.style import MUTED, figure, hide_frame

FILLED = {"masked": True, "mixture": False}  # markers: filled for masked, open for the others


@dataclass(frozen=True)
class Drawing:
    """A figure: the table behind it, how it is drawn, and what is said where the table has no row."""

    data: Callable[..., pd.DataFrame]
    draw: Callable[[pd.DataFrame], Figure]
    nothing: str = "experiment not run at this scale"

    def plot(self, table: pd.DataFrame) -> Figure:
        """The figure of a table."""
        return empty_figure(self.nothing) if table.empty else self.draw(table)


def empty_figure(reason: str) -> Figure:
    """A small figure that says why there is nothing to see."""
    drawn = figure(0.8)
    axes = drawn.subplots()
    hide_frame(axes)
    axes.text(0.5, 0.5, reason, ha="center", va="center", color=MUTED, transform=axes.transAxes)
    return drawn


def intervals(rows: pd.DataFrame, keys: Sequence[str]) -> Iterator[list[Any]]:
    """Rows of a table, sorted: ``keys``, mean over seeds with the ends of its 95% interval, and how many seeds."""
    for key, part in rows.groupby(list(keys)):
        estimate = mean_interval(part["value"].tolist())
        yield [*key, estimate.mean, estimate.low, estimate.high, estimate.count]


def line_style(name: str) -> str:
    """Dashed for aggregators with private latents."""
    return "--" if name.startswith(PRIVATE) else "-"


def line_handle(name: str, size: float = 0.0) -> Line2D:
    """Legend entry of an aggregator whose values are joined by a line, with its marker where that has a size."""
    look = catalogue().aggregator(name)
    marker: dict[str, Any] = {"marker": look.marker, "ms": size, "lw": 0.9} if size else {}
    return Line2D([], [], color=look.colour, ls=line_style(name), label=look.short, **marker)


def broken_label(name: str, longest: int) -> str:
    """Short label of an aggregator in two lines: at its space, or before its last capital from so many letters on."""
    label = catalogue().aggregator(name).short
    if " " in label or len(label) < longest:
        return label.replace(" ", "\n", 1)
    last = max(index for index, letter in enumerate(label) if letter.isupper())
    return f"{label[:last]}\n{label[last:]}".lstrip("\n")


def objective_handles(objectives: Sequence[str]) -> list[Line2D]:
    """Legend entries: filled marker for masked, open marker for the others."""
    return [
        Line2D([], [], ls="none", marker="o", ms=4.5, mec=MUTED, mew=0.9, mfc=MUTED if FILLED.get(name) else "white",
               label=f"{catalogue().look('objectives', name).label} bound")
        for name in objectives
    ]  # fmt: skip
