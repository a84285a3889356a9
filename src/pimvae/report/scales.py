"""The verdicts at several scales side by side: a table that is there where the results of another scale are shipped."""

__all__ = ["in_order", "table_scales"]

from collections.abc import Iterable, Sequence

import pandas as pd

from pimvae.claims.schema import Claim
from pimvae.claims.verdict import UNSETTLED
from pimvae.report.latex import escape
from pimvae.report.prose import effect_texts, unit
from pimvae.report.source import Verdicts, verdict_at
from pimvae.report.table import MISSING, Part, Table

FIRST = ("workstation", "paper", "laptop")  # what is shown first; scales of one's own come last
NOT_RUN = "not run"


def in_order(runs: Iterable[Verdicts]) -> list[Verdicts]:
    """Runs of several scales, the one whose verdicts count for most first."""
    return sorted(runs, key=lambda run: FIRST.index(run.scale) if run.scale in FIRST else len(FIRST))


def table_scales(runs: Sequence[Verdicts]) -> Table:
    """Per claim the verdict and effect of every run, and whether the verdicts agree; below, what each run takes.

    Args:
        runs: at least two, of the same file of claims, in the order in which they are shown.
    """
    found = [{claim.id: row for claim, row in run.decided()} for run in runs]
    rows = []
    for claim in runs[0].claims:
        decided = [(run, rows_of[claim.id]) for run, rows_of in zip(runs, found, strict=True) if claim.id in rows_of]
        cells = [text for run, row in decided for text in (_verdict(run, claim, row), _effect(claim, row))]
        rows.append([claim.id, escape(claim.short), *cells, _beside([str(row["verdict"]) for _, row in decided])])
    named = [rf"\multicolumn{{2}}{{l}}{{\emph{{{escape(run.scale)}}}}}" for run in runs]
    rules = " ".join(rf"\cmidrule(lr){{{3 + 2 * k}-{4 + 2 * k}}}" for k in range(len(runs)))
    head = [" & ".join(["", "", *named, ""]) + r" \\", rules,
            " & ".join(["", "claim", *[r"verdict & effect [95\,\%]"] * len(runs), "verdicts"]) + r" \\"]  # fmt: skip
    wrapped = r">{\raggedright\arraybackslash}p"
    column = rf"{wrapped}{{0.12\linewidth}}l"
    alignment = rf"l{wrapped}{{0.28\linewidth}}{column * len(runs)}{wrapped}{{0.09\linewidth}}"
    return Table(alignment, head, [Part(rows), Part(_takes(runs))], row_end=r" \\[2pt]")


def _verdict(run: Verdicts, claim: Claim, row: pd.Series) -> str:
    said = escape(verdict_at(run, claim, row))
    return rf"\verdict{{{said}}}{'*' * bool(row['younger'])}" if row["pairs"] else said


def _effect(claim: Claim, row: pd.Series) -> str:
    return " ".join([*effect_texts(row), escape(unit(claim))]).strip() if row["pairs"] and claim.measures else ""


def _beside(verdicts: Sequence[str]) -> str:
    """``same`` or ``other``, of the runs that examined the claim, and whether one of them is not settled."""
    examined = [verdict for verdict in verdicts if verdict != NOT_RUN]
    if len(examined) < 2:
        return MISSING
    same = len({verdict.removesuffix(UNSETTLED) for verdict in examined}) == 1
    return ("same" if same else "other") + ", not settled" * any(verdict.endswith(UNSETTLED) for verdict in examined)


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
