"""The verdicts on all claims, those about other verdicts included."""

__all__ = ["evaluate"]

import pandas as pd

from pimvae.report.audit import judge_audit
from pimvae.report.claims import AuditClaim, Claim
from pimvae.report.judging import Judgement, judge


def evaluate(metrics: pd.DataFrame, claims: list[Claim]) -> list[Judgement]:
    """Judge every claim, by the rules of `pimvae.report.judging.judge`."""
    return [
        judge_audit(metrics, claim, claims) if isinstance(claim, AuditClaim) else judge(metrics, claim)
        for claim in claims
    ]
