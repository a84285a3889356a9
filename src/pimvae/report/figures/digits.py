"""Digits: one quadrant is given, the other three are inferred, beside the exact conditional mean."""

__all__ = ["DIGITS"]

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pimvae.config.catalogue import catalogue
from pimvae.report.figures._drawing import Drawing
from pimvae.report.figures._examples import cells_with_examples
from pimvae.report.style import figure, hide_frame
from pimvae.results.files import Results

DATASET, SIDE, LIMIT = "digits", 14, 6
ARRAYS = ("given", "true", "exact", "inferred")  # one quadrant for all examples; the others: [k, 4, 14, 14]
KEY = ["example", "given", "kind", "aggregator", "objective"]
PIXELS = [f"p{index}" for index in range((2 * SIDE) ** 2)]
OUTLINE = "#D55E00"


def data(results: Results) -> pd.DataFrame:
    """One row per image: which example, given quadrant, kind (true, exact, inferred), cell, and 28·28 pixels."""
    cells = results.runs[results.runs["dataset"] == DATASET]
    rows = []
    for cell, images in cells_with_examples(results, cells, ARRAYS):
        for kind in ("inferred",) if rows else ARRAYS[1:]:
            who = (cell["aggregator"], cell["objective"]) if kind == "inferred" else ("", "")
            for index, image in enumerate(images[kind][:LIMIT]):
                rows.append([index, int(images["given"]), kind, *who, *join_quadrants(image).ravel().round(4)])
    return pd.DataFrame(rows, columns=[*KEY, *PIXELS])


def join_quadrants(quadrants: np.ndarray) -> np.ndarray:
    """[4, 14, 14] (top left, top right, bottom left, bottom right) to [28, 28]."""
    return np.block([[quadrants[0], quadrants[1]], [quadrants[2], quadrants[3]]])


def plot(table: pd.DataFrame) -> Figure:
    """A row per example; columns: the digit, what is given, the exact mean, then every aggregator under each bound."""
    groups = _groups(table)
    widths = [width for title, columns in groups for width in [0.18] * bool(title) + [1.0] * len(columns)]
    examples = sorted(set(table["example"].tolist()))
    drawn = figure(0.56 + 0.492 * len(examples))
    drawn.set_layout_engine("none")
    grid = drawn.add_gridspec(len(examples), len(widths), width_ratios=widths, left=0.002, right=0.998, bottom=0.005,
                              top=1 - 0.54 / drawn.get_figheight(), wspace=0.06, hspace=0.06)  # fmt: skip
    for row, example in enumerate(examples):
        column = 0
        for title, columns in groups:
            column += bool(title)
            for label, where in columns:
                axes = drawn.add_subplot(grid[row, column])
                _tile(axes, table, example, where)
                if row == 0:
                    axes.set_title(label, fontsize=7, pad=3, linespacing=0.9)
                column += 1
    _headings(drawn, groups, widths)
    return drawn


def _groups(table: pd.DataFrame) -> list[tuple[str, list]]:
    """Columns: (heading of the group, [(label, selection)])."""
    inferred = table[table["kind"] == "inferred"]
    methods = catalogue().order("aggregators", inferred["aggregator"])
    groups: list[tuple[str, list]] = [("", [("digit", ("true", "", "")), ("given", ("given", "", "")),
                                            ("exact\nmean", ("exact", "", ""))])]  # fmt: skip
    for objective in catalogue().order("objectives", inferred["objective"]):
        heading = f"{catalogue().look('objectives', objective).label} bound"
        groups.append((heading, [(_broken(name), ("inferred", name, objective)) for name in methods]))
    return groups


def _broken(name: str) -> str:
    """Label of an aggregator in two lines, for a narrow column."""
    label = catalogue().aggregator(name).short
    if " " in label:
        return label.replace(" ", "\n", 1)
    middle = next((i for i, letter in enumerate(label) if i > 2 and letter.isupper() and label[i - 1].islower()), None)
    return label if middle is None else f"{label[:middle]}-\n{label[middle:]}"


def _tile(axes: plt.Axes, table: pd.DataFrame, example: int, where: tuple[str, str, str]) -> None:
    hide_frame(axes)
    kind, aggregator, objective = where
    stored = "true" if kind == "given" else kind
    rows = table[(table["example"] == example) & (table["kind"] == stored)]
    if kind == "inferred":
        rows = rows[(rows["aggregator"] == aggregator) & (rows["objective"] == objective)]
    if rows.empty:
        return
    image = rows[PIXELS].to_numpy(dtype=float)[0].reshape(2 * SIDE, 2 * SIDE)
    top, left = (SIDE * part for part in divmod(int(rows["given"].iloc[0]), 2))
    if kind == "given":
        shown = np.full_like(image, np.nan)
        shown[top : top + SIDE, left : left + SIDE] = image[top : top + SIDE, left : left + SIDE]
        image = shown
    axes.set_facecolor("#e4e4e4")
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    if kind != "true":
        axes.add_patch(Rectangle((left - 0.5, top - 0.5), SIDE, SIDE, fill=False, ec=OUTLINE, lw=0.8))


def _headings(drawn: Figure, groups: list, widths: list[float]) -> None:
    """The names of the bounds above their columns, with a rule."""
    total, start = sum(widths), 0.0
    height = drawn.get_figheight()
    for title, columns in groups:
        start += 0.18 * bool(title)
        if title:
            left, right = start / total, (start + len(columns)) / total
            drawn.text((left + right) / 2, 1 - 0.04 / height, title, ha="center", va="top", fontweight="bold")
            line = plt.Line2D([left + 0.004, right - 0.004], [1 - 0.2 / height] * 2, color="black", lw=0.6)
            drawn.add_artist(line)
        start += len(columns)


DIGITS = Drawing(data, plot, "no digits at this scale")
