"""What the marked blocks of Markdown files are written from: the results of one scale, verdicts, times of jobs."""

__all__ = ["Source", "Verdicts", "alone", "verdict_at"]

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from pimvae.claims.schema import Claim
from pimvae.claims.selection import select
from pimvae.claims.verdict import Judgement
from pimvae.config.catalogue import read_config
from pimvae.config.experiments import load
from pimvae.errors import UserError
from pimvae.report.job import judge
from pimvae.results.files import CELL, Results
from pimvae.results.jobs import read_jobs


@dataclass(frozen=True)
class Verdicts:
    """The verdicts at one scale, and the results that they rest on.

    Attributes:
        judgements: one for each claim, in the order of the file of claims.
        configured: of shipped results, a row per cell that the scale configures for their experiments: the columns
            `CELL`, and whether it is ``there``.
        betas: of shipped results that lack some β of the scale, those that they have.
    """

    scale: str
    results: Results
    judgements: list[Judgement]
    configured: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*CELL, "there"]), kw_only=True)
    betas: tuple[float, ...] = field(default=(), kw_only=True)

    @classmethod
    def shipped(cls, folder: Path, claims: Path | None = None) -> "Verdicts":
        """Judge the claims by the shipped results in ``folder``, whose name is the scale.

        Raises:
            UserError: see `pimvae.results.files.Results.load`.
        """
        results, scale = Results.load(folder), folder.name
        found = cls(scale, results, judge(results, claims))
        try:
            cells = load(scale, experiments=found.experiments).cells
        except UserError:  # they are configured no more
            return found
        betas = {beta for cell in cells for beta in cell.objective.betas}
        some = set(results.metrics["beta"].dropna())
        there = set(results.runs[CELL].itertuples(index=False, name=None))
        names = [(c.experiment, c.dataset, c.model.aggregator, c.objective.name, c.model.prior) for c in cells]
        configured = pd.DataFrame(names, columns=CELL).assign(there=[name in there for name in names])
        return replace(found, configured=configured, betas=tuple(sorted(some)) if some < betas else ())

    @property
    def experiments(self) -> list[str]:
        """Experiments that were run, in the order of the results."""
        return list(dict.fromkeys(self.results.runs["experiment"]))

    @property
    def devices(self) -> list[str]:
        """What the cells were trained on."""
        return sorted(self.results.runs["device"].dropna().unique())

    @property
    def hours(self) -> float:
        """Sum of the times of all trainings; each of them takes one core, or the GPU."""
        return self.results.runs["seconds"].astype(float).sum() / 3600

    @property
    def command(self) -> str:
        """What makes these results again: all, with the experiments beyond the publication, or those that are there."""
        usual, here = set(read_config("config.yaml")["experiments"]), set(self.experiments)
        if here == usual:
            return f"make reproduce SCALE={self.scale}"
        some = f" {alone(self.scale, self.experiments)}"
        if self.betas:
            some += f" 'betas=[{','.join(f'{beta:g}' for beta in self.betas)}]'"
        return f"snakemake --cores all --config scale={self.scale}{' -- beyond' if here > usual else some}"

    def lacking(self, claim: Claim | None = None) -> dict[str, str]:
        """Of experiments that lack cells (that the claim is about): ``27 of 37 cells of images``."""
        cells = self.configured if claim is None else _concerned(self.configured, claim)
        found = cells.groupby("experiment", sort=False)["there"].agg(["sum", "count"])
        return {
            name: f"{there} of {count} cells of {name}" for name, there, count in found.itertuples() if there < count
        }


@dataclass(frozen=True)
class Source(Verdicts):
    """Results of one scale with what was decided from them and how long its jobs took.

    Attributes:
        jobs: see `pimvae.results.jobs.read_jobs`.
        compared: how a run of another machine compares with these results; None leaves what was said before.
        before: verdicts at other scales, which are shown before those of this one.
    """

    jobs: pd.DataFrame
    compared: str | None = None
    before: tuple[Verdicts, ...] = ()

    @classmethod
    def load(cls, folder: Path, scale: str, claims: Path | None = None, before: Sequence[Path] = ()) -> "Source":
        """Read the collected results, the verdicts on them and the jobs' times of one scale's folder.

        In ``results/<scale>/beyond`` are those of all experiments; ``benchmarks/`` lies beside it. ``before``: folders
        of shipped results.

        Raises:
            UserError: if results or verdicts are missing. Times may be.
        """
        if not (folder / "claims.csv").is_file():
            raise UserError(f"{folder / 'claims.csv'} does not exist: decide the claims first")
        results = Results.load(folder)
        others = tuple(Verdicts.shipped(one, claims) for one in before)
        return cls(scale, results, judge(results, claims, folder), read_jobs(results.folder), before=others)

    @property
    def pictured(self) -> Verdicts:
        """The run whose pictures are shown: the first one that has every experiment of the publication."""
        wanted = set(read_config("config.yaml")["experiments"])
        return next((run for run in (*self.before, self) if wanted <= set(run.experiments)), self)

    def minutes(self, experiments: Iterable[str]) -> float:
        """Sum of the times of all jobs of these experiments; NaN where none was recorded."""
        seconds = self.jobs.loc[self.jobs["part"].isin(list(experiments)), "seconds"]
        return seconds.sum() / 60 if len(seconds) else math.nan


def alone(scale: str, experiments: Sequence[str]) -> str:
    """The settings by which Snakemake runs these experiments and no others."""
    named = f"'experiments=[{','.join(experiments)}]'"
    # Scale paper takes the experiments beyond the publication to any that are named.
    return f"{named} 'beyond=[]'" if scale == "paper" else named


def _concerned(cells: pd.DataFrame, claim: Claim) -> pd.DataFrame:
    """Those cells that a claim is about, on either side."""

    def some(rows: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
        return select(rows, {key: value for key, value in where.items() if key in rows})  # β is of replicas

    rows = some(cells, {"experiment": claim.experiment, **claim.where})
    sides = [some(rows, side) for side in (claim.better, claim.worse) if side]
    return pd.concat(sides).drop_duplicates() if sides else rows


def verdict_at(run: Verdicts, one: Judgement) -> str:
    """The verdict; where only some of the claim's experiments or of their cells were run, which."""
    if not one.pairs:
        return one.stated
    wanted = one.claim.experiments
    there = [name for name in wanted if name in run.experiments]
    part = f", of {', '.join(there)} only" if len(there) < len(wanted) else ""
    return f"{one.stated}{part}{', with '.join(['', *run.lacking(one.claim).values()])}"
