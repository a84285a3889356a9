"""Look of all figures: sizes from the text width of the paper, legible at print size, the same bytes every time."""

__all__ = ["ALARM", "MUTED", "TEXT_WIDTH", "figure", "hide_frame", "log_axis", "save", "use_style"]

import os
from pathlib import Path
from typing import Literal

import matplotlib

matplotlib.use("Agg")  # no display needed

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, LogLocator, NullLocator

from pimvae.files import replacing

TEXT_WIDTH = 6.5  # inches, \textwidth of paper/main.tex
LOOK = matplotlib.rc_params_from_file(Path(__file__).with_suffix(".mplstyle"), use_default_template=False)
MUTED, GRID = LOOK["axes.edgecolor"], LOOK["grid.color"]
ALARM = "#B00020"


def use_style() -> None:
    """Set the style for every figure that follows."""
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(LOOK)


def figure(height: float, width: float = TEXT_WIDTH) -> Figure:
    """An empty figure in this style, in inches, laid out by matplotlib's constrained layout."""
    use_style()
    return plt.figure(figsize=(width, height), layout="constrained")


def log_axis(axes: plt.Axes, which: Literal["x", "y"] = "x") -> None:
    """Logarithmic axis with plain numbers, 1-2-5 where it spans little and powers of ten where it spans much."""
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    subs = (1.0, 2.0, 5.0) if decades < 1.7 else (1.0, 3.0) if decades < 2.5 else (1.0,)
    axis.set_major_locator(LogLocator(base=10, subs=subs))
    axis.set_minor_locator(NullLocator())
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axis.set_major_formatter(LogFormatterMathtext() if decades > 4 else plain)


def hide_frame(axes: plt.Axes) -> None:
    """Leave only what is drawn: no ticks, no spines."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def save(drawn: Figure, folder: Path, name: str) -> None:
    """Write ``name.pdf`` and ``name.png``; with the same data and library versions the bytes are the same."""
    os.environ.setdefault("SOURCE_DATE_EPOCH", "0")  # read by the PDF writer in place of the clock
    for kind, metadata in (("pdf", {"Creator": None, "Producer": None}), ("png", {"Software": None})):
        with replacing(folder / f"{name}.{kind}") as temporary:
            drawn.savefig(temporary, format=kind, metadata=metadata)
    plt.close(drawn)
