"""The verdict on a claim, computed from tidy metrics by comparisons that are paired by seed."""

__all__ = ["GROUP_COLUMNS", "STRATUM_COLUMNS", "Judgement", "Verdict", "judge"]

import math
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pimvae.claims.pairs import UNITS, compared
from pimvae.claims.schema import Claim
from pimvae.claims.selection import diverged_replicas, select
from pimvae.claims.statistics import LEVEL, bootstrap_mean, mean_interval

Verdict = Literal["holds", "does not hold", "undecided", "not run"]
GROUP_COLUMNS = ["claim", "verdict", "group", "metric", "subset", "effect", "low", "high", "pairs"]
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
        """Number of groups whose interval lies beyond the threshold, as the claim says."""
        return int((self.groups["low"] > self.claim.threshold).sum())

    @property
    def against(self) -> int:
        """Number of groups whose interval lies wholly on the other side."""
        return int((self.groups["high"] < self.claim.threshold).sum())


def judge(metrics: pd.DataFrame, claim: Claim) -> Judgement:
    """Judge one claim by itself.

    The effect of a pair is signed so that positive means "as claimed". A stratum is one data set and one pair of cells,
    with one effect per seed; seeds are resampled per data set, for all of its strata together. Verdicts, with 95%
    intervals throughout:

    * ``average``: holds if the interval of the mean over all strata lies above the threshold, does not hold if it lies
      below the threshold or below the smallest effect that is relevant, else undecided;
    * ``every``: holds if the interval of each group lies above (asking all of them needs no correction); does not hold
      if the interval of one group lies so low at the level 1 − 0.05/groups (Bonferroni); else undecided;
    * ``some``: holds if the interval of one group lies above at the level 1 − 0.05/groups, does not hold if all lie
      below;
    * ``none_best``: groups are schemes, effects their `shortfalls`; holds if the interval of each lies above 0, does
      not hold if one lies at or below, at the level corrected as for ``every``;
    * a diverged replica on the side that should be better turns "holds" into undecided; ``not run`` without pairs.
    """
    chosen = select(metrics, {"experiment": claim.experiment, **claim.where})
    pairs = pd.concat(compared(chosen, claim), ignore_index=True)
    better = select(diverged_replicas(chosen), claim.better) if claim.better else diverged_replicas(chosen)[:0]
    worse = select(diverged_replicas(chosen), claim.worse)
    diverged = len(better) + len(worse)
    if pairs.empty:
        empty = pd.DataFrame(columns=GROUP_COLUMNS), pd.DataFrame(columns=STRATUM_COLUMNS)
        verdict: Verdict = "undecided" if diverged else "not run"
        return Judgement(claim, verdict, math.nan, math.nan, math.nan, 0, diverged, *empty)
    names = ["group", "metric", "subset"]
    groups = pd.DataFrame([_group(rows, dict(zip(names, key, strict=True)))
                           for key, rows in pairs.groupby(names, sort=False)])  # fmt: skip
    effect, low, high = _mean(pairs)
    verdict = _verdict(claim, groups, pairs, (low, high))
    if verdict == "holds" and len(better):
        verdict = "undecided"
    strata = _strata(pairs, chosen, claim)
    groups = groups.assign(claim=claim.id, verdict=verdict)[GROUP_COLUMNS]
    return Judgement(claim, verdict, effect, low, high, len(pairs), diverged, groups, strata)


def _verdict(claim: Claim, groups: pd.DataFrame, pairs: pd.DataFrame, overall: tuple[float, float]) -> Verdict:
    if claim.quantifier == "average":
        low, high = overall
        return "holds" if low > claim.threshold else "does not hold" if high < claim.refuted_below else "undecided"
    if claim.quantifier != "some" and (groups["low"] > claim.threshold).all():
        return "holds"
    strict = 1 - (1 - LEVEL) / len(groups)
    ends = [_mean(rows, strict)[1:]
            for _, rows in pairs.groupby(["group", "metric", "subset"], sort=False)]  # fmt: skip
    if claim.quantifier == "some":
        if any(low > claim.threshold for low, _ in ends):
            return "holds"
        return "does not hold" if (groups["high"] < claim.refuted_below).all() else "undecided"
    if claim.quantifier == "none_best":  # the shortfall of a scheme that is best everywhere is 0 at every seed
        return "does not hold" if any(high <= 0 for _, high in ends) else "undecided"
    return "does not hold" if any(high < claim.refuted_below for _, high in ends) else "undecided"


def _mean(pairs: pd.DataFrame, level: float = LEVEL) -> tuple[float, float, float]:
    """Mean effect over all strata with its interval.

    Strata of one data set are not independent: one seed fixes the data and the initial weights of all of them, and
    several may share a cell. Their mean is taken seed by seed, and those means are what is resampled.
    """
    by_seed, strata = [], []
    for _, part in pairs.groupby(["experiment", "dataset_worse"], sort=False):
        by_seed.append(part.groupby("seed")["effect"].mean().tolist())
        strata.append(len(part[["metric", "subset", "stratum"]].drop_duplicates()))
    return bootstrap_mean(by_seed, level, weights=strata)


def _group(rows: pd.DataFrame, names: dict[str, Any]) -> dict[str, Any]:
    effect, low, high = _mean(rows)
    return {**names, "effect": effect, "low": low, "high": high, "pairs": len(rows)}


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
