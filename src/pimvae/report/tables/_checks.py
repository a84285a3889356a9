"""Importance-sampled log-likelihoods held against the exact ones."""

__all__ = ["check_rows"]

import pandas as pd

from pimvae.claims.selection import REPLICA, drop_diverged, select

NAMES = ["llh_is", "llh_exact_same", "llh_is_se", "ess_fraction"]


def check_rows(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row per replica: error of the estimate (nats), the same in standard errors, effective sample share."""
    rows = select(drop_diverged(metrics), {"experiment": "linear", "metric": NAMES})
    wide = rows.pivot_table(index=REPLICA, columns="metric", values="value").reset_index()
    if set(NAMES) - set(wide):
        return pd.DataFrame(columns=[*REPLICA, "error", "errors", "ess_fraction"])
    error = wide["llh_is"] - wide["llh_exact_same"]
    return wide.assign(error=error, errors=error / wide["llh_is_se"].where(wide["llh_is_se"] > 0))
