"""What a claim compares: pairs of replicas that agree in seed and in every column that the claim does not name."""

__all__ = ["UNITS", "compared", "measured"]

from typing import Any

import numpy as np
import pandas as pd

from pimvae.claims.schema import Claim, Measure
from pimvae.claims.selection import drop_diverged, select
from pimvae.config.catalogue import catalogue
from pimvae.results.files import KEYS

SHARED = ["split", "subset", "metric"]
UNITS = [key for key in KEYS if key != "experiment"]


def compared(
    chosen: pd.DataFrame, claim: Claim, diverged: bool = False, named_by: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The pairs of every measure.

    Args:
        chosen: tidy metrics of what the claim is about.
        claim: what is compared.
        diverged: also pairs of replicas that diverged, those without a value (NaN) where nothing else speaks for the
            comparison: what was compared and failed must not pass for what was never compared.
        named_by: pairs after which comparisons are named: with their data set if they have several. Default: these.
    """
    rows = chosen if diverged else drop_diverged(chosen)
    if claim.quantifier == "none_best":
        found = [_shortfalls(rows, claim, measure) for measure in claim.measures]
    else:
        failed = Measure(metric="diverged", subset="all", direction="lower")
        every = _pairs(rows, claim, failed) if diverged else None
        found = [_with_lost(_pairs(rows, claim, measure), every, measure) for measure in claim.measures]
    pairs = pd.concat(found, ignore_index=True)
    if (pairs if named_by is None else named_by)["dataset_worse"].nunique() > 1:  # a comparison never joins data sets
        pairs["group"] = [f"{group}, {_label('dataset', name)}" for group, name in
                          zip(pairs["group"], pairs["dataset_worse"], strict=True)]  # fmt: skip
    return pairs


def measured(chosen: pd.DataFrame, claim: Claim) -> set[tuple[str, str]]:
    """Metric and subset of the claim's measures that have a finite value."""
    return {(one.metric, one.subset) for one in claim.measures if len(_values(chosen, one)[0])}


def _with_lost(pairs: pd.DataFrame, every: pd.DataFrame | None, measure: Measure) -> pd.DataFrame:
    """The pairs of a measure and, without values, those of comparisons in all of whose pairs a replica diverged.

    ``every``: whether it did, of all pairs, which every replica says of itself.
    """
    if every is None or pairs.empty or every.empty:
        return pairs
    where = ["group", "dataset_worse", "experiment"]
    known, diverged = set(_tuples(pairs, where)), (every["value_better"] > 0) | (every["value_worse"] > 0)
    lost = diverged.groupby(every["stratum"]).transform("all")
    missing = every[lost & np.array([key not in known for key in _tuples(every, where)])]
    if missing.empty:
        return pairs
    nothing = dict.fromkeys(["value_better", "value_worse", "difference", "effect", "scaled"], np.nan)
    joined = pd.concat([pairs, missing.assign(metric=measure.metric, subset=measure.subset, **nothing)])
    places = {group: place for place, group in enumerate(dict.fromkeys(every["group"]))}
    return joined.iloc[np.argsort(joined["group"].map(places), kind="stable")]


def _values(chosen: pd.DataFrame, measure: Measure) -> tuple[pd.DataFrame, float]:
    """Finite values of a measure, and the sign of what counts for the claim."""
    wanted = {key: value for key, value in measure.model_dump(exclude={"direction"}).items() if value is not None}
    rows = select(chosen, wanted)
    direction = measure.direction or catalogue().metric(measure.metric).better
    if direction == "nearest":  # the masked objective is no bound and can lie above the likelihood: off is off
        rows = rows.assign(value=rows["value"].abs())
    return rows[np.isfinite(rows["value"].astype(float))], 1.0 if direction == "higher" else -1.0


def _pairs(chosen: pd.DataFrame, claim: Claim, measure: Measure) -> pd.DataFrame:
    """One row per pair of replicas: value on both sides, signed effect, group and stratum."""
    rows, sign = _values(chosen, measure)
    same = [key for key in UNITS if key not in {*claim.better, *claim.worse}]
    sides = select(rows, claim.better), select(rows, claim.worse)
    pairs = sides[0].merge(sides[1], on=["experiment", *same, "seed", *SHARED], suffixes=("_better", "_worse"))
    for key in same:
        pairs[f"{key}_better"] = pairs[f"{key}_worse"] = pairs[key]
    return _completed(pairs, sign, claim)


def _shortfalls(chosen: pd.DataFrame, claim: Claim, measure: Measure) -> pd.DataFrame:
    """One row per scheme and seed: its value (``worse``) beside that of the best scheme (``better``).

    Which scheme is best is decided by the means over the *other* seeds: were it chosen by the same values, every scheme
    would fall short by chance. A scheme that the other seeds call best is held against itself: shortfall 0. Nothing is
    compared with fewer than two seeds.
    """
    rows, sign = _values(chosen, measure)
    agree = ["experiment", "seed", *SHARED]
    columns = [f"{name}_{side}" for name in (*UNITS, "value") for side in ("better", "worse")]
    found = []
    for (_, _, seed), own in rows.groupby(["experiment", "dataset", "seed"]):
        same = (rows["experiment"] == own["experiment"].iloc[0]) & (rows["dataset"] == own["dataset"].iloc[0])
        others, here = rows[same & (rows["seed"] != seed)], own[[*UNITS, "value", *agree]]
        if others.empty:
            continue
        means = sign * others.groupby(UNITS)["value"].mean()
        best = here.merge(pd.DataFrame([means.idxmax()], columns=UNITS), on=UNITS)
        found.append(best.merge(here, on=agree, suffixes=("_better", "_worse")))
    pairs = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=[*columns, *agree])
    # A group is the mean over all columns.
    return _completed(pairs, sign, claim).assign(metric="shortfall", subset="all columns")


def _completed(pairs: pd.DataFrame, sign: float, claim: Claim) -> pd.DataFrame:
    """The pairs, both sides with every key, with difference, effect, group and stratum."""
    pairs["difference"] = sign * (pairs["value_better"] - pairs["value_worse"])
    columns = [f"{column}_{side}" for column in claim.group_by for side in _sides(claim)]
    rows = _tuples(pairs, columns)
    kinds = {row: dict(zip(columns, row, strict=True)) for row in dict.fromkeys(rows)}  # few: what is named is shared
    names, ranks = ({row: of(kind, claim) for row, kind in kinds.items()} for of in (_group_name, _rank))
    pairs["group"] = [names[row] for row in rows]
    keys = ["metric", "subset", *(f"{key}_{side}" for key in UNITS for side in _sides(claim))]
    pairs["stratum"] = _tuples(pairs, keys)
    pairs["effect"], pairs["scaled"] = pairs["difference"], pairs["difference"]
    if claim.effect == "relative" and len(pairs):
        pairs["effect"], pairs["scaled"] = _relative(pairs)
    return pairs.iloc[sorted(range(len(pairs)), key=lambda place: ranks[rows[place]])]


def _tuples(rows: pd.DataFrame, columns: list[str]) -> list[tuple[Any, ...]]:
    """The values of every row in these columns."""
    return list(zip(*(rows[column] for column in columns), strict=True)) if columns else [()] * len(rows)


def _sides(claim: Claim) -> tuple[str, ...]:
    """What names groups and strata: of a shortfall the scheme alone, as the best may change with the seed."""
    return ("worse",) if claim.quantifier == "none_best" else ("better", "worse")


def _relative(pairs: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    r"""R = 2 d̄ / s̄ with s̄ = |ā| + |b̄|, means over the seeds of a stratum, and how far each seed moves it.

    Of seed i it is R + (2 dᵢ − R sᵢ) / s̄ with sᵢ = sign(ā) aᵢ + sign(b̄) bᵢ: the mean is R, and the spread is that of a
    ratio of two means, whose denominator varies with the seeds too (delta method). Also 2 dᵢ / s̄, which has the same
    mean and the sign of the seed's own difference.
    """
    by_stratum = pairs.groupby("stratum", sort=False)
    means = {side: by_stratum[f"value_{side}"].transform("mean") for side in ("better", "worse")}
    size = sum(np.sign(mean) * pairs[f"value_{side}"] for side, mean in means.items())
    total = sum(mean.abs() for mean in means.values())
    total = total.where(total > 0, 1.0)
    ratio = 2 * by_stratum["difference"].transform("mean") / total
    scaled = 2 * pairs["difference"] / total
    return ratio + scaled - ratio * size / total, scaled


def _group_name(row: dict[str, Any], claim: Claim) -> str:
    names = []
    for column in claim.group_by:
        sides = [_label(column, row[f"{column}_{side}"]) for side in _sides(claim)]
        names.append(" / ".join(dict.fromkeys(sides)))
    return ", ".join(dict.fromkeys(names))


def _rank(row: dict[str, Any], claim: Claim) -> tuple[Any, ...]:
    """Groups come in the order of the catalogue."""
    sides = [(column, row[f"{column}_{side}"]) for column in claim.group_by for side in _sides(claim)]
    return tuple((catalogue().aggregator(value).order if column == "aggregator" else 0, str(value))
                 for column, value in sides)  # fmt: skip


def _label(column: str, value: str | float) -> str:
    if column == "aggregator":
        return catalogue().aggregator(str(value)).short
    return str(value) if column in {"beta", "experiment"} else catalogue().look(f"{column}s", str(value)).label
