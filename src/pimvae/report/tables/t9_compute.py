"""T9: parameters, time per step and device time of the trainings, of all but the images."""

__all__ = ["table_compute", "table_of"]

import pandas as pd

from pimvae.claims.selection import select
from pimvae.claims.statistics import format_number
from pimvae.config.catalogue import catalogue
from pimvae.report.grid import in_grid
from pimvae.report.latex import escape
from pimvae.report.table import MISSING, NOT_RUN, Part, Table, bound_headings, grouped_headings
from pimvae.report.tables._below import TITLES, published_rows
from pimvae.report.tables._cells import aggregator_rows
from pimvae.results.files import Results

HEADINGS = ["ms/step", "time (s)", r"clipped (\%)"]
GPU = "cuda"  # how the devices begin whose times are marked


def table_compute(results: Results) -> Table:
    """Of linear and identifiable data."""
    return table_of(results, ["linear", "bimodal", "multimodal"])


def table_of(results: Results, experiments: list[str]) -> Table:
    """Per data set and aggregator: parameters of one replica; per bound ms per replica-step and time of the cell.

    Where an aggregator has cells with either prior: parameters with the fixed one, means of all else; of times those on
    one device, the CPU where some were trained there. Times on a GPU are marked. Objectives that are no bound of the
    grid stand below it, with their numbers in the first group.
    """
    runs = results.runs[results.runs["experiment"].isin(experiments)]
    shown = in_grid(runs)
    if shown.empty:
        return NOT_RUN
    bounds = catalogue().order("objectives", shown["objective"])
    parts = []
    for dataset in catalogue().order("datasets", runs["dataset"]):
        own, title = select(runs, {"dataset": dataset}), catalogue().look("datasets", dataset).label
        rows = [_row(label, select(own, where), bounds) for label, where in aggregator_rows(in_grid(own))]
        parts.append(Part(rows, title))
        for name, block in TITLES.items():
            found = published_rows(in_grid(own, name))
            empty = [""] * (len(HEADINGS) * (len(bounds) - 1))
            rows = [[*_row(label, select(own, where), [where["objective"]]), *empty] for label, where in found]
            parts += [Part(rows, f"{title}: {block}")] if rows else []
    head = grouped_headings([("", ["parameters"]), *bound_headings(bounds, HEADINGS)])
    return Table("lr" + "r" * len(HEADINGS) * len(bounds), head, parts)


def _row(label: str, part: pd.DataFrame, objectives: list[str]) -> list[str]:
    counts = part.sort_values("prior", ascending=False)["parameters"].dropna()  # "standard" comes before "mixture"
    parameters = f"{int(counts.iloc[0]):,}".replace(",", r"\,") if len(counts) else MISSING
    cells = [escape(label), parameters]
    for objective in objectives:
        run = part[part["objective"] == objective]
        cells += [*_times(run), format_number(100 * run["clipped_fraction"].mean())]
    return cells


def _times(run: pd.DataFrame) -> list[str]:
    """Means of both times over the cells of one device: those of a GPU and of a core have no common mean."""
    devices = run["device"].fillna("").astype(str)
    gpu = bool(len(run)) and bool(devices.str.startswith(GPU).all())
    same = run[devices == min(devices, key=lambda name: name.startswith(GPU))] if len(run) else run
    return [format_number(same[name].mean()) + r"\ongpu" * gpu for name in ("ms_per_step", "seconds")]
