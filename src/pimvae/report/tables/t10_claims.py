"""T10: the claims and their verdicts."""

__all__ = ["table_claims"]

import math
from collections.abc import Sequence

from pimvae.report.judging import Judgement
from pimvae.report.statistics import decimals
from pimvae.report.tables._layout import escape, tabular


def table_claims(judgements: Sequence[Judgement]) -> str:
    """Claim, verdict, mean effect with its interval, groups as claimed : undecided : against, pairs."""
    lines = [r"& claim & verdict & effect & 95\,\% interval & groups & pairs \\", r"\midrule"]
    for judgement in judgements:
        lines.append(" & ".join(_cells(judgement)) + r" \\[2pt]")
    return tabular(r"l>{\raggedright\arraybackslash}p{0.37\linewidth}lcccr", lines)


def _cells(judgement: Judgement) -> list[str]:
    start = [judgement.claim.id, escape(judgement.claim.short), rf"\verdict{{{judgement.verdict}}}"]
    if not judgement.pairs:
        return [*start, "", "", "", ""]
    open_groups = len(judgement.groups) - judgement.as_claimed - judgement.against
    count = f"{judgement.as_claimed}\\,:\\,{open_groups}\\,:\\,{judgement.against}"
    note = rf"\,\diverged{{{judgement.diverged}}}" if judgement.diverged else ""
    return [*start, *effect_texts(judgement), count, f"{judgement.pairs}{note}"]


def effect_texts(judgement: Judgement) -> tuple[str, str]:
    """Mean effect and its interval as LaTeX, rounded to what the interval supports."""
    low, high = judgement.low, judgement.high
    if not math.isfinite(judgement.effect):  # a claim about verdicts has no effect of its own
        return "--", "--"
    half = (high - low) / 2
    places = min(max(decimals(half), 0), 6) if math.isfinite(half) and half > 0 else 2
    if not math.isfinite(half):
        return f"${judgement.effect:.{places}f}$", "--"
    return f"${_fixed(judgement.effect, places)}$", f"$[{_fixed(low, places)},\\,{_fixed(high, places)}]$"


def _fixed(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text
