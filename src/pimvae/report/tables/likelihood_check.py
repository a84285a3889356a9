"""The importance-sampled log-likelihood held against the exact one, over all cells and seeds of a data set."""

__all__ = ["table_likelihood_check", "check_rows"]

import pandas as pd

from pimvae.report.files import Results
from pimvae.report.methods import catalogue
from pimvae.report.selection import REPLICA, drop_diverged, select
from pimvae.report.statistics import format_number
from pimvae.report.tables._layout import escape, not_run, tabular

NAMES = ["llh_is", "llh_exact_same", "llh_is_se", "ess_fraction"]


def check_rows(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row per replica: error of the estimate (nats), the same in standard errors, effective sample share."""
    rows = select(drop_diverged(metrics), {"experiment": "linear", "metric": NAMES})
    wide = rows.pivot_table(index=REPLICA, columns="metric", values="value").reset_index()
    if set(NAMES) - set(wide):
        return pd.DataFrame(columns=[*REPLICA, "error", "errors", "ess_fraction"])
    error = wide["llh_is"] - wide["llh_exact_same"]
    return wide.assign(error=error, errors=error / wide["llh_is_se"].where(wide["llh_is_se"] > 0))


def table_likelihood_check(results: Results) -> str:
    """Per data set: replicas, mean and largest error in nats, mean and least effective sample share."""
    rows = check_rows(results.metrics)
    if rows.empty:
        return not_run()
    lines = [r" & replicas & \multicolumn{2}{c}{error (nats)} & \multicolumn{2}{c}{effective sample (\%)} \\",
             r"\cmidrule(lr){3-4} \cmidrule(lr){5-6}", r" & & mean & largest & mean & least \\", r"\midrule"]  # fmt: skip
    for name in catalogue().order("datasets", rows["dataset"]):
        part = rows[rows["dataset"] == name]
        share = 100 * part["ess_fraction"]
        numbers = [part["error"].mean(), part["error"].abs().max(), share.mean(), share.min()]
        cells = [escape(catalogue().look("datasets", name).label), str(len(part)), *map(format_number, numbers)]
        lines.append(" & ".join(cells) + r" \\")
    return tabular("lrrrrr", lines)
