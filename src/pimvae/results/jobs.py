"""What the jobs of a run took: Snakemake's benchmark files, and the memory of jobs that it did not see."""

__all__ = ["JOBS", "REPORT", "read_jobs"]

from pathlib import Path

import pandas as pd

from pimvae.results.files import BEYOND
from pimvae.warm import MEMORY

JOBS = "jobs.csv"  # the same of a run that was shipped
REPORT = "tables, figures, paper, notebooks"  # the part of jobs that belong to no experiment


def read_jobs(results: Path) -> pd.DataFrame:
    """One row per job of the run in this folder: job, part of the workflow, seconds, largest memory in MiB.

    Those of the run that was shipped, where its results were unpacked and nothing was trained here; empty where nothing
    was recorded. A fork of `pimvae.warm` is no child of its job's shell, whose memory Snakemake measures: it has a line
    in `MEMORY`.
    """
    folder = results / "benchmarks"
    place = folder / MEMORY
    forks = pd.read_csv(place).groupby("job")["max_rss"].last() if place.is_file() else {}
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        job = path.relative_to(folder).with_suffix("").as_posix()
        part = REPORT if path.parent in (folder, folder / BEYOND) else path.parent.name
        record = pd.read_csv(path, sep="\t", na_values="-").iloc[0]
        rows.append((job, part, float(record["s"]), float(forks.get(job, record["max_rss"]))))
    if all(part == REPORT for _, part, *_ in rows) and (results / JOBS).is_file():
        return pd.read_csv(results / JOBS)
    rows.sort(key=lambda row: row[1] == REPORT)
    return pd.DataFrame(rows, columns=["job", "part", "seconds", "memory"])
