"""What the jobs of a run took: Snakemake's benchmark files, and the memory of jobs that it did not see."""

__all__ = ["REPORT", "read_jobs"]

from pathlib import Path

import pandas as pd

from pimvae.results.files import BEYOND
from pimvae.warm import MEMORY

REPORT = "tables, figures, paper, notebooks"  # the part of jobs that belong to no experiment


def read_jobs(folder: Path) -> pd.DataFrame:
    """One row per job of a run: part of the workflow, seconds, largest memory in MiB; empty where none was recorded.

    A fork of `pimvae.warm` is no child of its job's shell, whose memory Snakemake measures: it has a line in `MEMORY`.
    """
    place = folder / MEMORY
    forks = pd.read_csv(place).groupby("job")["max_rss"].last() if place.is_file() else {}
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        part = REPORT if path.parent in (folder, folder / BEYOND) else path.parent.name
        record = pd.read_csv(path, sep="\t", na_values="-").iloc[0]
        memory = forks.get(path.relative_to(folder).with_suffix("").as_posix(), record["max_rss"])
        rows.append((part, float(record["s"]), float(memory)))
    rows.sort(key=lambda row: row[0] == REPORT)
    return pd.DataFrame(rows, columns=["part", "seconds", "memory"])
