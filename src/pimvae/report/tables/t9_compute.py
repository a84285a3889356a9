"""T9: parameters, time per step and device time of the trainings."""

__all__ = ["table_compute"]

import pandas as pd

from pimvae.claims.statistics import format_number
from pimvae.config.catalogue import catalogue
from pimvae.report.latex import escape
from pimvae.report.table import MISSING, NOT_RUN, Part, Table, bound_headings, grouped_headings
from pimvae.results.files import Results

ELSEWHERE = ["audit", "aggregators", "scaling"]  # as their data set; in the table of all schemes; in a figure
HEADINGS = ["ms/step", "time (s)", r"clipped (\%)"]


def table_compute(results: Results) -> Table:
    """Per data set and aggregator: parameters of one replica; per bound ms per replica-step and time of the cell.

    Where an aggregator has cells with either prior: parameters with the fixed one, means of all else.
    """
    runs = results.runs[~results.runs["experiment"].isin(ELSEWHERE)]
    if runs.empty:
        return NOT_RUN
    objectives = catalogue().order("objectives", runs["objective"])
    parts = []
    for dataset in catalogue().order("datasets", runs["dataset"]):
        part = runs[runs["dataset"] == dataset]
        rows = [_row(part[part["aggregator"] == name], name, objectives)
                for name in catalogue().order("aggregators", part["aggregator"])]  # fmt: skip
        parts.append(Part(rows, catalogue().look("datasets", dataset).label))
    head = grouped_headings([("", ["parameters"]), *bound_headings(objectives, HEADINGS)])
    return Table("lr" + "r" * len(HEADINGS) * len(objectives), head, parts)


def _row(part: pd.DataFrame, name: str, objectives: list[str]) -> list[str]:
    counts = part.sort_values("prior", ascending=False)["parameters"].dropna()  # "standard" comes before "mixture"
    parameters = f"{int(counts.iloc[0]):,}".replace(",", r"\,") if len(counts) else MISSING
    cells = [escape(catalogue().aggregator(name).label), parameters]
    for objective in objectives:
        run = part[part["objective"] == objective]
        values = [run["ms_per_step"].mean(), run["seconds"].mean(), 100 * run["clipped_fraction"].mean()]
        cells += [format_number(value) if len(run) else MISSING for value in values]
    return cells
