"""Triples of a digit, a house number and a word as small pictures: reading, a table of them, tiles."""

__all__ = ["COLUMNS", "LONGEST", "empty_tile", "encoded", "tile", "tile_figure", "triples"]

import math
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pimvae.report.figures._examples import Arrays, cells_with_examples
from pimvae.report.grid import in_grid
from pimvae.report.style import figure, hide_frame
from pimvae.results.files import Results

EXPERIMENT = "images"
COLUMNS = ["mnist", "svhn", "text"]  # of the tables: bytes of the pixels as hexadecimal digits, and the text
ARRAYS = ["given", *(f"{prefix}_{name}" for prefix in ("true", "given", "prior") for name in COLUMNS)]
LONGEST = 10  # letters of a name that stands in one line above a column of tiles
GAP, TEXT_ROOM = 0.08, 0.42  # in heights of a picture
LEFT, TOP, LINE, BETWEEN = 0.34, 0.3, 0.4, 0.08  # inches: row labels, headings, one row, space between blocks


def triples(results: Results) -> Iterator[tuple[str, str, Arrays]]:
    """Aggregator, bound and pictures of every cell whose first seed has any; ``given`` is [7, 3]."""
    runs = in_grid(results.runs[results.runs["experiment"] == EXPERIMENT])
    for cell, pictures in cells_with_examples(results, runs, ARRAYS):
        yield cell["aggregator"], cell["objective"], pictures


def encoded(pictures: Arrays, prefix: str, *index: int) -> list[str]:
    """One triple as the entries of a table."""
    mnist, svhn, text = (pictures[f"{prefix}_{name}"][index] for name in COLUMNS)
    return [mnist.astype(np.uint8).tobytes().hex(), svhn.astype(np.uint8).tobytes().hex(), str(text)]


def empty_tile(axes: plt.Axes) -> None:
    """The room of a tile."""
    hide_frame(axes)
    axes.set(aspect="equal", xlim=(0, 2 + GAP), ylim=(-TEXT_ROOM, 1))


def tile(axes: plt.Axes, row: pd.Series, shown: str = "MST") -> None:
    """The digit, the house number beside it and the word below; what is not in ``shown`` is left grey."""
    for place, (letter, name, channels) in enumerate((("M", "mnist", 1), ("S", "svhn", 3))):
        left = place * (1 + GAP)
        picture = _picture(row[name], channels) if letter in shown else np.full((1, 1, 3), 0.9)
        axes.imshow(picture, extent=(left, left + 1, 0, 1), vmin=0, vmax=1, interpolation="nearest")
    text = row["text"] if "T" in shown else ""
    axes.text(1 + GAP / 2, -0.06, text, ha="center", va="top", fontsize=7, family="DejaVu Sans Mono",
              parse_math=False)  # fmt: skip
    empty_tile(axes)  # last: pictures set limits of their own


def _picture(pixels: str, channels: int) -> np.ndarray:
    """[row, column, 3] in [0, 1]; digits dark on white."""
    values = np.frombuffer(bytes.fromhex(pixels), np.uint8).astype(float) / 255
    side = math.isqrt(len(values) // channels)
    picture = values.reshape(channels, side, side).transpose(1, 2, 0)
    return picture if channels == 3 else np.repeat(1 - picture, 3, axis=-1)


def tile_figure(blocks: int, rows: int, columns: int) -> tuple[Figure, np.ndarray]:
    """A figure of ``blocks`` blocks of rows with space between them, and its axes [blocks, rows, columns]."""
    height = TOP + blocks * rows * LINE + (blocks - 1) * BETWEEN
    drawn = figure(height)
    drawn.set_layout_engine("none")
    edge = {"left": LEFT / drawn.get_figwidth(), "right": 0.998, "wspace": 0.09, "hspace": 0.04}
    axes = []
    for block in range(blocks):
        top = TOP + block * (rows * LINE + BETWEEN)
        grid = drawn.add_gridspec(rows, columns, top=1 - top / height, bottom=1 - (top + rows * LINE) / height, **edge)
        axes.append([[drawn.add_subplot(grid[r, c]) for c in range(columns)] for r in range(rows)])
    return drawn, np.array(axes)
