"""T9: parameters, time per step and device time of the trainings."""

__all__ = ["table_compute"]

import pandas as pd

from pimvae.claims.statistics import format_number
from pimvae.config.catalogue import catalogue
from pimvae.report.tables._layout import MISSING, escape, grouped_headings, not_run, panel, tabular
from pimvae.results.files import Results

ELSEWHERE = ["audit", "aggregators", "scaling"]  # as their data set; in the table of all schemes; in a figure
HEADINGS = ["ms/step", "time (s)", r"clipped (\%)"]


def table_compute(results: Results) -> str:
    """Per data set and aggregator: parameters of one replica; per bound ms per replica-step and time of the cell.

    Where an aggregator has cells with either prior: parameters with the fixed one, means of all else.
    """
    runs = results.runs[~results.runs["experiment"].isin(ELSEWHERE)]
    if runs.empty:
        return not_run()
    objectives = catalogue().order("objectives", runs["objective"])
    names = [(f"{catalogue().look('objectives', name).label} bound", HEADINGS) for name in objectives]
    lines = grouped_headings([("", ["parameters"]), *names])
    lines[1] = lines[1].replace(r"\cmidrule(lr){2-2} ", "")
    for dataset in catalogue().order("datasets", runs["dataset"]):
        part = runs[runs["dataset"] == dataset]
        rows = [_row(part[part["aggregator"] == name], name, objectives)
                for name in catalogue().order("aggregators", part["aggregator"])]  # fmt: skip
        lines += panel(catalogue().look("datasets", dataset).label, 2 + len(HEADINGS) * len(objectives), rows)
    return tabular("lr" + "r" * len(HEADINGS) * len(objectives), lines)


def _row(part: pd.DataFrame, name: str, objectives: list[str]) -> str:
    counts = part.sort_values("prior", ascending=False)["parameters"].dropna()  # "standard" comes before "mixture"
    parameters = f"{int(counts.iloc[0]):,}".replace(",", r"\,") if len(counts) else MISSING
    cells = [escape(catalogue().aggregator(name).label), parameters]
    for objective in objectives:
        run = part[part["objective"] == objective]
        values = [run["ms_per_step"].mean(), run["seconds"].mean(), 100 * run["clipped_fraction"].mean()]
        cells += [format_number(value) if len(run) else MISSING for value in values]
    return " & ".join(cells) + r" \\"
