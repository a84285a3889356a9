"""The verdict on a claim, computed from tidy metrics by comparisons that are paired by seed."""

__all__ = ["GROUP_COLUMNS", "STRATUM_COLUMNS", "UNSETTLED", "Judgement", "Verdict", "judge"]

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pimvae.claims.decision import Verdict, decide
from pimvae.claims.groups import GROUP_COLUMNS, NAMES, Comparison, comparisons, learned, per_seed
from pimvae.claims.pairs import UNITS, compared
from pimvae.claims.schema import Claim
from pimvae.claims.selection import diverged_replicas, of_replicas, select
from pimvae.claims.statistics import Estimate, mean_interval, welch_mean
from pimvae.claims.status import COLLAPSED, FAILED, UNTRAINED, cell_status, replica_status
from pimvae.results.files import COLUMNS

STRATUM_COLUMNS = ["claim", "group", "metric", "subset", "dataset", "better", "worse", "mean_better", "mean_worse",
                   "difference", "difference_half", "effect", "effect_half", "pairs", "diverged"]  # fmt: skip
UNSETTLED = " (not settled)"  # of a verdict that half of the steps would change


@dataclass(frozen=True)
class Judgement:
    """One claim with its verdict, its comparisons (``groups``, one row each) and its strata.

    Attributes:
        diverged: number of replicas that failed on either side.
        half: the same claim judged after half of the training steps; None where that was not measured.
        younger: its statement or rule differs from the one that its runs recorded, or they recorded none.
    """

    claim: Claim
    verdict: Verdict
    effect: float
    low: float
    high: float
    pairs: int
    diverged: int
    groups: pd.DataFrame
    strata: pd.DataFrame
    half: "Judgement | None" = None
    younger: bool = False

    @property
    def name(self) -> str:
        """The id of the claim, with an asterisk where it is younger than its run."""
        return f"{self.claim.id}{'*' * self.younger}"

    @property
    def as_claimed(self) -> int:
        """Number of comparisons of trained schemes whose interval lies beyond the smallest relevant effect."""
        return int((self._judged["low"] > self.claim.relevant).sum())

    @property
    def against(self) -> int:
        """Number of those whose interval lies wholly on the other side."""
        return int((self._judged["high"] < 0).sum())

    @property
    def settled(self) -> bool:
        """Whether half of the training gives no other verdict."""
        return self.half is None or self.half.verdict == self.verdict

    @property
    def stated(self) -> str:
        """The verdict, with a note where it is not settled."""
        return self.verdict if self.settled else f"{self.verdict}{UNSETTLED}"

    def names(self, state: str) -> list[str]:
        """Groups that rest on a scheme of this state, ``collapsed`` or ``untrained``."""
        return list(dict.fromkeys(self.groups.loc[self.groups["state"] == state, "group"]))

    @property
    def _judged(self) -> pd.DataFrame:
        return self.groups[self.groups["state"] == ""]


def judge(metrics: pd.DataFrame, claim: Claim, baselines: pd.DataFrame | None = None) -> Judgement:
    """Judge one claim by itself, by the rule of `pimvae.claims.decision.decide`.

    The effect of a pair is signed so that positive means "as claimed". A comparison is one group, data set, metric and
    subset; its interval is Student's, of the mean over seeds, all of its pairs averaged seed by seed. In addition:

    * replicas that failed (diverged, or below the simplest model of ``baselines``) are left out and counted;
    * a comparison with more failed replicas on the side that should be better than on the other holds only if it does
      so with them; with more of them on the other side it is refuted or negligible only if its effect stays below
      the smallest relevant one with them. What diverged has no value, so that neither is then so; a comparison in all
      of whose pairs a replica diverged is listed and decides nothing;
    * a comparison with an untrained cell (see `cell_status`) is undecided. Pairs of bound gaps in which a replica
      collapsed are left out, and the comparison where the cell did. An average is that of the others, and undecided
      where they are not the most;
    * an average over experiments is the mean of the experiments' own means, see `welch_mean`;
    * an ``average`` over data sets whose effects have opposite signs, both intervals without 0, does not hold;
    * ``not run`` without pairs.
    """
    everything = select(metrics, {"experiment": claim.experiment, **claim.where})
    simple = pd.DataFrame(columns=COLUMNS) if baselines is None else baselines
    status = replica_status(everything, simple)
    failed = status[status["status"].isin(FAILED)]
    sides = [select(failed, side) if side else failed[:0] for side in (claim.better, claim.worse)]
    count = len(failed) if claim.quantifier == "none_best" else len(sides[0]) + len(sides[1])
    pairs = compared(everything, claim, diverged=True)
    sound = compared(everything[~of_replicas(everything, failed)], claim, named_by=pairs)
    if sound.empty:
        empty = pd.DataFrame(columns=GROUP_COLUMNS), pd.DataFrame(columns=STRATUM_COLUMNS)
        return Judgement(claim, "undecided" if count else "not run", math.nan, math.nan, math.nan, 0, count, *empty)
    kept = learned(sound, status)
    found = comparisons(kept, pairs, claim, status, cell_status(everything, simple, status))
    verdict, mean = _decided(found, kept, claim)
    groups = pd.DataFrame([one.row for one in found]).assign(verdict=verdict)[GROUP_COLUMNS]
    ends = mean.mean, mean.low, mean.high
    return Judgement(claim, verdict, *ends, len(kept), count, groups, _strata(kept, everything, claim))


def _decided(found: Sequence[Comparison], kept: pd.DataFrame, claim: Claim) -> tuple[Verdict, Estimate]:
    """The verdict, and the mean over all comparisons whose schemes are trained."""
    judged = [one for one in found if one.state == ""]
    names = pd.DataFrame([{name: one.row[name] for name in NAMES} for one in judged], columns=NAMES)
    used = kept.merge(names, on=NAMES) if judged else kept
    samples = [per_seed(rows) for _, rows in used.groupby("experiment", sort=False)]
    mean = welch_mean(samples)
    if claim.quantifier == "average":
        fragile, flattered = (
            [any(getattr(one, name) for one in judged)] * len(samples) for name in ("fragile", "flattered")
        )
        verdict = decide(samples, "average", claim.relevant, fragile=fragile, flattered=flattered)
        if 2 * len(judged) <= len(found) or (verdict == "holds" and _opposite(used)):
            verdict = "undecided"
        return verdict, mean
    considered = [one for one in found if one.state != COLLAPSED]
    verdict = decide([one.values for one in considered], claim.quantifier, claim.relevant,
                     [one.state == UNTRAINED for one in considered], [one.fragile for one in considered],
                     [one.flattered for one in considered])  # fmt: skip
    return ("undecided" if verdict == "not run" else verdict), mean


def _opposite(pairs: pd.DataFrame) -> bool:
    """Whether data sets have effects of opposite signs, neither interval holding 0."""
    found = [mean_interval(per_seed(rows)) for _, rows in pairs.groupby(["experiment", "dataset_worse"], sort=False)]
    return any(one.low > 0 for one in found) and any(one.high < 0 for one in found)


def _strata(pairs: pd.DataFrame, chosen: pd.DataFrame, claim: Claim) -> pd.DataFrame:
    """Per data set and pair of cells: means, difference and effect with Student intervals over seeds."""
    bad = diverged_replicas(chosen)
    rows: list[dict[str, object]] = []
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
