"""T13: newer aggregation schemes and baselines beside those of the publication."""

__all__ = ["table_aggregators"]

from collections.abc import Sequence

import pandas as pd

from pimvae.claims.selection import select
from pimvae.claims.statistics import format_number
from pimvae.config.catalogue import catalogue
from pimvae.evaluation.rows import TRUE_MODEL
from pimvae.report.table import NOT_RUN, Part, Table, grouped_headings
from pimvae.report.tables._cells import Column, aggregator_rows, panels
from pimvae.results.files import Results

EXPERIMENT = "aggregators"
WITHOUT_PRIOR = ["mmvm"]  # objectives that train no prior: the model has no likelihood to speak of
LINEAR = [
    ("LLH gap", "llh_gap", "all"),
    ("bound gap", "bound_gap", "average"),
    (r"$\KL_1$", "kl_posterior", "unimodal"),
    (r"$\KL_M$", "kl_posterior", "all"),
]
VIEWS = [("gap", "ceiling_gap", "all"), ("strong", "mcc_strong_mean", "all"), ("weak", "mcc_weak_mean", "all")]
MEASURES = {"loadings": LINEAR, "views": VIEWS, "views_half": VIEWS}
TIMES = {"loadings": "dense", "views": "views", "views_half": "half"}  # headings of the times per step


def table_aggregators(results: Results) -> Table:
    """A panel per bound, the schemes in rows; best values are marked per column, over all bounds. Times are last."""
    metrics = _shown(results.metrics)
    if metrics.empty:
        return NOT_RUN
    present = [name for name in MEASURES if name in set(metrics["dataset"])]
    columns = [Column(metric, subset, {"dataset": name}) for name in present for _, metric, subset in MEASURES[name]]
    groups = [(catalogue().look("datasets", name).label, [h for h, *_ in MEASURES[name]]) for name in present]
    groups.append(("ms/step", [TIMES[name] for name in present]))
    blocks = [(f"{catalogue().look('objectives', name).label} bound", aggregator_rows(metrics, objective=name))
              for name in catalogue().order("objectives", metrics["objective"])]  # fmt: skip
    runs = select(results.runs, {"experiment": EXPERIMENT})
    parts = []
    for part, (title, rows) in zip(panels(metrics, blocks, columns), blocks, strict=True):
        times = [_times(select(runs, where), present) for _, where in rows]
        parts.append(Part([[*cells, *more] for cells, more in zip(part.rows, times, strict=True)], title))
    return Table("l" + "r" * (len(columns) + len(present)), grouped_headings(groups), parts)


def _shown(metrics: pd.DataFrame) -> pd.DataFrame:
    """Rows of the trained models: of the views the held-out ones, and no likelihood where no prior was trained."""
    rows = select(metrics, {"experiment": EXPERIMENT})
    rows = rows[rows["aggregator"] != TRUE_MODEL]
    other_split = (rows["dataset"] != "loadings") & (rows["split"] != "test") & (rows["metric"] != "diverged")
    meaningless = rows["objective"].isin(WITHOUT_PRIOR) & rows["metric"].isin(["llh", "ceiling_gap"])
    return rows[~other_split & ~meaningless]


def _times(runs: pd.DataFrame, datasets: Sequence[str]) -> list[str]:
    """Mean time per step on each of the data sets."""
    return [format_number(select(runs, {"dataset": name})["ms_per_step"].mean()) for name in datasets]
