"""What became of every replica: trained, diverged, worse than the simplest model, or equal to it."""

__all__ = ["COLLAPSED", "DIVERGED", "FAILED", "TRAINED", "UNTRAINED", "cell_status", "replica_status"]

import pandas as pd

from pimvae.claims.selection import REPLICA, diverged_replicas, drop_diverged, of_replicas, select
from pimvae.claims.statistics import mean_interval
from pimvae.results.files import KEYS

TRAINED, DIVERGED, UNTRAINED, COLLAPSED = "trained", "diverged", "untrained", "collapsed"
FAILED = (DIVERGED, UNTRAINED)
# What a trained model must beat: no latent at all; the mixture over the classes, each of independent pixels and
# letters; in all other experiments `INDEPENDENT`. One Gaussian is no such model of views: under a loose bound schemes
# stay below it however long they are trained, and that is what claims are about.
SIMPLEST = {"linear": "no_latent", "images": "class_conditional"}
INDEPENDENT = "independent"
# A replica counts as worse than the simplest model only by more than the error of an estimated log-likelihood.
TOLERANCE, RELATIVE_TOLERANCE = 0.1, 0.002  # nats; share of the baseline's size; the larger one decides
MOST = 0.5  # share of a cell's replicas
RATE = 0.1  # nats; below it the latents carry nothing


def replica_status(metrics: pd.DataFrame, baselines: pd.DataFrame) -> pd.DataFrame:
    """Status of every replica, one row each: keys, seed and ``status``.

    * ``diverged``: its metric ``diverged`` is not 0;
    * ``collapsed``: its log-likelihood is that of the simplest model (within the tolerance, or because the 95% interval
      of the cell's mean difference over seeds holds 0) and its rate is below 0.1 nats. Where no rate was measured, the
      tolerance alone decides;
    * ``untrained``: its log-likelihood (nats) is below that of the simplest model by more than the tolerance;
    * ``trained``: everything else, also where there is no baseline to compare with.

    Args:
        metrics: tidy metrics of trained cells; the split ``test`` decides where there is one.
        baselines: tidy metrics of simple models, named in ``baseline``; may be empty.
    """
    found = metrics[REPLICA].drop_duplicates().reset_index(drop=True)
    found = found.merge(_differences(metrics, baselines), on=REPLICA, how="left")
    rates = _one_each(select(metrics, {"metric": "rate", "subset": "all"}))
    found = found.merge(rates[[*REPLICA, "value"]].rename(columns={"value": "rate"}), on=REPLICA, how="left")
    near = found["difference"].abs() <= found["tolerance"]
    equal = near | (found["cell_equal"].eq(True) & found["rate"].notna())
    status = pd.Series(TRAINED, index=found.index)
    status = status.mask(found["difference"] < -found["tolerance"], UNTRAINED)
    status = status.mask(equal & (found["rate"].isna() | (found["rate"] < RATE)), COLLAPSED)
    return found[REPLICA].assign(status=status.mask(of_replicas(found, diverged_replicas(metrics)), DIVERGED))


def cell_status(metrics: pd.DataFrame, baselines: pd.DataFrame, status: pd.DataFrame) -> pd.DataFrame:
    """Status of every cell and β, one row each: the columns ``KEYS`` and ``status``.

    ``untrained`` if most of its replicas failed, or if the mean of its log-likelihood over those that did not diverge
    is below that of the simplest model by more than the mean tolerance; ``collapsed`` if most replicas are; else
    ``trained``.

    Args:
        metrics: tidy metrics of trained cells.
        baselines: tidy metrics of simple models; may be empty.
        status: of the replicas, see `replica_status`.
    """
    known = status.merge(_differences(metrics, baselines), on=REPLICA, how="left")
    known = known.assign(failed=known["status"].isin(FAILED), collapsed=known["status"] == COLLAPSED)
    usable = known["status"] != DIVERGED
    known = known.assign(margin=(known["difference"] + known["tolerance"]).where(usable))
    shares = known.groupby(KEYS, sort=False)[["failed", "collapsed", "margin"]].mean().reset_index()
    kind = pd.Series(TRAINED, index=shares.index).mask(shares["collapsed"] > MOST, COLLAPSED)
    below = (shares["margin"] < 0) & (kind != COLLAPSED)
    return shares[KEYS].assign(status=kind.mask((shares["failed"] > MOST) | below, UNTRAINED))


def _one_each(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per replica, of the split ``test`` where there is one: it comes before ``train``."""
    return rows.sort_values("split", kind="stable").drop_duplicates(REPLICA)


def _differences(metrics: pd.DataFrame, baselines: pd.DataFrame) -> pd.DataFrame:
    """Per replica llh − that of the simplest model (nats), its tolerance, and whether the cell's mean is equal."""
    wanted = baselines["experiment"].map(lambda name: SIMPLEST.get(name, INDEPENDENT)).astype(object)
    same = ["experiment", "dataset", "seed", "split"]
    where, metrics = {"metric": "llh", "subset": "all"}, drop_diverged(metrics)
    simple = select(baselines[baselines["baseline"] == wanted], where)[[*same, "value"]]
    pairs = _one_each(select(metrics, where).merge(simple, on=same, suffixes=("", "_simple")))
    size = pairs["value_simple"].astype(float).abs()
    pairs = pairs.assign(difference=(pairs["value"] - pairs["value_simple"]).astype(float),
                         tolerance=(RELATIVE_TOLERANCE * size).clip(lower=TOLERANCE))  # fmt: skip
    finite = pairs[pairs["difference"].notna()]
    cells = [(*key, _holds_zero(rows)) for key, rows in finite.groupby(KEYS, sort=False)["difference"]]
    equal = pd.DataFrame(cells, columns=[*KEYS, "cell_equal"]).astype({key: pairs[key].dtype for key in KEYS})
    return pairs[[*REPLICA, "difference", "tolerance"]].merge(equal, on=KEYS, how="left")


def _holds_zero(differences: pd.Series) -> bool:
    estimate = mean_interval(differences.tolist())
    return bool(estimate.low <= 0 <= estimate.high)
