"""The comparisons of a claim: one group, data set, metric and subset each, with failures and what they rest on."""

__all__ = ["GROUP_COLUMNS", "NAMES", "Comparison", "comparisons", "learned", "per_seed"]

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pimvae.claims.decision import improvement, interquartile_mean
from pimvae.claims.pairs import UNITS
from pimvae.claims.schema import Claim
from pimvae.claims.statistics import mean_interval
from pimvae.claims.status import COLLAPSED, DIVERGED, FAILED, UNTRAINED
from pimvae.results.files import KEYS

GROUP_COLUMNS = ["claim", "verdict", "group", "metric", "subset", "effect", "low", "high", "pairs", "dataset",
                 "experiment", "interquartile_mean", "improvement", "state", "effect_all", "failed_better",
                 "failed_worse"]  # fmt: skip
NEEDS_BOTH = {"bound_gap"}  # a model whose latents carry nothing has a tight bound for nothing
# The columns of pairs that name the cell of either side, as ``KEYS`` do.
CELL_OF = {side: [key if key not in UNITS else f"{key}_{side}" for key in KEYS] for side in ("better", "worse")}
Cell = tuple[Any, ...]  # its ``KEYS``
NAMES = ["group", "metric", "subset"]  # of a comparison


@dataclass(frozen=True)
class Comparison:
    """One comparison.

    Attributes:
        row: its entries of ``GROUP_COLUMNS``.
        values: mean effect of every seed, replicas that failed left out.
        fragile: it cannot hold: more replicas failed on the side that should be better than on the other, and it does
            not hold with them.
        flattered: it cannot be refuted or negligible: more replicas failed on the other side, and with them its effect
            is not below the smallest relevant one. A scheme is not judged by those of its replicas that did not fail.
    """

    row: dict[str, object]
    values: list[float]
    fragile: bool
    flattered: bool

    @property
    def state(self) -> str:
        """``collapsed`` or ``untrained`` if a side is, else empty."""
        return str(self.row["state"])


def learned(pairs: pd.DataFrame, replicas: pd.DataFrame) -> pd.DataFrame:
    """The pairs without those of a metric that ``NEEDS_BOTH`` in which a replica collapsed."""
    collapsed = set(_keys(replicas[replicas["status"] == COLLAPSED], [*KEYS, "seed"]))
    if not collapsed or not pairs["metric"].isin(NEEDS_BOTH).any():
        return pairs
    sides = [[one in collapsed for one in _keys(pairs, [*columns, "seed"])] for columns in CELL_OF.values()]
    return pairs[~(pairs["metric"].isin(NEEDS_BOTH).to_numpy() & np.any(sides, axis=0))]


def comparisons(
    kept: pd.DataFrame, everything: pd.DataFrame, claim: Claim, replicas: pd.DataFrame, cells: pd.DataFrame
) -> list[Comparison]:
    """The comparisons of a claim in the order of their groups.

    Args:
        kept: pairs without replicas that failed, and of bound gaps without those that collapsed.
        everything: all pairs, those that diverged without values; their groups decide what is listed.
        claim: whose measures and effects these are.
        replicas: status of every replica.
        cells: status of every cell.
    """
    lost = Counter(_keys(replicas[replicas["status"].isin(FAILED)], KEYS))
    diverged = set(_keys(replicas[replicas["status"] == DIVERGED], KEYS))
    states = dict(zip(_keys(cells, KEYS), cells["status"], strict=True))
    parts = dict(list(kept.groupby(NAMES, sort=False)))
    found = []
    for names, rows in everything.groupby(NAMES, sort=False):
        good = parts.get(names, rows[:0])
        sides = [set(_keys(rows, columns)) for columns in CELL_OF.values()]
        if claim.quantifier == "none_best":  # the best, which changes with seed and column, stands for no scheme
            sides[0] = set()
        failed = [sum(lost[cell] for cell in side) for side in sides]
        values, every = per_seed(good), mean_interval(per_seed(rows))
        sound = every.low > claim.relevant and not sides[0] & diverged
        below = every.high < claim.relevant and not sides[1] & diverged
        estimate, first, scaled = mean_interval(values), rows.iloc[0], per_seed(good, "scaled")
        status = {states.get(cell) for side in sides for cell in side}
        row = {
            **dict(zip(NAMES, names, strict=True)), "claim": claim.id, "dataset": first["dataset_worse"],
            "experiment": first["experiment"], "effect": estimate.mean, "low": estimate.low, "high": estimate.high,
            "pairs": len(good), "interquartile_mean": interquartile_mean(scaled), "improvement": improvement(scaled),
            "state": _state(status, first["metric"]), "effect_all": every.mean,
            "failed_better": failed[0], "failed_worse": failed[1],
        }  # fmt: skip
        more = failed[0] - failed[1]
        found.append(Comparison(row, values, more > 0 and not sound, more < 0 and not below))
    return found


def per_seed(pairs: pd.DataFrame, column: str = "effect") -> list[float]:
    """Effect (or ``column``) of every seed, averaged over the strata; their mean is the mean of the strata's own means.

    Where a stratum lacks a seed, the others speak for it: what is averaged is how far a seed lies from the mean of its
    stratum. A stratum of one seed lies nowhere from its own mean and is left out; of nothing but such strata there is
    one value, their mean, and no spread.
    """
    if pairs.empty:
        return []
    table = _by_seed(pairs, column)
    means, thin = table.mean(axis=1), table.count(axis=1) < 2
    if thin.all():
        return [float(means.mean())]
    table, means = table[~thin], means[~thin]
    apart = table.sub(means, axis=0).mean()
    return [float(value) for value in means.mean() + apart - apart.mean()]


def _by_seed(pairs: pd.DataFrame, column: str) -> pd.DataFrame:
    """The mean of ``column`` of every stratum (rows) and seed (columns); NaN where a stratum lacks a seed."""
    strata = ["metric", "subset", "experiment", "stratum"]
    rows, seeds = list(_keys(pairs, strata)), pairs["seed"].tolist()
    if len(set(zip(rows, seeds, strict=True))) < len(pairs):
        return pairs.groupby(["seed", *strata])[column].mean().unstack("seed")
    # One pair each, as nearly always: put in its place, a tenth of the time.
    places = [{key: place for place, key in enumerate(sorted(set(keys)))} for keys in (rows, seeds)]
    table = np.full(tuple(map(len, places)), np.nan)
    table[[places[0][key] for key in rows], [places[1][seed] for seed in seeds]] = pairs[column]
    return pd.DataFrame(table, columns=list(places[1]), copy=False)  # lies in memory as an unstacked one: equal sums


def _keys(rows: pd.DataFrame, columns: list[str]) -> Iterator[Cell]:
    """The cell of every row."""
    return zip(*(rows[column] for column in columns), strict=True)


def _state(status: set[str | None], metric: str) -> str:
    if UNTRAINED in status:
        return UNTRAINED
    return COLLAPSED if COLLAPSED in status and metric in NEEDS_BOTH else ""
