"""The blocks of the README's first screen: the verdicts in words, pictures, what to run, how a run ends."""

__all__ = ["by_time", "compared", "ending", "pictures", "summary"]

import math

from pimvae.claims.verdict import UNSETTLED
from pimvae.config.catalogue import read_config
from pimvae.report.pictures import PICTURES
from pimvae.report.prose import counted
from pimvae.report.source import Source, Verdicts
from pimvae.results.jobs import REPORT

CORES = 2  # for which waiting times are stated
SHOWN = 4  # claims in the sample of a run's last lines
VERBS = {  # of a verdict, for one claim and for several
    "holds": ("holds", "hold"),
    "refuted": ("is refuted", "are refuted"),
    "negligible": ("makes no difference that matters", "make no difference that matters"),
    "undecided": ("stays undecided", "stay undecided"),
    "not run": ("was not examined", "were not examined"),
}
TOLD = ("holds", "refuted", "negligible")  # verdicts on claims that are quoted; others are named by their numbers


def summary(source: Source) -> str:
    """A list for each scale: how many claims got which verdict, and what those say that were decided."""
    runs = (*source.before, source)
    settled = all(one.settled for run in runs for one in run.judgements)
    note = [] if settled else ["Not settled: half of the steps gave another verdict."]
    return "\n\n".join([*map(_verdicts, runs), *note])


def _verdicts(run: Verdicts) -> str:
    """Of the claims that the scale examines; of all, as not examined, where it examines none."""
    found: dict[str, list[str]] = {}
    for one in run.judgements:
        claim = one.claim
        quoted = f"{claim.short} ({claim.id}{'' if one.settled else ', not settled'})"
        named = f"{claim.id}{'' if one.settled else UNSETTLED}"
        found.setdefault(one.verdict, []).append(quoted if one.verdict in TOLD else named)
    if len(found) > 1:
        found.pop("not run", None)
    heading = f"**Scale `{run.scale}`, {counted(sum(map(len, found.values())), 'claim')} tested:**"
    lines = []
    for key, (one, several) in VERBS.items():
        if claims := found.get(key):
            said = ("; " if key in TOLD else ", ").join(claims)
            lines.append(f"- **{len(claims)} {several if len(claims) > 1 else one}**: {said}.")
    return "\n".join([heading, "", *lines])


def pictures(source: Source) -> str:
    """The pictures of `pimvae.report.pictures`, side by side."""
    shown = [f'<img src="docs/figures/{name}.png" alt="{text}" width="49%">' for name, text in PICTURES.items()]
    note = (
        f"Scale `{source.pictured.scale}`. Left: the comparisons behind the claims on the first three experiments with "
        "95 % intervals; what is right of the dashed line is as claimed. Right: a digit (M), a house number (S) and a "
        "word (T), generated from what is *given*; masked bound, embedded stand-in images."
    )
    return "\n".join([*shown, "", note])


def by_time(source: Source) -> str:
    """What to run by the time at hand; the time of the laptop scale is that of the jobs of this run."""
    rows = [
        ("2 minutes after `make install`", "rebuild",
         "no training: tables, figures, verdicts and paper from the shipped results"),
        ("5 minutes", "reproduce SCALE=smoke", "every cell for a few steps: does it run? Its numbers mean nothing"),
        (_laptop(source), "reproduce SCALE=laptop", "the publication's experiments, smaller networks and fewer steps"),
        ("a night", "reproduce SCALE=workstation", "larger networks, more steps and seeds"),
        ("a GPU", "reproduce SCALE=paper", "the publication's sizes; `make plan SCALE=paper` says how long; images are "
         "stand-ins there too, unless `source: full` is set"),
    ]  # fmt: skip
    lines = [f"| {time} | `make {run}` | {get} |" for time, run, get in rows]
    return "\n".join(["| you have | run | you get |", "|---|---|---|", *lines])


def ending(source: Source) -> str:
    """The last lines of a run, shortened."""
    width = max((len(one.stated) for one in source.judgements[:SHOWN]), default=0)
    lines = [f"{one.claim.id:4}  {one.stated:{width}}  {one.claim.short}" for one in source.judgements]
    if len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"... ({len(lines) - SHOWN} more)"]
    lines = [f"claims at scale {source.scale}:", *lines, "paper: /home/you/pimvae/paper/paper.pdf"]
    return "\n".join(["```", *lines, "```"])


def compared(source: Source) -> str:
    """How another run compares with this one, its picture behind a click; empty if nothing is known."""
    if source.compared is None:
        return ""
    picture = f'<img src="docs/figures/compare.png" alt="{source.compared}" width="70%">'
    return f"{source.compared}\n\n<details><summary>every number</summary>\n\n{picture}\n\n</details>"


def _laptop(source: Source) -> str:
    """Waiting time of the experiments that 'make reproduce' runs; of another scale, nothing is known of it."""
    minutes = source.minutes([*read_config("config.yaml")["experiments"], REPORT]) / CORES
    if source.scale != "laptop" or math.isnan(minutes):
        return "under an hour"
    return f"{5 * math.ceil((minutes - 0.5) / 5)} minutes (two cores)"  # in steps of five, within half a minute
