"""T10: the claims and their verdicts."""

__all__ = ["table_claims"]

from collections.abc import Sequence

from pimvae.claims.verdict import Judgement
from pimvae.report.latex import escape
from pimvae.report.prose import effect_texts, unit
from pimvae.report.table import MISSING, Part, Table


def table_claims(judgements: Sequence[Judgement]) -> Table:
    """Claim, verdict, effect with interval and unit, effect at half of the steps, comparisons, failed replicas.

    Comparisons are counted as claimed : undecided : against. An asterisk marks what is younger than its run.
    """
    head = [["", "claim", "verdict", r"effect [95\,\%]", "at half", "comparisons", "failed"]]
    wrapped = r">{\raggedright\arraybackslash}p"
    alignment = rf"l{wrapped}{{0.33\linewidth}}{wrapped}{{0.12\linewidth}}lccr"
    return Table(alignment, head, [Part([_cells(judgement) for judgement in judgements])])


def _cells(judgement: Judgement) -> list[str]:
    start = [judgement.name, escape(judgement.claim.short), rf"\verdict{{{judgement.stated}}}"]
    if not judgement.pairs:
        return [*start, "", "", "", ""]
    open_groups = len(judgement.groups) - judgement.as_claimed - judgement.against
    count = f"{judgement.as_claimed}\\,:\\,{open_groups}\\,:\\,{judgement.against}"
    effect = " ".join([*effect_texts(judgement), escape(unit(judgement.claim))]).strip()
    half = effect_texts(judgement.half)[0] if judgement.half else MISSING
    return [*start, effect, half, count, str(judgement.diverged)]
