"""F1: the two bounds as a diagram: what is encoded from S and from O, and what each draw has to decode."""

__all__ = ["F1_BOUNDS"]

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from pimvae.report.figures._drawing import Drawing
from pimvae.report.style import MUTED, figure, hide_frame

# Roles: what belongs to the subset S, to the rest of the observed set O, or to the prior.
FACE = {"S": "#D6E4F0", "rest": "#F7DFB9", "O": "#DCEBDD", "prior": "#ECECEC", "absent": "#F8F8F8", "plain": "white"}
EDGE = {"S": "#1F5A94", "rest": "#B5700A", "O": "#2E7D4F", "prior": "#6B6B6B", "absent": "#C4C4C4", "plain": "#444444"}
COLUMNS = ["panel", "shape", "name", "role", "x", "y", "width", "height", "text", "start", "end"]
X_DATA, X_CODE, X_DRAW, X_OUT = 5.4, 14.6, 22.1, 29.6  # one unit is 0.1 inch
Y_DATA = [17.7, 14.7, 8.9, 5.9]
Y_S, Y_O, Y_PRIOR = 16.2, 7.4, 21.4


def data(_: object = None) -> pd.DataFrame:
    """The parts of the diagram: one row per box, circle, arrow and label."""
    return pd.DataFrame([*_panel("masked"), *_panel("mixture")], columns=COLUMNS)


def _panel(panel: str) -> list[list[Any]]:
    masked = panel == "masked"
    rows: list[list[Any]] = []

    def node(shape: str, name: str, role: str, x: float, y: float, width: float, height: float, text: str) -> None:
        rows.append([panel, shape, name, role, x, y, width, height, text, "", ""])

    def arrow(start: str, end: str, role: str, shape: str = "arrow", text: str = "") -> None:
        rows.append([panel, shape, "", role, 0, 0, 0, 0, text, start, end])

    for index, y in enumerate(Y_DATA):
        role = "S" if index < 2 else "rest"
        seen = role if masked or role == "S" else "absent"
        node("box", f"x{index + 1}", seen, X_DATA, y, 2.6, 2.2, f"$x_{index + 1}$")
        node("box", f"y{index + 1}", role, X_OUT, y, 2.6, 2.2, f"$x_{index + 1}$")
    node("label", "", "S", 1.9, Y_S, 0, 0, "$S$")
    node("label", "", "rest", 1.9, Y_O, 0, 0, r"$O\,\backslash\,S$")
    node("box", "prior", "prior", X_CODE, Y_PRIOR, 4.4, 2.3, "$p(z)$")
    node("box", "qS", "S", X_CODE, Y_S, 6.0, 2.6, "$q(z\\,|\\,x_S)$")
    node("circle", "zS", "S", X_DRAW, Y_S, 2.7, 2.7, "$z_S$")
    arrow("qS", "prior", "prior", "divergence", text=r"$\mathrm{KL}(q_S\,\Vert\,p)$")
    arrow("qS", "zS", "S")
    for name in ("x1", "x2"):
        arrow(name, "qS", "S")
    for name in ("y1", "y2") if masked else ("y1", "y2", "y3", "y4"):
        arrow("zS", name, "S")
    if masked:
        node("box", "qO", "O", X_CODE, Y_O, 6.0, 2.6, "$q(z\\,|\\,x_O)$")
        node("circle", "zO", "O", X_DRAW, Y_O, 2.7, 2.7, "$z_O$")
        arrow("qO", "qS", "O", "divergence", text=r"$\mathrm{KL}(q_O\,\Vert\,q_S)$")
        arrow("qO", "zO", "O")
        for name in ("x1", "x2", "x3", "x4"):
            arrow(name, "qO", "O")
        for name in ("y3", "y4"):
            arrow("zO", name, "O")
    else:
        node("label", "", "absent", X_CODE, Y_O, 0, 0, "not encoded:\nguessed from $z_S$ alone")
    title = "(a)  masked bound" if masked else "(b)  mixture bound"
    node("title", "", "plain", 0.2, Y_PRIOR + 0.3, 0, 0, title)
    for x, text in ((X_DATA, "given"), (X_CODE, "encoded"), (X_DRAW, "drawn"), (X_OUT, "decoded")):
        node("heading", "", "plain", x, 2.6, 0, 0, text)
    return rows


def plot(table: pd.DataFrame) -> Figure:
    """Both bounds side by side, drawn from the table of parts."""
    drawn = figure(2.25)
    drawn.set_layout_engine("none")
    for index, (_, parts) in enumerate(table.groupby("panel", sort=False)):
        axes = drawn.add_axes((0.5 * index + 0.004, 0.0, 0.492, 1.0))
        hide_frame(axes)
        axes.set(xlim=(0, 32), ylim=(1.4, 23.2), aspect="equal")
        _draw(axes, parts)
    return drawn


def _draw(axes: plt.Axes, parts: pd.DataFrame) -> None:
    rows = parts.to_dict("records")
    nodes = {row["name"]: row for row in rows if row["name"]}
    for row in rows:
        if row["shape"] in {"box", "circle"}:
            _node(axes, row)
        elif row["shape"] in {"label", "title", "heading"}:
            _text(axes, row)
        else:
            _arrow(axes, row, nodes[row["start"]], nodes[row["end"]])


def _node(axes: plt.Axes, row: dict[str, Any]) -> None:
    style = {"fc": FACE[row["role"]], "ec": EDGE[row["role"]], "lw": 0.9, "zorder": 3}
    if row["role"] == "absent":
        style["ls"] = (0, (2, 2))
    x, y, width, height = (row[key] for key in ("x", "y", "width", "height"))
    if row["shape"] == "circle":
        patch: Any = Circle((x, y), width / 2, **style)
    else:
        patch = FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.5",
                               **style)  # fmt: skip
    axes.add_patch(patch)
    colour = "#9a9a9a" if row["role"] == "absent" else "black"
    axes.text(x, y - 0.05, row["text"], ha="center", va="center", fontsize=9, color=colour, zorder=4)


def _text(axes: plt.Axes, row: dict[str, Any]) -> None:
    style = {"ha": "center", "fontsize": 9, "color": EDGE[row["role"]]}
    if row["shape"] == "title":
        style |= {"ha": "left", "fontweight": "bold", "color": "black"}
    elif row["shape"] == "heading":
        style |= {"fontsize": 7.5, "color": MUTED, "style": "italic"}
    elif row["role"] == "absent":
        style |= {"fontsize": 7.5, "color": "#7a7a7a"}
    axes.text(row["x"], row["y"], row["text"], va="center", **style)


def _arrow(axes: plt.Axes, row: dict[str, Any], start: dict[str, Any], end: dict[str, Any]) -> None:
    """From the right edge of one node to the left edge of the next; divergences go straight up."""
    style = {"arrowstyle": "-|>", "mutation_scale": 7, "lw": 1.0, "color": EDGE[row["role"]]}
    if row["shape"] == "divergence":
        tail, tip = (start["x"], start["y"] + start["height"] / 2), (end["x"], end["y"] - end["height"] / 2)
        style |= {"ls": (0, (3, 2)), "arrowstyle": "->"}
        axes.text(tail[0] + 0.6, (tail[1] + tip[1]) / 2, row["text"], ha="left", va="center", fontsize=8,
                  color=EDGE[row["role"]])  # fmt: skip
    else:
        away = np.clip(0.12 * (end["y"] - start["y"]), -0.8, 0.8)  # arrows that meet or part share a side, not a point
        wide = {"circle": 0.3}
        tail = start["x"] + start["width"] / 2, start["y"] + wide.get(start["shape"], 0.5) * away
        tip = end["x"] - end["width"] / 2 - 0.1, end["y"] - away
    axes.add_patch(FancyArrowPatch(tail, tip, shrinkA=0, shrinkB=0, zorder=2, **style))


F1_BOUNDS = Drawing(data, plot)
