"""What became of each replica: trained, diverged, below the simplest model, or equal to it."""

__all__ = ["STATUSES", "replica_status"]

import pandas as pd

from pimvae.claims.selection import REPLICA, diverged_replicas, select

STATUSES = ("trained", "diverged", "untrained", "collapsed")
SIMPLEST = ("no_latent", "independent")
PLACE = ["experiment", "dataset", "seed", "split", "subset"]
MARGIN = 1e-3  # of the log-likelihood: what counts as equal, where no larger standard error is known
LEAST_RATE = 0.1  # nats below which a posterior says nothing


def replica_status(metrics: pd.DataFrame, baselines: pd.DataFrame) -> pd.DataFrame:
    """One row per replica with a log-likelihood: its keys, seed and ``status``.

    ``untrained``: below the simplest model of its data set (same seed, split and samples) by more than the margin, two
    standard errors of its own estimate or ``MARGIN`` of the log-likelihood. ``collapsed``: equal to it within the
    margin, at a rate below ``LEAST_RATE``. The split is the held-out one where there is one.
    """
    reached = _values(metrics, "llh")
    simplest = baselines[baselines["baseline"].isin(SIMPLEST) & (baselines["metric"] == "llh")]
    simplest = simplest.astype({name: metrics[name].dtype for name in [*PLACE, "value"]})  # an empty table has others
    reached = reached.merge(simplest[[*PLACE, "value"]].rename(columns={"value": "simplest"}), on=PLACE, how="left")
    for metric in ("llh_se", "rate"):
        found = _values(metrics, metric)[[*REPLICA, "split", "value"]].rename(columns={"value": metric})
        reached = reached.merge(found, on=[*REPLICA, "split"], how="left")
    margin = (2 * reached["llh_se"].fillna(0)).clip(lower=MARGIN * reached["simplest"].abs())
    above = reached["value"] - reached["simplest"]
    status = pd.Series("trained", index=reached.index)
    status[above < -margin] = "untrained"
    status[(above.abs() <= margin) & (reached["rate"] < LEAST_RATE)] = "collapsed"
    reached = reached.assign(status=status).sort_values("split", kind="stable").drop_duplicates(REPLICA)
    bad = diverged_replicas(metrics).assign(_bad=True)
    flagged = reached.merge(bad, on=REPLICA, how="left")["_bad"].notna().to_numpy()
    return reached.assign(status=reached["status"].where(~flagged, "diverged"))[[*REPLICA, "status"]]


def _values(metrics: pd.DataFrame, metric: str) -> pd.DataFrame:
    return select(metrics, {"metric": metric, "subset": "all"})[[*REPLICA, "split", "subset", "value"]]
