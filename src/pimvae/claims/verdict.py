"""The verdict on a claim, computed from tidy metrics by comparisons that are paired by seed."""

__all__ = ["GROUP_COLUMNS", "STRATUM_COLUMNS", "Judgement", "Verdict", "judge"]

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pimvae.claims.decision import Verdict, decide, improvement, interquartile_mean
from pimvae.claims.pairs import UNITS, compared
from pimvae.claims.schema import Claim
from pimvae.claims.selection import REPLICA, diverged_replicas, select
from pimvae.claims.statistics import mean_interval
from pimvae.claims.status import FAILED, UNTRAINED, replica_status
from pimvae.results.files import COLUMNS

GROUP_COLUMNS = ["claim", "verdict", "group", "metric", "subset", "effect", "low", "high", "pairs",
                 "dataset", "interquartile_mean", "improvement"]  # fmt: skip
STRATUM_COLUMNS = ["claim", "group", "metric", "subset", "dataset", "better", "worse", "mean_better", "mean_worse",
                   "difference", "difference_half", "effect", "effect_half", "pairs", "diverged"]  # fmt: skip


@dataclass(frozen=True)
class Judgement:
    """One claim with its verdict, its groups (one row each, first the mean of all) and its strata."""

    claim: Claim
    verdict: Verdict
    effect: float
    low: float
    high: float
    pairs: int
    diverged: int
    groups: pd.DataFrame
    strata: pd.DataFrame

    @property
    def as_claimed(self) -> int:
        """Number of groups whose interval lies beyond the smallest relevant effect, as claimed."""
        return int((self.groups["low"] > self.claim.relevant).sum())

    @property
    def against(self) -> int:
        """Number of groups whose interval lies wholly on the other side."""
        return int((self.groups["high"] < 0).sum())


def judge(metrics: pd.DataFrame, claim: Claim, baselines: pd.DataFrame | None = None) -> Judgement:
    """Judge one claim by itself, by the rule of `pimvae.claims.decision.decide`.

    The effect of a pair is signed so that positive means "as claimed". A comparison is one group, data set, metric and
    subset; its interval is Student's, of the mean over seeds, all of its pairs averaged seed by seed. In addition:

    * replicas below the simplest model of ``baselines`` (see `replica_status`) are left out and counted as failed;
    * a failed replica on the side that should be better, or any untrained one, turns "holds" into undecided;
    * an ``average`` over data sets whose effects have opposite signs, both intervals without 0, does not hold;
    * ``not run`` without pairs.
    """
    everything = select(metrics, {"experiment": claim.experiment, **claim.where})
    simple = pd.DataFrame(columns=COLUMNS) if baselines is None else baselines
    status = replica_status(everything, simple)
    chosen = _without(everything, status[status["status"] == UNTRAINED])
    pairs = pd.concat(compared(chosen, claim), ignore_index=True)
    failed = status[status["status"].isin(FAILED)]
    sides = [select(failed, side) if side else failed[:0] for side in (claim.better, claim.worse)]
    if claim.quantifier == "none_best":
        sides[1] = failed
    count = len(sides[0]) + len(sides[1])
    if pairs.empty:
        empty = pd.DataFrame(columns=GROUP_COLUMNS), pd.DataFrame(columns=STRATUM_COLUMNS)
        return Judgement(claim, "undecided" if count else "not run", math.nan, math.nan, math.nan, 0, count, *empty)
    parts = list(pairs.groupby(["group", "metric", "subset"], sort=False))
    groups = pd.DataFrame([_group(rows, dict(zip(["group", "metric", "subset"], key, strict=True)))
                           for key, rows in parts])  # fmt: skip
    overall = mean_interval(_per_seed(pairs))
    comparisons = [_per_seed(pairs)] if claim.quantifier == "average" else [_per_seed(rows) for _, rows in parts]
    verdict = decide(comparisons, claim.quantifier, claim.relevant)
    untrained = any((side["status"] == UNTRAINED).any() for side in sides)
    if verdict == "holds" and (len(sides[0]) or untrained or _opposite(pairs, claim)):
        verdict = "undecided"
    groups = groups.assign(claim=claim.id, verdict=verdict)[GROUP_COLUMNS]
    ends = overall.mean, overall.low, overall.high
    return Judgement(claim, verdict, *ends, len(pairs), count, groups, _strata(pairs, everything, claim))


def _without(metrics: pd.DataFrame, replicas: pd.DataFrame) -> pd.DataFrame:
    """The rows of all other replicas."""
    if replicas.empty:
        return metrics
    marked = metrics.merge(replicas[REPLICA].assign(_out=True), on=REPLICA, how="left")["_out"]
    return metrics[marked.isna().to_numpy()]


def _per_seed(pairs: pd.DataFrame) -> list[float]:
    """Mean effect of every seed over its strata, over those seeds alone that every stratum has."""
    table = pairs.groupby(["seed", "metric", "subset", "experiment", "stratum"])["effect"].mean().unstack("seed")
    means = table.loc[:, table.notna().all()].mean()
    return [float(value) for value in means] if len(means) else [float(pairs["effect"].mean())]


def _opposite(pairs: pd.DataFrame, claim: Claim) -> bool:
    """Whether an average joins data sets with effects of opposite signs, neither interval holding 0."""
    if claim.quantifier != "average":
        return False
    found = [mean_interval(_per_seed(rows)) for _, rows in pairs.groupby(["experiment", "dataset_worse"], sort=False)]
    return any(one.low > 0 for one in found) and any(one.high < 0 for one in found)


def _group(rows: pd.DataFrame, names: dict[str, Any]) -> dict[str, Any]:
    values = _per_seed(rows)
    found = mean_interval(values)
    return {
        **names, "dataset": rows["dataset_worse"].iloc[0], "effect": found.mean, "low": found.low, "high": found.high,
        "pairs": len(rows), "interquartile_mean": interquartile_mean(values), "improvement": improvement(values),
    }  # fmt: skip


def _strata(pairs: pd.DataFrame, chosen: pd.DataFrame, claim: Claim) -> pd.DataFrame:
    """Per data set and pair of cells: means, difference and effect with Student intervals over seeds."""
    bad = diverged_replicas(chosen)
    rows = []
    for (metric, subset, _), part in pairs.groupby(["metric", "subset", "stratum"], sort=False):
        first = part.iloc[0]
        difference, effect = (mean_interval(part[name].tolist()) for name in ("difference", "effect"))
        cells = [{key: first[f"{key}_{side}"] for key in UNITS} for side in ("better", "worse")]
        rows.append({
            "claim": claim.id, "group": first["group"], "metric": metric, "subset": subset,
            "dataset": first["dataset_better"],
            "better": "-".join(map(str, cells[0].values())), "worse": "-".join(map(str, cells[1].values())),
            "mean_better": part["value_better"].mean(), "mean_worse": part["value_worse"].mean(),
            "difference": difference.mean, "difference_half": difference.half,
            "effect": effect.mean, "effect_half": effect.half,
            "pairs": len(part), "diverged": sum(len(select(bad, cell)) for cell in cells) if len(bad) else 0,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=STRATUM_COLUMNS)
