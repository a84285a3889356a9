"""What the marked blocks of Markdown files are written from: the results of one scale, verdicts, times of jobs."""

__all__ = ["Source", "read_jobs"]

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pimvae.claims.schema import Claim, read_claims
from pimvae.results.files import BEYOND, Results, read_csv

REPORT = "tables, figures, paper, notebooks"  # the part of jobs that belong to no experiment


@dataclass(frozen=True)
class Source:
    """Results of one scale with what was decided from them and how long its jobs took.

    ``compared`` says how a run of another machine compares with these results; None leaves what was said before.
    """

    scale: str
    results: Results
    claims: list[Claim]
    verdicts: pd.DataFrame
    groups: pd.DataFrame
    jobs: pd.DataFrame
    compared: str | None = None

    @classmethod
    def load(cls, folder: Path, scale: str, claims: Path | None = None) -> "Source":
        """Read the collected results, ``claims.csv``, ``claims_groups.csv`` and ``benchmarks/`` of one scale's folder.

        In ``results/<scale>/beyond`` are those of all experiments; the benchmarks lie beside it.

        Raises:
            UserError: if results or verdicts are missing. Benchmarks may be.
        """
        decided = [read_csv(folder / f"{name}.csv", ["claim", "verdict"], "decide the claims first")
                   for name in ("claims", "claims_groups")]  # fmt: skip
        results = Results.load(folder)
        return cls(scale, results, read_claims(claims), *decided, read_jobs(results.folder / "benchmarks"))

    def minutes(self, experiments: Iterable[str]) -> float:
        """Sum of the times of all jobs of these experiments; NaN where none was recorded."""
        seconds = self.jobs.loc[self.jobs["part"].isin(list(experiments)), "seconds"]
        return seconds.sum() / 60 if len(seconds) else math.nan

    def decided(self) -> list[tuple[Claim, pd.Series]]:
        """Claims with their verdicts, in the order of the file of claims."""
        rows = self.verdicts.set_index("claim", drop=False)
        return [(claim, rows.loc[claim.id]) for claim in self.claims if claim.id in rows.index]


def read_jobs(folder: Path) -> pd.DataFrame:
    """One row per job from Snakemake's benchmark files: part of the workflow, seconds, memory in MB."""
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        part = REPORT if path.parent in (folder, folder / BEYOND) else path.parent.name
        record = pd.read_csv(path, sep="\t", na_values="-").iloc[0]
        rows.append((part, float(record["s"]), float(record["max_rss"])))
    rows.sort(key=lambda row: row[0] == REPORT)
    return pd.DataFrame(rows, columns=["part", "seconds", "memory"])
