"""Estimated log-likelihoods held against the exact ones."""

__all__ = ["check_rows"]

import pandas as pd

from pimvae.claims.selection import REPLICA, drop_diverged, select

ESTIMATES = {"llh_estimated": "error", "llh_encoder": "encoder_error"}  # what each is held against: `EXACT`
EXACT = "llh_exact_same"
NAMES = [*ESTIMATES, EXACT, "llh_error", "ess_fraction", "ess_fraction_encoder", "k_hat_above"]


def check_rows(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row per replica of experiment 1: error of both estimates (nats) and what was said of them."""
    rows = select(drop_diverged(metrics), {"experiment": "linear", "metric": NAMES})
    wide = rows.pivot_table(index=REPLICA, columns="metric", values="value").reset_index()
    if set(NAMES) - set(wide):
        return pd.DataFrame(columns=[*REPLICA, *ESTIMATES.values(), *NAMES])
    return wide.assign(**{column: wide[name] - wide[EXACT] for name, column in ESTIMATES.items()})
