"""T10: the claims and their verdicts."""

__all__ = ["table_claims"]

import math
from collections.abc import Sequence

from pimvae.claims.schema import Claim
from pimvae.claims.statistics import decimals
from pimvae.claims.verdict import Judgement
from pimvae.config.catalogue import catalogue
from pimvae.report.tables._layout import escape, tabular


def table_claims(judgements: Sequence[Judgement]) -> str:
    """Claim, verdict, effect with interval and unit, effect at half of the steps, comparisons, failed replicas.

    Comparisons are counted as claimed : undecided : against. An asterisk marks what is younger than its run.
    """
    lines = [r"& claim & verdict & effect [95\,\%] & at half & comparisons & failed \\", r"\midrule"]
    for judgement in judgements:
        lines.append(" & ".join(_cells(judgement)) + r" \\[2pt]")
    wrapped = r">{\raggedright\arraybackslash}p"
    return tabular(rf"l{wrapped}{{0.33\linewidth}}{wrapped}{{0.12\linewidth}}lccr", lines)


def _cells(judgement: Judgement) -> list[str]:
    name = f"{judgement.claim.id}{'*' * judgement.younger}"
    start = [name, escape(judgement.claim.short), rf"\verdict{{{judgement.stated}}}"]
    if not judgement.pairs:
        return [*start, "", "", "", ""]
    open_groups = len(judgement.groups) - judgement.as_claimed - judgement.against
    count = f"{judgement.as_claimed}\\,:\\,{open_groups}\\,:\\,{judgement.against}"
    effect = " ".join([*effect_texts(judgement), escape(unit(judgement.claim))]).strip()
    half = effect_texts(judgement.half)[0] if judgement.half else "--"
    return [*start, effect, half, count, str(judgement.diverged)]


def unit(claim: Claim) -> str:
    """What the effect of a claim is measured in: nothing where it is relative, else the unit or name of its metric."""
    if not claim.measures:  # about verdicts
        return ""
    metric = catalogue().metric(claim.measures[0].metric)
    plain = metric.unit if metric.factor == 1 else ""
    return "relative" if claim.effect == "relative" else plain or metric.label.partition(",")[0]


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
