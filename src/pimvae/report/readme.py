"""The parts of README.md and docs/ that come from results or sources: verdicts, numbers, times, methods."""

__all__ = ["BLOCKS", "Source", "refresh", "rewrite"]

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from pimvae.claims.schema import Claim
from pimvae.claims.verdict import Judgement
from pimvae.errors import UserError, did_you_mean
from pimvae.report import first_screen, schemes
from pimvae.report.prose import exceptional, fixed, rounded, unit
from pimvae.report.source import Source, Verdicts, alone, verdict_at
from pimvae.report.uphill import uphill_text
from pimvae.results.files import write_text

MARKED = re.compile(r"<!-- begin:(\w+)[^>]*-->\n(.*?)<!-- end:\1 -->", re.DOTALL)
OPENED = re.compile(r"<!-- begin:(\w+)")
NOTE = "written by 'make readme', do not edit"
DETAILS = ["at half of the steps", "comparisons as claimed : open : against", "failed replicas"]
MOST_GROUPS = 4  # comparisons that are named where a claim does not hold; the rest is counted


def rewrite(path: Path, source: Source) -> None:
    """Write the marked blocks of the Markdown file at ``path`` anew; the rest of it stays as it is.

    Raises:
        UserError: if the file is missing or has a block that is not known or not closed.
    """
    if not path.is_file():
        raise UserError(f"no such file: {path}")
    write_text(path, refresh(path.read_text(encoding="utf-8"), source, str(path)))


def refresh(text: str, source: Source, name: str) -> str:
    """``text`` with every block between ``<!-- begin:x -->`` and ``<!-- end:x -->`` replaced by ``BLOCKS['x']``."""
    closed = {match[1] for match in MARKED.finditer(text)}
    for block in OPENED.findall(text):
        if block not in BLOCKS:
            raise UserError(f"{name}: unknown block '{block}' ({did_you_mean(block, BLOCKS)})")
        if block not in closed:
            raise UserError(f"{name}: block '{block}' is not closed by <!-- end:{block} -->")

    def written(match: re.Match[str]) -> str:
        content = BLOCKS[match[1]](source) or match[2].rstrip("\n")  # nothing to say: what was said before stays
        return f"<!-- begin:{match[1]} ({NOTE}) -->\n{content}\n<!-- end:{match[1]} -->"

    return MARKED.sub(written, text)


def verdicts(source: Source, details: bool = True) -> str:
    """A sentence on each run, and per claim its verdict, effect and, with details, comparisons; other scales first."""
    runs = [*source.before, source]
    heading: list[str] = ["claim"]
    rows = [[f"{one.claim.id} {one.claim.short}"] for one in source.judgements]
    for run in runs:
        full = details and run is runs[0]  # of further scales the verdict and the effect only
        heading += [f"verdict, `{run.scale}`", "effect, 95 % interval"]
        heading += DETAILS if full else []
        for row, one in zip(rows, run.judgements, strict=True):
            row += [verdict_at(run, one) + r"\*" * one.younger, _expected(one)]
            row += [_half(one), _counts(one), str(one.diverged)] if full else []
    younger = any(one.younger for run in runs for one in run.judgements)
    note = "\n\n\\* statement or rule younger than the run" if younger else ""
    return "\n\n".join([*map(_run, runs), _table(heading, rows)]) + note


def expected(source: Source) -> str:
    """Per claim: the command that decides it alone, time, expected verdict and number, and what is not as claimed.

    Verdicts at other scales come first, and what these scales take stands above the table.
    """
    rows = []
    for one, *others in zip(source.judgements, *(run.judgements for run in source.before), strict=True):
        claim = one.claim
        rows.append([claim.id, f"`{_command(source.scale, claim)}`", _minutes(source.minutes(claim.experiments)),
                     *map(verdict_at, source.before, others), one.stated, _expected(one),
                     _exceptions(one)])  # fmt: skip
    heading = ["claim", "command", "core minutes", *(f"verdict, `{run.scale}`" for run in source.before),
               "expected verdict", "expected effect, tolerance", "comparisons that are open or against"]  # fmt: skip
    takes = [f"{_run(run)} {run.hours:.1f} hours of training; again with `{run.command}`." for run in source.before]
    return "\n\n".join([*takes, _run(source), _table(heading, rows)])


def times(source: Source) -> str:
    """Core minutes, number of jobs and largest memory by part of the workflow."""
    rows = [
        [str(part), str(len(jobs)), _minutes(jobs["seconds"].sum() / 60), f"{jobs['memory'].max() / 1024:.1f} GB"]
        for part, jobs in source.jobs.groupby("part", sort=False)
    ]
    heading = ["part", "jobs", "core minutes", "largest memory of a job"]
    return _table(heading, rows) if rows else "No times were recorded."


BLOCKS: dict[str, Callable[[Source], str]] = {
    "summary": first_screen.summary,
    "pictures": first_screen.pictures,
    "by_time": first_screen.by_time,
    "ending": first_screen.ending,
    "compared": first_screen.compared,
    "claims": lambda source: verdicts(source, details=False),
    "verdicts": verdicts,
    "expected": expected,
    "uphill": lambda source: uphill_text([*source.before, source]),
    "times": times,
    "methods": lambda source: schemes.markdown(),
}


def _command(scale: str, claim: Claim) -> str:
    """What decides this claim, from the data on, and trains no other experiments."""
    only = alone(scale, claim.experiments)
    return f"snakemake --cores all --config scale={scale} {only} -- results/{scale}/claims.txt"


def _run(source: Verdicts) -> str:
    """Scale, cells, device, seeds of a cell."""
    cells, devices = len(source.results.runs), ", ".join(source.devices)
    few = f" ({'; '.join(source.lacking().values())})" if source.lacking() else ""
    return f"Scale `{source.scale}`: {cells} cells{few}, trained on {devices}; {_seeds(source.results.metrics)}."


def _seeds(metrics: pd.DataFrame) -> str:
    """``3 seeds a cell``, or where experiments differ ``seeds a cell: 8 (bimodal), 3 (linear)``."""
    counts = metrics.groupby("experiment", sort=False)["seed"].nunique()
    if counts.nunique() == 1:
        return f"{counts.iloc[0]} seeds a cell"
    return "seeds a cell: " + ", ".join(f"{count} ({name})" for name, count in counts.items())


def _expected(one: Judgement) -> str:
    """Effect and interval with their unit, rounded to what the interval supports."""
    if not one.pairs or not one.claim.measures:  # not run, or about verdicts
        return "–"
    effect, *ends = (text.replace("-", "−") for text in rounded(one))
    return " ".join([effect, *([f"[{', '.join(ends)}]"] if ends else []), unit(one.claim)])


def _half(one: Judgement) -> str:
    """Effect and verdict after half of the steps."""
    if one.half is None or not math.isfinite(one.half.effect):
        return "–"
    effect = fixed(one.half.effect, 2).replace("-", "−")
    return f"{effect} {unit(one.claim)}, {one.half.verdict}"


def _counts(one: Judgement) -> str:
    if not one.pairs:
        return "–"
    return f"{one.as_claimed} : {len(one.groups) - one.as_claimed - one.against} : {one.against}"


def _exceptions(one: Judgement) -> str:
    """The groups whose interval does not lie on the claimed side; those against are marked."""
    named = [f"**{group}**" if against else group for group, against in exceptional(one)]
    more = f" and {len(named) - MOST_GROUPS} more" if len(named) > MOST_GROUPS else ""
    return ("; ".join(named[:MOST_GROUPS]) + more) or "none"  # a group's own name can have a comma


def _minutes(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0f}" if value >= 1 else "< 1"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
