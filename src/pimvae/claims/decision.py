"""One rule for all verdicts: intervals against the smallest relevant effect, joined as the quantifier needs it."""

__all__ = ["ERROR", "Verdict", "decide", "holm", "improvement", "interquartile_mean", "p_value",
           "verdict_of"]  # fmt: skip

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.stats import t as student
from scipy.stats import trim_mean

from pimvae.claims.statistics import mean_interval, welch_mean

Verdict = Literal["holds", "refuted", "negligible", "undecided", "not run"]
ERROR = 0.025  # one-sided error of a claim, that of a two-sided 95% interval


def verdict_of(low: float, high: float, relevant: float = 0.0) -> Verdict:
    """Verdict on one interval of an effect that is positive where the claim is right.

    ``holds`` above ``relevant``, ``refuted`` below 0, ``negligible`` inside ±``relevant``, else ``undecided``, also for
    ends that are NaN.
    """
    if low > relevant:
        return "holds"
    if high < 0:
        return "refuted"
    return "negligible" if low > -relevant and high < relevant else "undecided"


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p values adjusted by Holm's step-down method (Scandinavian Journal of Statistics 6, 1979); NaN counts as 1."""
    values = np.nan_to_num(np.asarray(p_values, dtype=float), nan=1.0)
    order, count = np.argsort(values, kind="stable"), len(values)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(np.maximum.accumulate((count - np.arange(count)) * values[order]), 1.0)
    return adjusted


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean of the middle half of the values; NaN without any."""
    return float(trim_mean(values, 0.25)) if len(values) else math.nan


def improvement(values: Sequence[float]) -> float:
    """Share of paired differences above 0, ties counting half: an estimate of P(better > worse); NaN without any."""
    array = np.asarray(values, dtype=float)
    return float(np.mean((array > 0) + 0.5 * (array == 0))) if array.size else math.nan


def decide(
    comparisons: Sequence[Sequence[float]],
    quantifier: str,
    relevant: float = 0.0,
    undecidable: Sequence[bool] = (),
    fragile: Sequence[bool] = (),
    flattered: Sequence[bool] = (),
) -> Verdict:
    """Joint verdict on comparisons, each with one paired difference per seed; the one-sided error of "holds" is 2.5 %.

    * ``every``, ``none_best``: holds if each does. This is an intersection–union test and needs no correction. It is
      refuted if one is, after Holm over all of them; negligible if one is, likewise. The effects of ``none_best`` are
      cross-fitted shortfalls, whose mean is at most 0 for a scheme that is best everywhere: rejecting that for each
      scheme is what is tested;
    * ``some``: holds if one does after Holm; refuted if all are, negligible if all are refuted or negligible;
    * ``average``: one test of the mean, see `welch_mean`; each entry is an independent sample.

    Args:
        comparisons: paired differences, positive as claimed.
        quantifier: see above.
        relevant: smallest effect that would matter.
        undecidable: comparisons that rest on a scheme that is not trained: undecided, whatever their differences.
        fragile: comparisons that cannot hold, because the side that should be better has failed too often.
        flattered: comparisons that cannot be refuted or negligible, because the other side has.
    """
    if len(comparisons) < (2 if quantifier == "none_best" else 1):  # a scheme by itself is no best one
        return "undecided" if comparisons else "not run"
    unknown, weak, spared = (
        np.array(one or [False] * len(comparisons)) | np.array(undecidable or False)
        for one in (undecidable, fragile, flattered)
    )
    if quantifier == "average":
        mean = welch_mean(comparisons)
        verdict = verdict_of(mean.low, mean.high, relevant)
        barred = (weak if verdict == "holds" else spared).any()
        return "undecided" if unknown.any() or barred else verdict
    found = [verdict_of(one.low, one.high, relevant) for one in map(mean_interval, comparisons)]
    single = ["undecided" if (fails if verdict == "holds" else other) else verdict
              for verdict, fails, other in zip(found, weak, spared, strict=True)]  # fmt: skip
    if quantifier == "some":
        return "holds" if _rejected(comparisons, relevant, upper=True, kept=~weak) else _all_against(set(single))
    if all(verdict == "holds" for verdict in single):
        return "holds"
    best = quantifier == "none_best" and _always_best(comparisons, spared)
    if best or _rejected(comparisons, 0.0, upper=False, kept=~spared):
        return "refuted"
    # Negligible is a claim of two sides: the effect lies above −r as well.
    small = relevant and _rejected(comparisons, relevant, upper=False, kept=np.array(single) == "negligible")
    return "negligible" if small else "undecided"


def _all_against(verdicts: set[Verdict]) -> Verdict:
    """Of verdicts on comparisons of which one would do: refuted, or negligible, if all are."""
    if verdicts == {"refuted"}:
        return "refuted"
    return "negligible" if verdicts <= {"refuted", "negligible"} else "undecided"


def _always_best(comparisons: Sequence[Sequence[float]], unknown: np.ndarray) -> bool:
    """Whether the other seeds call some scheme best at every seed: it is held against itself throughout."""
    return any(len(values) > 1 and not any(values) and not skip
               for values, skip in zip(comparisons, unknown, strict=True))  # fmt: skip


def _rejected(comparisons: Sequence[Sequence[float]], bound: float, upper: bool, kept: np.ndarray) -> bool:
    """Whether the mean of one that is ``kept`` lies above (``upper``) or below ``bound``, by Student and Holm."""
    p_values = np.where(kept, [p_value(values, bound, upper) for values in comparisons], 1.0)
    return bool((holm(p_values.tolist()) <= ERROR).any())


def p_value(values: Sequence[float], bound: float, upper: bool) -> float:
    """One-sided p value of Student's test that the mean lies above (``upper``) or below ``bound``; 1 for one value."""
    array = (1 if upper else -1) * (np.asarray(values, dtype=float) - bound)
    if array.size < 2:
        return 1.0
    mean, spread = array.mean(), array.std(ddof=1) / math.sqrt(array.size)
    if spread == 0:
        return 0.0 if mean > 0 else 1.0
    return float(student.sf(mean / spread, array.size - 1))
