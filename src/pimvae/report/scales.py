"""Several scales side by side: tables that are there where the results of another scale are shipped."""

__all__ = ["in_order", "table_cells", "table_scales"]

from collections.abc import Iterable, Sequence

import pandas as pd

from pimvae.claims.selection import select
from pimvae.claims.verdict import Judgement
from pimvae.config.catalogue import catalogue
from pimvae.report.grid import in_grid
from pimvae.report.latex import escape
from pimvae.report.prose import effect_texts, unit
from pimvae.report.source import Verdicts, verdict_at
from pimvae.report.table import MISSING, NOT_RUN, Part, Table, grouped_headings
from pimvae.report.tables._below import standing
from pimvae.report.tables._cells import Column, aggregator_rows, panels

FIRST = ("workstation", "paper", "laptop")  # what is shown first; scales of one's own come last
# The experiment that can be run as published in hours, and what its cells are held to.
BY_CELL = "bimodal"
MEASURES = {"gap": "ceiling_gap", "strong": "mcc_strong_mean", "weak": "mcc_weak_mean"}


def in_order(runs: Iterable[Verdicts]) -> list[Verdicts]:
    """Runs of several scales, the one whose verdicts count for most first."""
    return sorted(runs, key=lambda run: FIRST.index(run.scale) if run.scale in FIRST else len(FIRST))


def table_scales(runs: Sequence[Verdicts]) -> Table:
    """Per claim the verdict and effect of every run, and whether the verdicts agree; below, what each run takes.

    Args:
        runs: at least two, of the same file of claims, in the order in which they are shown.
    """
    rows = []
    for judged in zip(*(run.judgements for run in runs), strict=True):
        claim = judged[0].claim
        cells = [text for run, one in zip(runs, judged, strict=True) for text in (_verdict(run, one), _effect(one))]
        rows.append([claim.id, escape(claim.short), *cells, _beside(judged)])
    named = [rf"\multicolumn{{2}}{{l}}{{\emph{{{escape(run.scale)}}}}}" for run in runs]
    head = [["", "", *named, ""], ["", "claim", *["verdict", r"effect [95\,\%]"] * len(runs), "verdicts"]]
    wrapped = r">{\raggedright\arraybackslash}p"
    column = rf"{wrapped}{{0.12\linewidth}}l"
    alignment = rf"l{wrapped}{{0.28\linewidth}}{column * len(runs)}{wrapped}{{0.09\linewidth}}"
    return Table(alignment, head, [Part(rows), Part(_takes(runs))])


def table_cells(runs: Sequence[Verdicts]) -> Table:
    """E2 cell by cell on held-out samples at β = 1: gap to the true model in nats, strong and weak MCC at every scale.

    A panel per bound and prior; the best value of a column is marked at each scale. Last, what the scales train.

    Args:
        runs: in the order in which they are shown; those without the experiment are left out.
    """
    shown = [run for run in runs if BY_CELL in run.experiments]
    if len(shown) < 2:
        return NOT_RUN
    metrics = [_held_out(run.results.metrics) for run in shown]
    everything = pd.concat(metrics, ignore_index=True)
    blocks = []
    for prior in catalogue().order("priors", everything["prior"]):
        for objective in catalogue().order("objectives", everything["objective"]):
            title = (
                catalogue().look(kind, name).label for kind, name in (("objectives", objective), ("priors", prior))
            )
            rows = aggregator_rows(everything, objective=objective, prior=prior)
            blocks += [("{} bound, {}".format(*title), rows)] if rows else []
    columns = [Column(metric, where={"beta": 1.0}) for metric in MEASURES.values()]
    places = {"experiment": BY_CELL, "split": ["test", "train"]}
    sides = [panels(frame, blocks, columns, standing(run.results, places))
             for frame, run in zip(metrics, shown, strict=True)]  # fmt: skip
    joined = [[[label, *cells, *(text for row in rest for text in row[1:])] for (label, *cells), *rest in
               zip(*(side[place].rows for side in sides), strict=True)] for place in range(len(blocks))]  # fmt: skip
    parts = [Part(rows, title) for rows, (title, _) in zip(joined, blocks, strict=True)]
    head = grouped_headings([(escape(run.scale), list(MEASURES)) for run in shown])
    return Table("l" + "r" * len(MEASURES) * len(shown), head, [*parts, Part(_trained(shown))])


def _held_out(metrics: pd.DataFrame) -> pd.DataFrame:
    """What the cells of the grid reach on samples that they were not trained on; divergence has no split."""
    rows = in_grid(select(metrics, {"experiment": BY_CELL}))
    return rows[(rows["split"] == "test") | (rows["metric"] == "diverged")]


def _trained(runs: Sequence[Verdicts]) -> list[list[str]]:
    """How many seeds, how many steps, and on what, once for every scale."""
    own = [run.results.runs[run.results.runs["experiment"] == BY_CELL] for run in runs]
    seeds = [run.results.metrics.loc[run.results.metrics["experiment"] == BY_CELL, "seed"] for run in runs]
    said = {
        "seeds": [str(found.nunique()) for found in seeds],
        "steps": [", ".join(f"{steps:,}" for steps in sorted(set(rows["steps"]))) for rows in own],
        "on": [escape(", ".join(sorted(set(rows["device"].dropna())))) for rows in own],
    }
    width = len(MEASURES)
    return [[label, *(rf"\multicolumn{{{width}}}{{l}}{{{text}}}" for text in texts)] for label, texts in said.items()]


def _verdict(run: Verdicts, one: Judgement) -> str:
    said = escape(verdict_at(run, one))
    return rf"\verdict{{{said}}}{'*' * one.younger}" if one.pairs else said


def _effect(one: Judgement) -> str:
    return " ".join([*effect_texts(one), escape(unit(one.claim))]).strip() if one.pairs and one.claim.measures else ""


def _beside(judged: Sequence[Judgement]) -> str:
    """``same`` or ``other``, of the runs that examined the claim, and whether one of them is not settled."""
    examined = [one for one in judged if one.verdict != "not run"]
    if len(examined) < 2:
        return MISSING
    same = len({one.verdict for one in examined}) == 1
    return ("same" if same else "other") + ("" if all(one.settled for one in examined) else ", not settled")


def _takes(runs: Sequence[Verdicts]) -> list[list[str]]:
    """Rows that say of every run what was trained, how long that took, and how to repeat it."""
    said = {
        "experiments": [escape(", ".join(run.experiments)) for run in runs],
        "cells": [str(len(run.results.runs)) for run in runs],
        "training, hours": [f"{run.hours:.1f}" for run in runs],
        "on": [escape(", ".join(run.devices)) for run in runs],
        "again": [_typed(run.command) for run in runs],
    }
    start = r"\multicolumn{2}{>{\raggedright\arraybackslash}p{0.3\linewidth}}"
    return [["", label, *(f"{start}{{{text}}}" for text in texts), ""] for label, texts in said.items()]


def _typed(command: str) -> str:
    """A command as it is typed: two hyphens are no dash, and quotes are straight."""
    return rf"\texttt{{{escape(command).replace('--', '-{}-')}}}".replace("'", r"{\textquotesingle}")
