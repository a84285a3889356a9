"""What the differences between the released code and the stated method change: effects and verdicts per arm."""

__all__ = ["ARMS", "Arm", "AuditJudgement", "arm_metrics", "effects", "judge_audit"]

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from pimvae.claims.decision import ERROR, holm, p_value
from pimvae.claims.groups import NAMES
from pimvae.claims.pairs import compared
from pimvae.claims.schema import AuditClaim, Claim
from pimvae.claims.selection import drop_diverged, select
from pimvae.claims.statistics import Estimate, mean_interval
from pimvae.claims.verdict import GROUP_COLUMNS, STRATUM_COLUMNS, Judgement, Verdict, judge
from pimvae.config.catalogue import catalogue, experiments

EXPERIMENT = "audit"
# Data of the audit, and the experiment and data set whose claims they speak to.
STANDS_FOR = {
    "loadings": ("linear", "dense"),
    "views": ("multimodal", "half"),
    "clusters": ("bimodal", "clusters"),
}
PUBLISHED_POE, POE = "poe_published", "poe"


@dataclass(frozen=True)
class Arm:
    """One set of switches: which trainings it reads, whether PoE is the released one, whether the measures are."""

    trained: str  # data sets ``<data>_<trained>`` of the experiment
    product: bool = False
    measures: bool = False


CORRECTED = "corrected"
ARMS = {
    CORRECTED: Arm("corrected"),
    "product": Arm("corrected", product=True),
    "subsets": Arm("subsets"),
    "noise": Arm("noise"),
    "split": Arm("split"),
    "measures": Arm("corrected", measures=True),
    "all": Arm("all", product=True, measures=True),
}


def arm_metrics(metrics: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of one arm under the names of the experiments that it stands for, so that claims can be judged on them.

    In arms with the released product of experts, that scheme goes by the name of PoE.
    """
    arm, audit = ARMS[name], select(metrics, {"experiment": EXPERIMENT})
    parts = []
    for data, (experiment, dataset) in STANDS_FOR.items():
        rows = select(audit, {"dataset": f"{data}_{arm.trained}"})
        rows = rows[rows["aggregator"] != (POE if arm.product else PUBLISHED_POE)]
        rows = _as_published(rows) if arm.measures else rows
        parts.append(rows.assign(experiment=experiment, dataset=dataset))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(aggregator=found["aggregator"].replace(PUBLISHED_POE, POE))


def _as_published(rows: pd.DataFrame) -> pd.DataFrame:
    """MCC and the gap of the bound as the released code measures them, in the place of ours.

    The MCC is that of one posterior sample by the randomized dependence coefficient, in sample; the bound is the moving
    training loss, so its gap is LLH minus that.
    """
    keys = [key for key in rows.columns if key not in ("split", "subset", "metric", "value")]
    moving = rows[rows["metric"] == "bound_moving"]
    reached = select(rows, {"metric": "llh", "split": "train"})[[*keys, "value"]].rename(columns={"value": "llh"})
    gap = moving.merge(reached, on=keys)
    gap = gap.assign(metric="bound_gap", value=gap["llh"] - gap["value"]).drop(columns="llh")
    ours = {f"mcc_published_{kind}_in": f"mcc_{kind}_mean" for kind in ("strong", "weak")}
    score = rows[rows["metric"].isin(ours)].replace({"metric": ours})
    replaced = (rows["metric"] == "bound_gap") | (rows["metric"].isin(ours.values()) & (rows["subset"] == "all"))
    return pd.concat([rows[~replaced], gap, score], ignore_index=True)


def effects(metrics: pd.DataFrame, name: str, experiment: str, objective: str, metric: str, subset: str) -> Estimate:
    """Mean of (arm − corrected) over the schemes, paired by seed, with a Student interval; NaN where there is no pair.

    Schemes that an arm leaves as they are, all but PoE where only the product differs, are left out.
    """
    where = {"experiment": experiment, "objective": objective, "metric": metric, "subset": subset}
    if ARMS[name] == Arm("corrected", product=True):
        where["aggregator"] = POE
    sides = [select(drop_diverged(arm_metrics(metrics, each)), where) for each in (name, CORRECTED)]
    pairs = sides[0].merge(sides[1], on=["aggregator", "seed", "split"], suffixes=("", "_corrected"))
    pairs = pairs[pairs["split"] == ("train" if experiment == "linear" else "test")]
    change = (pairs["value"] - pairs["value_corrected"]) * catalogue().metric(metric).factor
    change = change[np.isfinite(change)]
    if change.empty:
        return Estimate(math.nan, math.nan, 0)
    by_seed = mean_interval(change.groupby(pairs["seed"]).mean().tolist())  # one seed is one data set for all schemes
    return replace(by_seed, count=len(change))


@dataclass(frozen=True)
class AuditJudgement(Judgement):
    """A judgement whose groups are pairs of a claim and an arm; ``table`` has all verdicts, the corrected ones too."""

    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    same: int = 0
    changed: int = 0

    @property
    def as_claimed(self) -> int:
        """Number of verdicts that are decided and the same as the corrected ones."""
        return self.same

    @property
    def against(self) -> int:
        """Number of verdicts turned into another, none of the two undecided, by a change that is more than noise."""
        return self.changed


def judge_audit(
    metrics: pd.DataFrame, claim: AuditClaim, claims: list[Claim], baselines: pd.DataFrame | None = None
) -> AuditJudgement:
    """Whether the audited claims have the same verdict in every arm, all judged on the cells of the audit.

    It holds if every arm that is configured has the verdict of the corrected one, and that is none of "undecided". It
    is refuted if one is turned into another, none of the two undecided, and the effects of that claim changed by more
    than noise, see `_moved`; else it is undecided.
    """
    audited = [other for other in claims if other.id in claim.audits]
    arms = {name: arm_metrics(metrics, name) for name in ARMS}
    simple = {name: None if baselines is None else arm_metrics(baselines, name) for name in ARMS}
    rows = [_row(judge(rows, other, simple[name]), name)
            for other in audited for name, rows in arms.items() if len(rows)]  # fmt: skip
    table = pd.DataFrame([row for row in rows if row["verdict"] != "not run"], columns=[*GROUP_COLUMNS, "arm"])
    corrected = table[table["arm"] == CORRECTED].set_index("claim")["verdict"]
    others = table[(table["arm"] != CORRECTED) & table["claim"].isin(corrected.index)]
    before = others["claim"].map(corrected)
    decided = (others["verdict"] != "undecided") & (before != "undecided")
    same = int(((others["verdict"] == before) & decided).sum())
    by_id = {other.id: other for other in audited}
    turned = others[(others["verdict"] != before) & decided]
    changed = sum(_moved(arms[row.arm], arms[CORRECTED], by_id[row.claim]) for row in turned.itertuples())
    expected = sum(len(_arms_of(by_id[name])) for name in corrected.index)
    verdict: Verdict = "refuted" if changed else "holds" if same == len(others) == expected else "undecided"
    if others.empty:
        verdict = "not run"
    groups = others.assign(claim=claim.id, verdict=verdict)[GROUP_COLUMNS].reset_index(drop=True)
    strata = pd.DataFrame(columns=STRATUM_COLUMNS)
    return AuditJudgement(claim, verdict, math.nan, math.nan, math.nan, int(groups["pairs"].sum()), 0, groups, strata,
                          table=table, same=same, changed=changed)  # fmt: skip


def _arms_of(claim: Claim) -> list[str]:
    """The arms other than the corrected one that are configured for the data that stand for this claim's."""
    configured = experiments()[EXPERIMENT]
    data = [name for name, (experiment, _) in STANDS_FOR.items() if experiment in claim.experiments]
    return [name for name, arm in ARMS.items()
            if name != CORRECTED and any(f"{each}_{arm.trained}" in configured for each in data)]  # fmt: skip


def _moved(arm: pd.DataFrame, corrected: pd.DataFrame, claim: Claim) -> bool:
    """Whether some comparison's effect changed from the corrected arm: Student's test paired by seed, Holm's method."""
    where = {"experiment": claim.experiment, **claim.where}
    sides = [compared(select(rows, where), claim) for rows in (arm, corrected)]
    keys = [*NAMES, "stratum", "seed"]
    both = sides[0][[*keys, "effect"]].merge(sides[1][[*keys, "effect"]], on=keys, suffixes=("", "_corrected"))
    both = both.assign(change=both["effect"] - both["effect_corrected"])
    changes = [rows.groupby("seed")["change"].mean() for _, rows in both.groupby(NAMES, sort=False)]
    p_values = [2 * min(p_value(change.tolist(), 0.0, upper) for upper in (True, False)) for change in changes]
    return bool((holm(p_values) <= 2 * ERROR).any())


def _row(judgement: Judgement, arm: str) -> dict[str, Any]:
    name = f"{judgement.claim.id}, {catalogue().look('arms', arm).label}"
    return {
        "claim": judgement.claim.id, "verdict": judgement.verdict, "group": name, "metric": "verdict", "subset": "all",
        "effect": judgement.effect, "low": judgement.low, "high": judgement.high, "pairs": judgement.pairs, "arm": arm,
    }  # fmt: skip
