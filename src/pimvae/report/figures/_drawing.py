"""What every figure shares: its two functions, its legend of methods, and a note where nothing was run."""

__all__ = ["Drawing", "empty_figure", "method_label", "objective_handles"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pimvae.config.catalogue import catalogue
from pimvae.report.style import MUTED, figure, hide_frame

FILLED = {"masked": True, "mixture": False}  # markers: filled for masked, open for the others


@dataclass(frozen=True)
class Drawing:
    """A figure: the table behind it and how it is drawn."""

    data: Callable[..., pd.DataFrame]
    plot: Callable[[pd.DataFrame], Figure]


def empty_figure(reason: str) -> Figure:
    """A small figure that says why there is nothing to see."""
    drawn = figure(0.8)
    axes = drawn.subplots()
    hide_frame(axes)
    axes.text(0.5, 0.5, reason, ha="center", va="center", color=MUTED, transform=axes.transAxes)
    return drawn


def method_label(name: str) -> str:
    """Label of an aggregator on an axis."""
    return catalogue().aggregator(name).short


def objective_handles(objectives: Sequence[str]) -> list[Line2D]:
    """Legend entries: filled marker for masked, open marker for the others."""
    return [
        Line2D([], [], ls="none", marker="o", ms=4.5, mec=MUTED, mew=0.9, mfc=MUTED if FILLED.get(name) else "white",
               label=f"{catalogue().look('objectives', name).label} bound")
        for name in objectives
    ]  # fmt: skip
