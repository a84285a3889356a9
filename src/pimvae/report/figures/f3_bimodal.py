"""F3: bimodal data: true latents and vectors, and what every aggregator makes of them under either bound and prior."""

__all__ = ["F3_BIMODAL"]

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pimvae.claims.selection import select
from pimvae.config.catalogue import catalogue
from pimvae.evaluation.rows import TRUE_MODEL, TRUE_PRIOR
from pimvae.report.figures._drawing import Drawing, broken_label
from pimvae.report.figures._examples import cells_with_examples
from pimvae.report.grid import in_grid
from pimvae.report.style import GRID, TEXT_WIDTH, figure
from pimvae.results.files import CELL, Results

EXPERIMENT, LIMIT = "bimodal", 400
ARRAYS = ("seed", "labels", "latents", "x", "inferred", "reconstruction")  # labels: [n]; after them: [n, 2]
COLUMNS = ["kind", "aggregator", "objective", "prior", "seed", "mcc", "cluster", "first", "second"]
TRUTH = (TRUE_MODEL, TRUE_MODEL, TRUE_PRIOR)
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#D55E00", "#999933"]
GAP, BETWEEN, LABEL = 0.03, 0.16, 0.27  # inches: between panels, between the priors, for the names of the rows
TOP, HEAD, LARGE = 0.22, 0.38, 1.15  # inches: titles of the large panels, headings of the columns, large panels


def data(results: Results) -> pd.DataFrame:
    """One row per point: its panel, cluster and place; latents in the place and spread of the true ones.

    Inferred coordinates come aligned with the true ones (order and sign); here each is also shifted and scaled to the
    mean and spread of the true one, which the strong MCC ignores as well.
    """
    cells = in_grid(results.runs[results.runs["experiment"] == EXPERIMENT])
    rows: list[list[object]] = []
    shown = None
    for cell, found in cells_with_examples(results, cells, ARRAYS):
        if shown is None:
            shown = int(found["seed"])
            rows += _points("latents", TRUTH, shown, np.nan, found["labels"], found["latents"])
            rows += _points("data", TRUTH, shown, np.nan, found["labels"], found["x"])
        if int(found["seed"]) == shown:  # another seed stands in where this one diverged: other data
            keys = (cell["aggregator"], cell["objective"], cell["prior"])
            score = _mcc(results.metrics, cell, shown)
            inferred = _like(found["inferred"], found["latents"])
            rows += _points("inferred", keys, shown, score, found["labels"], inferred)
            rows += _points("reconstruction", keys, shown, np.nan, found["labels"], found["reconstruction"])
    return pd.DataFrame(rows, columns=COLUMNS)


def _like(inferred: np.ndarray, true: np.ndarray) -> np.ndarray:
    """``inferred`` with mean and spread of ``true`` per coordinate; a constant coordinate stays constant."""
    spread = inferred.std(axis=0)
    unit = (inferred - inferred.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return true.mean(axis=0) + true.std(axis=0) * unit


def _points(
    kind: str, keys: tuple[str, str, str], seed: int, score: float, labels: np.ndarray, places: np.ndarray
) -> list[list[object]]:
    points = zip(labels[:LIMIT].tolist(), places[:LIMIT].round(4).tolist(), strict=True)
    return [[kind, *keys, seed, score, int(label), *place] for label, place in points]


def _mcc(metrics: pd.DataFrame, cell: dict, seed: int) -> float:
    where = {"seed": seed, "beta": 1, "split": "train", "subset": "all", "metric": "mcc_strong_mean"}
    where |= {key: cell[key] for key in CELL}
    values = select(metrics, where)["value"]
    return float(values.iloc[0]) if len(values) else np.nan


def plot(table: pd.DataFrame) -> Figure:
    """Above the truth; below, left and right, the two priors: a row per aggregator, latents and vectors per bound."""
    trained = table[table["kind"] == "inferred"]
    priors = catalogue().order("priors", trained["prior"])
    objectives = catalogue().order("objectives", trained["objective"])
    methods = {
        prior: catalogue().order("aggregators", trained.loc[trained["prior"] == prior, "aggregator"])
        for prior in priors
    }
    columns = 2 * len(objectives)
    free = TEXT_WIDTH - len(priors) * (LABEL + (columns - 1) * GAP) - (len(priors) - 1) * BETWEEN
    side = min(free / (len(priors) * columns), 1.0)
    depth = max(map(len, methods.values()))
    drawn = figure(TOP + LARGE + 2 * HEAD + depth * (side + GAP))
    drawn.set_layout_engine("none")
    limits = [_limits(table[table["kind"] == kind]) for kind in ("latents", "data")]
    _truth(drawn, table, limits)
    left = 0.0
    for prior in priors:
        _heading(drawn, left + LABEL, columns * side + (columns - 1) * GAP, TOP + LARGE + 0.14,
                 catalogue().look("priors", prior).label)  # fmt: skip
        for index, objective in enumerate(objectives):
            part = select(table, {"prior": prior, "objective": objective})
            _column_pair(drawn, part, methods[prior], left + LABEL + 2 * index * (side + GAP), side, limits)
            _heading(drawn, left + LABEL + 2 * index * (side + GAP), 2 * side + GAP, TOP + LARGE + HEAD,
                     f"{catalogue().look('objectives', objective).label} bound", rule=True)  # fmt: skip
        for row, name in enumerate(methods[prior]):
            middle = TOP + LARGE + 2 * HEAD + row * (side + GAP) + side / 2
            _text(drawn, left + LABEL - 0.04, middle, broken_label(name, 12), rotation=90, ha="right", va="center",
                  linespacing=0.95)  # fmt: skip
        left += LABEL + columns * (side + GAP) - GAP + BETWEEN
    return drawn


def _truth(drawn: Figure, table: pd.DataFrame, limits: list[tuple]) -> None:
    """The two large panels, side by side in the middle, and the legend of the clusters."""
    left = TEXT_WIDTH / 2 - LARGE - 0.1
    for kind, title, limit in (("latents", "true latents $z$", limits[0]), ("data", "vectors $x$", limits[1])):
        part = table[table["kind"] == kind]
        axes = _axes(drawn, left, TOP, LARGE)
        _scatter(axes, part, limit, 2.0)
        axes.set_title(title, pad=3, fontweight="bold")
        left += LARGE + 0.2
    clusters = sorted(set(table["cluster"].tolist()))
    handles = [Line2D([], [], ls="none", marker="o", ms=3, color=COLOURS[c % len(COLOURS)], label=f"{c + 1}")
               for c in clusters]  # fmt: skip
    place = (left / TEXT_WIDTH, 1 - (TOP + LARGE / 2) / drawn.get_figheight())
    drawn.legend(handles=handles, title="label $u$", title_fontsize=7, loc="center left", bbox_to_anchor=place)


def _column_pair(
    drawn: Figure, part: pd.DataFrame, methods: list[str], left: float, side: float, limits: list[tuple]
) -> None:
    """Inferred latents with their MCC, and reconstructions, of every aggregator under one bound."""
    kinds = ((0.0, "inferred", r"latents $\hat z$"), (side + GAP, "reconstruction", r"vectors $\hat x$"))
    for row, name in enumerate(methods):
        top = TOP + LARGE + 2 * HEAD + row * (side + GAP)
        for offset, kind, title in kinds:
            points = part[(part["aggregator"] == name) & (part["kind"] == kind)]
            axes = _axes(drawn, left + offset, top, side)
            _scatter(axes, points, limits[kind == "reconstruction"], 0.7)
            if row == 0:
                axes.set_title(title, fontsize=7, pad=2.5)
            if points.empty:
                axes.text(0.5, 0.5, "diverged", ha="center", va="center", fontsize=7, transform=axes.transAxes)
            elif kind == "inferred" and np.isfinite(points["mcc"].iloc[0]):
                axes.text(0.03, 0.97, f"{points['mcc'].iloc[0]:.2f}", va="top", fontsize=7, transform=axes.transAxes,
                          bbox={"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 0.6})  # fmt: skip


def _axes(drawn: Figure, left: float, top: float, side: float) -> plt.Axes:
    """A square panel with a thin frame; ``left`` and ``top`` are inches from the upper left corner."""
    width, height = drawn.get_size_inches()
    axes = drawn.add_axes((left / width, 1 - (top + side) / height, side / width, side / height))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=GRID)
    return axes


def _scatter(axes: plt.Axes, points: pd.DataFrame, limits: tuple, size: float) -> None:
    colours = [COLOURS[cluster % len(COLOURS)] for cluster in points["cluster"]]
    axes.scatter(points["first"], points["second"], c=colours, s=size, lw=0, rasterized=True)
    axes.set(xlim=limits[0], ylim=limits[1])


def _limits(points: pd.DataFrame) -> tuple[tuple[float, float], tuple[float, float]]:
    """The same length on both axes, with room for the most remote point."""
    places = points[["first", "second"]].to_numpy(dtype=float)
    middle, reach = (places.max(0) + places.min(0)) / 2, 0.56 * np.ptp(places, axis=0).max()
    (x, y), reach = middle.tolist(), float(reach)
    return (x - reach, x + reach), (y - reach, y + reach)


def _heading(drawn: Figure, left: float, width: float, top: float, text: str, rule: bool = False) -> None:
    """Text centred over columns, with a rule below it."""
    weight = "normal" if rule else "bold"
    _text(drawn, left + width / 2, top, text, ha="center", va="top", fontsize=8, fontweight=weight)
    if rule:
        total, height = drawn.get_size_inches()
        ends = [(left + 0.04) / total, (left + width - 0.04) / total]
        drawn.add_artist(Line2D(ends, [1 - (top + 0.17) / height] * 2, color="black", lw=0.5))


def _text(drawn: Figure, left: float, top: float, text: str, **style: object) -> None:
    width, height = drawn.get_size_inches()
    drawn.text(left / width, 1 - top / height, text, **{"fontsize": 7, **style})


F3_BIMODAL = Drawing(data, plot)
