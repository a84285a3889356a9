"""The verdicts on all claims, those about other verdicts included."""

__all__ = ["evaluate"]

import pandas as pd

from pimvae.claims.audit import judge_audit
from pimvae.claims.schema import AuditClaim, Claim
from pimvae.claims.verdict import Judgement, judge


def evaluate(metrics: pd.DataFrame, claims: list[Claim], baselines: pd.DataFrame | None = None) -> list[Judgement]:
    """Judge every claim, by the rules of `pimvae.claims.verdict.judge`; ``baselines`` are rows of simple models."""
    return [
        judge_audit(metrics, claim, claims) if isinstance(claim, AuditClaim) else judge(metrics, claim, baselines)
        for claim in claims
    ]
