"""Verdicts on the publication's claims, computed from tidy metrics by comparisons that are paired by seed."""

__all__ = ["AuditClaim", "Claim", "Judgement", "Verdict", "evaluate", "judge", "read_claims"]

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pimvae.errors import UserError
from pimvae.report.files import KEYS
from pimvae.report.methods import catalogue, parse_yaml, read_config
from pimvae.report.selection import diverged_replicas, drop_diverged, select
from pimvae.report.shortfalls import shortfalls
from pimvae.report.statistics import LEVEL, bootstrap_mean, mean_interval

Verdict = Literal["holds", "does not hold", "undecided", "not run"]
SHARED = ["split", "subset", "metric"]
UNITS = [key for key in KEYS if key != "experiment"]
GROUP_COLUMNS = ["claim", "verdict", "group", "metric", "subset", "effect", "low", "high", "pairs"]
STRATUM_COLUMNS = ["claim", "group", "metric", "subset", "dataset", "better", "worse", "mean_better", "mean_worse",
                   "difference", "difference_half", "effect", "effect_half", "pairs", "diverged"]  # fmt: skip


class Strict(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Measure(Strict):
    """One metric of one subset (and split, where a metric has several)."""

    metric: str
    subset: str
    split: str | None = None
    direction: Literal["higher", "lower"] | None = None


class Claim(Strict):
    """One entry of ``config/claims.yaml``; the comments there explain every field."""

    id: str = Field(pattern=r"^C\d+[a-z]?$")
    short: str
    text: str
    experiment: str | list[str]
    where: dict[str, Any] = {}
    better: dict[str, Any] = {}
    worse: dict[str, Any] = {}
    measures: list[Measure] = Field(min_length=1)
    effect: Literal["relative", "difference"]
    threshold: float = 0.0
    relevant: float | None = None
    quantifier: Literal["every", "average", "some", "none_best"] = "every"
    group_by: list[str] = ["aggregator"]

    @property
    def refuted_below(self) -> float:
        """An effect whose whole interval lies below this refutes the claim: it is absent, or too small to matter."""
        return self.threshold if self.relevant is None else max(self.threshold, self.relevant)


class AuditClaim(Claim):
    """A claim about the verdicts of other claims, ``audits``: see `pimvae.report.audit`."""

    audits: list[str] = Field(min_length=1)
    better: dict[str, Any] = {}
    worse: dict[str, Any] = {}
    measures: list[Measure] = []
    effect: Literal["relative", "difference"] = "difference"


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


def read_claims(path: Path | str | None = None) -> list[Claim]:
    """The claims of ``config/claims.yaml`` (or of ``path``).

    Raises:
        UserError: for an unknown key, column or metric, in one line that names the claim.
    """
    entries = parse_yaml(Path(path)) if path is not None else read_config("claims.yaml")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError("claims.yaml is not a list of claims, each a mapping that starts with '- id:'")
    claims = [_parse(entry) for entry in entries]
    names = [claim.id for claim in claims]
    unknown = {name for claim in claims if isinstance(claim, AuditClaim) for name in claim.audits} - {*names}
    if unknown:
        raise UserError(f"claims.yaml: {min(unknown)} is audited, but there is no such claim")
    if len(set(names)) != len(names):
        raise UserError(f"claims.yaml: the id {next(n for n in names if names.count(n) > 1)} occurs twice")
    return claims


def _parse(entry: dict[str, Any]) -> Claim:
    name = entry.get("id", "(no id)")
    try:
        claim = AuditClaim(**entry) if "audits" in entry else Claim(**entry)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"claims.yaml, claim {name}: {place}: {first['msg']}") from None
    if not isinstance(claim, AuditClaim) and (claim.quantifier == "none_best") == bool(claim.better or claim.worse):
        raise UserError(f"claims.yaml, claim {name}: 'better' and 'worse' are for every quantifier but none_best")
    for column in [*claim.where, *claim.better, *claim.worse, *claim.group_by]:
        if column not in KEYS:
            raise UserError(f"claims.yaml, claim {name}: unknown column '{column}' (known: {', '.join(KEYS)})")
    for measure in claim.measures:
        try:
            known = catalogue().metric(measure.metric)
        except UserError as error:
            raise UserError(f"claims.yaml, claim {name}: {error}") from None
        if known.better == "neither" and measure.direction is None:
            raise UserError(f"claims.yaml, claim {name}: metric '{measure.metric}' has no better direction")
    return claim


def evaluate(metrics: pd.DataFrame, claims: list[Claim]) -> list[Judgement]:
    """Judge every claim.

    The effect of a pair is signed so that positive means "as claimed". A stratum is one data set and one pair of cells;
    its effects, one per seed, are resampled within it (`bootstrap_mean`). Verdicts, with 95% intervals throughout:

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
    from pimvae.report.audit import judge_audit  # which judges claims itself

    return [
        judge_audit(metrics, claim, claims) if isinstance(claim, AuditClaim) else judge(metrics, claim)
        for claim in claims
    ]


def judge(metrics: pd.DataFrame, claim: Claim) -> Judgement:
    """Judge one claim by itself."""
    chosen = select(metrics, {"experiment": claim.experiment, **claim.where})
    pairs = pd.concat(_compared(chosen, claim), ignore_index=True)
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
    effect, low, high = bootstrap_mean(_strata_effects(pairs))
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
    ends = [bootstrap_mean(_strata_effects(rows), level=strict)[1:]
            for _, rows in pairs.groupby(["group", "metric", "subset"], sort=False)]  # fmt: skip
    if claim.quantifier == "some":
        if any(low > claim.threshold for low, _ in ends):
            return "holds"
        return "does not hold" if (groups["high"] < claim.refuted_below).all() else "undecided"
    if claim.quantifier == "none_best":  # the shortfall of a scheme that is best everywhere is 0 at every seed
        return "does not hold" if any(high <= 0 for _, high in ends) else "undecided"
    return "does not hold" if any(high < claim.refuted_below for _, high in ends) else "undecided"


def _compared(chosen: pd.DataFrame, claim: Claim) -> list[pd.DataFrame]:
    """The pairs of every measure."""
    if claim.quantifier != "none_best":
        return [_pairs(chosen, claim, measure) for measure in claim.measures]
    found = []
    for measure in claim.measures:
        rows, sign = _values(chosen, measure)
        pairs = _completed(shortfalls(rows, sign, UNITS), sign, [], claim)
        found.append(pairs.assign(metric="shortfall", subset="all columns"))  # a group is the mean over all columns
    return found


def _values(chosen: pd.DataFrame, measure: Measure) -> tuple[pd.DataFrame, float]:
    """Finite values of a measure, and the sign of what counts for the claim."""
    wanted = {key: value for key, value in measure.model_dump(exclude={"direction"}).items() if value is not None}
    rows = select(drop_diverged(chosen), wanted)
    direction = measure.direction or catalogue().metric(measure.metric).better
    return rows[np.isfinite(rows["value"].astype(float))], 1.0 if direction == "higher" else -1.0


def _pairs(chosen: pd.DataFrame, claim: Claim, measure: Measure) -> pd.DataFrame:
    """One row per pair of replicas: value on both sides, signed effect, group and stratum."""
    rows, sign = _values(chosen, measure)
    free = [key for key in UNITS if key in {*claim.better, *claim.worse}]
    agree = ["experiment", *[key for key in UNITS if key not in free], "seed", *SHARED]
    sides = select(rows, claim.better), select(rows, claim.worse)
    pairs = sides[0].merge(sides[1], on=agree, suffixes=("_better", "_worse"))
    return _completed(pairs, sign, [key for key in UNITS if key not in free], claim)


def _completed(pairs: pd.DataFrame, sign: float, same: list[str], claim: Claim) -> pd.DataFrame:
    """The pairs with difference, effect, group and stratum; both sides carry every key, also those that they share."""
    for key in same:
        pairs[f"{key}_better"] = pairs[f"{key}_worse"] = pairs[key]
    pairs["difference"] = sign * (pairs["value_better"] - pairs["value_worse"])
    pairs["group"] = [_group_name(row, claim) for row in pairs.to_dict("records")]
    keys = ["metric", "subset", *(f"{key}_{side}" for key in UNITS for side in _sides(claim))]
    pairs["stratum"] = [tuple(row[key] for key in keys) for row in pairs.to_dict("records")]
    pairs["effect"] = pairs["difference"] if claim.effect == "difference" else _relative(pairs)
    return pairs.iloc[sorted(range(len(pairs)), key=lambda index: _rank(pairs.iloc[index], claim))]


def _sides(claim: Claim) -> tuple[str, ...]:
    """What names groups and strata: of a shortfall the scheme alone, as the best may change with the seed."""
    return ("worse",) if claim.quantifier == "none_best" else ("better", "worse")


def _relative(pairs: pd.DataFrame) -> pd.Series:
    """2 · difference / (|mean of one side| + |mean of the other|), the means taken over the seeds of the stratum."""
    if pairs.empty:
        return pd.Series(dtype=float)
    by_stratum = pairs.groupby("stratum", sort=False)
    size = by_stratum["value_better"].transform("mean").abs() + by_stratum["value_worse"].transform("mean").abs()
    return 2 * pairs["difference"] / size.where(size > 0, 1.0)


def _group_name(row: dict[str, Any], claim: Claim) -> str:
    names = []
    for column in claim.group_by:
        sides = [_label(column, row[f"{column}_{side}"]) for side in _sides(claim)]
        names.append(" / ".join(dict.fromkeys(sides)))
    return ", ".join(names)


def _rank(row: pd.Series, claim: Claim) -> tuple[Any, ...]:
    """Groups come in the order of the catalogue."""
    sides = [(column, row[f"{column}_{side}"]) for column in claim.group_by for side in _sides(claim)]
    return tuple((catalogue().aggregator(value).order if column == "aggregator" else 0, str(value))
                 for column, value in sides)  # fmt: skip


def _label(column: str, value: str | float) -> str:
    if column == "aggregator":
        return catalogue().aggregator(str(value)).short
    return str(value) if column in {"beta", "experiment"} else catalogue().look(f"{column}s", str(value)).label


def _strata_effects(pairs: pd.DataFrame) -> list[list[float]]:
    return [rows["effect"].tolist() for _, rows in pairs.groupby(["metric", "subset", "stratum"], sort=False)]


def _group(rows: pd.DataFrame, names: dict[str, Any]) -> dict[str, Any]:
    effect, low, high = bootstrap_mean(_strata_effects(rows))
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
