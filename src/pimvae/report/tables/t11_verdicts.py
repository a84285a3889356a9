"""T11, second part: the verdicts of the audited claims in every arm of the audit."""

__all__ = ["table_verdicts"]

from collections.abc import Sequence

from pimvae.claims.audit import ARMS, AuditJudgement
from pimvae.claims.verdict import Judgement
from pimvae.config.catalogue import catalogue
from pimvae.report.tables._layout import MISSING, escape, not_run, tabular


def table_verdicts(judgements: Sequence[Judgement]) -> str:
    """A row per audited claim, a column per arm; verdicts other than the corrected one are marked."""
    audits = [judgement for judgement in judgements if isinstance(judgement, AuditJudgement)]
    if not audits or audits[0].table.empty:
        return not_run()
    table = audits[0].table.pivot(index="claim", columns="arm", values="verdict")
    arms = [name for name in ARMS if name in table]
    headings = [escape(catalogue().look("arms", name).label) for name in arms]
    lines = [" & ".join(["", *headings]) + r" \\", r"\midrule"]
    for claim, row in table.iterrows():
        cells = [_cell(row[name], row[arms[0]]) for name in arms]
        lines.append(" & ".join([str(claim), *cells]) + r" \\")
    return tabular("l" + "c" * len(arms), lines)


def _cell(verdict: object, corrected: object) -> str:
    if not isinstance(verdict, str):
        return MISSING
    return verdict if verdict == corrected else rf"\verdict{{{verdict}}}"
