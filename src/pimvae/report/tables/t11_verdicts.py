"""T11, second part: the verdicts of the audited claims in every arm of the audit."""

__all__ = ["table_verdicts"]

from collections.abc import Sequence

from pimvae.claims.audit import ARMS, AuditJudgement
from pimvae.claims.verdict import Judgement
from pimvae.config.catalogue import catalogue
from pimvae.report.latex import escape
from pimvae.report.table import MISSING, NOT_RUN, Part, Table


def table_verdicts(judgements: Sequence[Judgement]) -> Table:
    """A row per audited claim, a column per arm; verdicts other than the corrected one are marked."""
    audits = [judgement for judgement in judgements if isinstance(judgement, AuditJudgement)]
    if not audits or audits[0].table.empty:
        return NOT_RUN
    table = audits[0].table.pivot(index="claim", columns="arm", values="verdict")
    arms = [name for name in ARMS if name in table]
    headings = [escape(catalogue().look("arms", name).label) for name in arms]
    rows = [[str(claim), *(_cell(row[name], row[arms[0]]) for name in arms)] for claim, row in table.iterrows()]
    return Table("l" + "c" * len(arms), [["", *headings]], [Part(rows)])


def _cell(verdict: object, corrected: object) -> str:
    if not isinstance(verdict, str):
        return MISSING
    return verdict if verdict == corrected else rf"\verdict{{{verdict}}}"
