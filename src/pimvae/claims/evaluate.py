"""The verdicts on all claims, those about other verdicts included, also after half of the training."""

__all__ = ["evaluate"]

from dataclasses import replace

import pandas as pd

from pimvae.claims.audit import judge_audit
from pimvae.claims.groups import NAMES
from pimvae.claims.pairs import measured
from pimvae.claims.schema import AuditClaim, Claim
from pimvae.claims.selection import select
from pimvae.claims.verdict import Judgement, judge

HALF = 0.5  # share of the training steps


def evaluate(
    metrics: pd.DataFrame,
    claims: list[Claim],
    baselines: pd.DataFrame | None = None,
    budget: pd.DataFrame | None = None,
) -> list[Judgement]:
    """Judge every claim, by the rules of `pimvae.claims.verdict.judge`.

    Args:
        metrics: tidy metrics after all steps.
        claims: what is judged.
        baselines: rows of simple models.
        budget: tidy metrics after every share of the steps. A claim is judged after half of them too, where all of its
            comparisons were measured then.
    """
    half = pd.DataFrame() if budget is None else budget[budget["share"] == HALF]
    return [
        judge_audit(metrics, claim, claims, baselines)
        if isinstance(claim, AuditClaim)
        else _with_half(judge(metrics, claim, baselines), metrics, half, baselines)
        for claim in claims
    ]


def _with_half(
    found: Judgement, metrics: pd.DataFrame, half: pd.DataFrame, baselines: pd.DataFrame | None
) -> Judgement:
    if half.empty or not found.pairs:
        return found
    where = {"experiment": found.claim.experiment, **found.claim.where}
    if not measured(select(metrics, where), found.claim) <= measured(select(half, where), found.claim):
        return found
    earlier = judge(half, found.claim, baselines)
    if not earlier.pairs or not _compared(found) <= _compared(earlier):
        return found
    return replace(found, half=earlier)


def _compared(judgement: Judgement) -> set[tuple[str, ...]]:
    return set(judgement.groups[NAMES].itertuples(index=False, name=None))
