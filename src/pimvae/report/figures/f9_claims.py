"""F9: effect sizes of the claims with 95% intervals, one panel per claim and measure."""

__all__ = ["F9_CLAIMS", "claim_figure"]

import itertools
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure

from pimvae.claims.schema import AuditClaim
from pimvae.claims.verdict import UNSETTLED, Judgement
from pimvae.config.catalogue import catalogue
from pimvae.report.figures._drawing import Drawing
from pimvae.report.style import MUTED, figure

FOR, OPEN, AGAINST = "#00705A", "#9A7400", "#B00020"
COLOURS = {"holds": FOR, "refuted": AGAINST, "negligible": OPEN, "undecided": OPEN}
SUBSETS = {"unimodal": "one modality", "all": "all modalities", "average": "mean over subsets"}
IMAGES = "images"  # an experiment, whose claims have a figure of their own
PER_ROW = 5
WIDTH = 6.9  # of a row of bands, in panels
NAME, LETTER = 0.2, 0.034  # width of the names of the groups, in panels, and what a letter adds
LINE, HEAD = 0.083, 0.66  # inches per group, and of what stands above and below the groups
NOTE = 0.09  # inches that the second line of a verdict takes
SMALL_EFFECT, EDGE = 0.5, 2.15  # relative: below it a panel has an axis of its own; ends of all other axes
SMALL = 5.2  # points: names of groups, numbers of failures


def claim_figure(images: bool) -> Drawing:
    """The figure of the claims about images, or of all others: together they are higher than a page."""

    def chosen(judgements: list[Judgement]) -> pd.DataFrame:
        return data([judgement for judgement in judgements if (judgement.claim.experiment == IMAGES) == images])

    return Drawing(chosen, plot, "no claim has been examined at this scale")


def data(judgements: list[Judgement]) -> pd.DataFrame:
    """Effect, interval and number of pairs of every group of every claim that has rows."""
    tables = [
        judgement.groups.assign(relevant=judgement.claim.relevant, scale=judgement.claim.effect,
                                title=judgement.claim.short, verdict=judgement.stated)
        for judgement in judgements if len(judgement.groups) and not isinstance(judgement.claim, AuditClaim)
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["claim"])


def plot(table: pd.DataFrame) -> Figure:
    """A panel per claim and measure; those about the same groups stand side by side. Right of dashed is as claimed.

    Hollow: rests on an untrained or collapsed scheme. At the right margin: replicas that failed, where any did.
    """
    rows = _rows(_bands(table))
    heights = [_height(row) for row in rows]
    drawn = figure(sum(heights))
    parts = np.atleast_1d(drawn.subfigures(len(rows), 1, height_ratios=heights))
    for part, row in zip(parts, rows, strict=True):
        widths = [_width(band) for band in row]
        for place, band in zip(np.atleast_1d(part.subfigures(1, len(row), width_ratios=widths)), row, strict=True):
            _band(place, band)
    return drawn


def _bands(table: pd.DataFrame) -> list[list[pd.DataFrame]]:
    """Neighbouring panels with the same groups, at most ``PER_ROW`` to a band, as evenly as can be."""
    panels = [rows.reset_index(drop=True) for _, rows in table.groupby(["claim", "metric", "subset"], sort=False)]
    bands: list[list[pd.DataFrame]] = []
    for _, same in itertools.groupby(panels, key=lambda rows: tuple(rows["group"])):
        members = list(same)
        size = math.ceil(len(members) / math.ceil(len(members) / PER_ROW))
        bands.extend(members[start : start + size] for start in range(0, len(members), size))
    return bands


def _rows(bands: list[list[pd.DataFrame]]) -> list[list[list[pd.DataFrame]]]:
    """Neighbouring bands that fit beside each other, names of their groups included."""
    rows: list[list[list[pd.DataFrame]]] = []
    for band in bands:
        if rows and sum(_width(other) for other in (*rows[-1], band)) <= WIDTH:
            rows[-1].append(band)
        else:
            rows.append([band])
    return rows


def _height(row: list[list[pd.DataFrame]]) -> float:
    """Height of a row of bands in inches."""
    unsettled = any(rows["verdict"].iloc[0].endswith(UNSETTLED) for band in row for rows in band)
    return HEAD + NOTE * unsettled + max(band[0]["group"].nunique() for band in row) * LINE


def _width(band: list[pd.DataFrame]) -> float:
    """Width of a band in panels."""
    return NAME + LETTER * int(band[0]["group"].str.len().max()) + len(band)


def _band(part: SubFigure, band: list[pd.DataFrame]) -> None:
    axes = part.subplots(1, len(band), sharey=True, squeeze=False)[0]
    for panel, rows in zip(axes, band, strict=True):
        _panel(panel, rows)
    axes[0].set_yticks(range(len(band[0])), band[0]["group"], fontsize=SMALL)
    for panel in axes:
        panel.tick_params(axis="y", length=0, pad=1)
        panel.tick_params(axis="x", labelsize=SMALL, pad=1)
    axes[0].set_ylim(len(band[0]) - 0.5, -0.5)


def _panel(panel: plt.Axes, rows: pd.DataFrame) -> None:
    first, relevant = rows.iloc[0], rows["relevant"].iloc[0]
    panel.axvline(relevant, color=MUTED, lw=0.8, ls="--")
    panel.grid(axis="x")
    for height, row in enumerate(rows.to_dict("records")):
        trained = row["state"] == ""
        colour = MUTED if not trained else FOR if row["low"] > relevant else AGAINST if row["high"] < 0 else OPEN
        panel.hlines(height, row["low"], row["high"], color=colour, lw=1.0)
        panel.plot(row["effect"], height, "o", ms=2.2, color=colour, mfc=colour if trained else "white")
        failed = row["failed_better"] + row["failed_worse"]
        if failed:
            panel.annotate(f"{failed:g}", (1, height), (1, 0), xycoords=("axes fraction", "data"), va="center",
                           textcoords="offset points", fontsize=SMALL, annotation_clip=False)  # fmt: skip
    panel.set_title(_measure_label(first["metric"], first["subset"]), loc="left", fontsize=5.6, pad=2, linespacing=0.95)
    verdict = first["verdict"].removesuffix(UNSETTLED)
    panel.annotate(
        f"{first['claim']}: {first['verdict']}".replace(UNSETTLED, UNSETTLED.replace(" ", "\n", 1)), (0, 1), (0, 15),
        xycoords="axes fraction", va="bottom", textcoords="offset points", fontsize=6.2, color=COLOURS[verdict],
        fontweight="bold", linespacing=0.95,
    )  # fmt: skip
    if first["scale"] == "relative":
        _whole_range(panel, rows)
    metric = catalogue().metric(first["metric"])
    unit = f" ({metric.unit})" if metric.unit and metric.factor == 1 else ""
    text = "relative difference" if first["scale"] == "relative" else f"difference{unit}"
    panel.set_xlabel(text, fontsize=SMALL, labelpad=1)


def _whole_range(panel: plt.Axes, rows: pd.DataFrame) -> None:
    """All that a relative effect can be, where one of them is not small; arrowheads where an interval goes on."""
    ends = rows[["low", "high", "effect"]]
    if not (ends.abs() > SMALL_EFFECT).any(axis=None):
        return
    panel.set_xlim(-EDGE, EDGE)
    panel.set_xticks([-2, -1, 0, 1, 2])
    for height, row in enumerate(ends.to_dict("records")):
        for side, marker in ((-EDGE, "<"), (EDGE, ">")):
            if row["low"] < side < row["high"]:
                panel.plot(side, height, marker=marker, ms=2.2, color=MUTED, clip_on=False, zorder=4)


def _measure_label(metric: str, subset: str) -> str:
    """Two lines: the metric and what it is taken over."""
    return f"{catalogue().metric(metric).label},\n{SUBSETS.get(subset, subset)}"


F9_CLAIMS = claim_figure(images=False)
