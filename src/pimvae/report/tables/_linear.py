"""Tables of the linear experiment: aggregators in rows, the two bounds side by side, one panel per data set."""

__all__ = ["GAPS", "RATES", "linear_table"]

from collections.abc import Sequence

from pimvae.claims.selection import select
from pimvae.config.catalogue import catalogue
from pimvae.report.tables._layout import Column, aggregator_rows, body, grouped_headings, not_run, panel, tabular
from pimvae.report.tables._simple import simple_block, standing
from pimvae.results.files import Results

EXPERIMENT = "linear"
GAPS = [
    (r"LLH gap", "llh_gap", "all"),
    (r"bound gap", "bound_gap", "average"),
    (r"$\KL_1$", "kl_posterior", "unimodal"),
    (r"$\KL_M$", "kl_posterior", "all"),
]
RATES = [
    ("rate", "rate", "all"),
    ("cross rate", "cross_rate", "unimodal"),
    ("full", "reconstruction", "all"),
    ("cross", "reconstruction_cross", "unimodal"),
]


def linear_table(results: Results, datasets: Sequence[str], measures: Sequence[tuple[str, str, str]]) -> str:
    """The table of ``measures`` (heading, metric, subset) for the given data sets; tc columns appear if it was run."""
    metrics = select(results.metrics, {"experiment": EXPERIMENT, "dataset": list(datasets)})
    if metrics.empty:
        return not_run()
    objectives = catalogue().order("objectives", metrics["objective"])
    columns = [Column(heading, metric, subset, (("objective", objective),))
               for objective in objectives for heading, metric, subset in measures]  # fmt: skip
    names = [(f"{catalogue().look('objectives', name).label} bound", [heading for heading, *_ in measures])
             for name in objectives]  # fmt: skip
    lines = grouped_headings(names)
    where = {"experiment": EXPERIMENT, "dataset": list(datasets), "beta": 1}
    low, simple = standing(results, where), select(results.baselines, where)
    present = catalogue().order("datasets", metrics["dataset"])
    for dataset in present:
        part = metrics[metrics["dataset"] == dataset]
        rows = body(part, aggregator_rows(part), columns, low[low["dataset"] == dataset])
        title = catalogue().look("datasets", dataset).label
        lines += panel(title, len(columns) + 1, rows) if len(datasets) > 1 else [r"\midrule", *rows]
        lines += simple_block(simple[simple["dataset"] == dataset], columns)
    return tabular("l" + "r" * len(columns), lines)
