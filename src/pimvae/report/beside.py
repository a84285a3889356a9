"""What the text says of trained models beside simple ones: the best cell, and how many are beyond a random code."""

__all__ = ["above", "best", "weights"]

from collections.abc import Iterator

import pandas as pd

from pimvae.claims.selection import drop_diverged, select
from pimvae.claims.statistics import format_estimate, mean_interval, paired_difference
from pimvae.config.catalogue import catalogue
from pimvae.report import prose
from pimvae.report.grid import in_grid
from pimvae.report.latex import escape

CODES = ("linear_mix", "label_code")  # baselines
SCORE = "mcc_strong_mean"
MEASURES = {"triples": "llh"}  # what the best cell of a data set is told by
MEASURE = "ceiling_gap"
CELL = ["aggregator", "objective", "prior"]


def best(metrics: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Per data set with a gap to the true model, or with images: its best cell with β = 1, and the mean of that."""
    rows = select(in_grid(drop_diverged(metrics)), {"beta": 1, "subset": "all", "split": "test"})
    for dataset, part in rows.groupby("dataset"):
        metric = MEASURES.get(str(dataset), MEASURE)
        known, values = catalogue().metric(metric), part[part["metric"] == metric]
        means = values.groupby(CELL)["value"].mean().dropna()
        if means.empty:
            continue
        cell = means.idxmin() if known.better == "lower" else means.idxmax()
        shown = values.set_index(CELL).sort_index().loc[[cell], "value"] * known.factor
        yield f"{dataset}:{metric}", f"{_named(*cell)}, {format_estimate(mean_interval(shown.tolist()))}"


def _named(aggregator: str, objective: str, prior: str) -> str:
    """``SumPooling under the masked bound with the learned prior``; a fixed prior is the usual one."""
    look = catalogue()
    learned = "" if prior == "standard" else f" with the {look.look('priors', prior).label}"
    said = f"{look.aggregator(aggregator).label} under the {look.look('objectives', objective).label} bound{learned}"
    return escape(said)


def above(metrics: pd.DataFrame, baselines: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Per data set and random code: ``3 of 18``, how many cells have a clearly higher strong MCC, paired by seed."""
    where = {"beta": 1, "subset": "all", "split": "test", "metric": SCORE}
    rows = select(in_grid(drop_diverged(metrics)), where).dropna(subset="value")
    codes = select(baselines, {**where, "baseline": [*CODES]})
    for (dataset, code), part in codes.groupby(["dataset", "baseline"]):
        chance = dict(zip(part["seed"], part["value"], strict=True))
        cells = [dict(zip(cell["seed"], cell["value"], strict=True))
                 for _, cell in rows[rows["dataset"] == dataset].groupby(CELL)]  # fmt: skip
        if cells:
            count = sum(paired_difference(cell, chance).low > 0 for cell in cells)
            said = prose.count_word(count) if count else "none"
            yield f"{dataset}:{code}", f"{said} of {prose.count_word(len(cells))}"


def weights(metrics: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Per data set the values of β in the grid; where schemes differ, which of them have which."""
    for dataset, rows in in_grid(metrics).groupby("dataset"):
        groups: dict[tuple[float, ...], list[str]] = {}
        for name in catalogue().order("aggregators", rows["aggregator"]):
            mine = sorted(set(rows.loc[rows["aggregator"] == name, "beta"].dropna().astype(float)))
            groups.setdefault(tuple(mine), []).append(catalogue().aggregator(name).label)
        groups.pop((), None)
        said = []
        for betas, names in groups.items():
            who = f" ({escape(prose.enumeration(names))})" if len(groups) > 1 else ""
            said.append(prose.enumeration([f"{beta:g}" for beta in betas]) + who)
        yield str(dataset), "; ".join(said)
