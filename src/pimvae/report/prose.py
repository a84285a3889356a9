"""Words of the paper that depend on results: counts, lists, effects, and what became of the claims."""

__all__ = ["NUMBERS", "SAID", "count_word", "counted", "effect_texts", "enumeration", "exceptional", "exceptions",
           "fixed", "rounded", "spread", "unit", "verdict_sentences", "verdict_summary"]  # fmt: skip

import math
from collections.abc import Callable, Sequence

from pimvae.claims.schema import Claim
from pimvae.claims.statistics import decimals
from pimvae.claims.verdict import Judgement
from pimvae.config.catalogue import catalogue
from pimvae.report.latex import escape

NUMBERS = ["Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve",
           "Thirteen", "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen", "Twenty"]  # fmt: skip
# In the order of the sentences: what is said of one claim and of several.
SAID = {"holds": ("holds", "hold"), "refuted": ("is refuted", "are refuted"),
        "negligible": ("has a negligible effect", "have negligible effects"),
        "undecided": ("is undecided", "are undecided")}  # fmt: skip


def count_word(count: int) -> str:
    """``no``, ``one`` to ``twenty``, then digits."""
    words = ["no", *(word.lower() for word in NUMBERS[1:])]
    return words[count] if count < len(words) else str(count)


def counted(count: int, thing: str) -> str:
    """``three seeds``, ``one seed``."""
    return f"{count_word(count)} {thing}{'s' * (count != 1)}"


def spread(counts: Sequence[int], thing: str) -> str:
    """``three seeds`` where all counts are the same, else ``two to three seeds``."""
    if not counts or min(counts) == max(counts):
        return counted(max(counts, default=0), thing)
    return f"{count_word(min(counts))} to {counted(max(counts), thing)}"


def enumeration(parts: Sequence[str], mark: str = ",") -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{mark} ".join(parts[:-1]) + " and " + parts[-1] if parts else ""


def verdict_summary(judgements: Sequence[Judgement]) -> str:
    """A sentence per verdict with the claims that came to it, in words and with their numbers."""
    return _by_verdict(judgements, lambda one: rf"{escape(one.claim.short)} (\mbox{{{one.claim.id}}}{_unsettled(one)})")


def verdict_sentences(judgements: Sequence[Judgement]) -> str:
    """The same with how many comparisons are clearly as claimed, how many against, and how many there are."""
    return _by_verdict(
        judgements,
        lambda one: (
            rf"\mbox{{{one.claim.id}}}, {escape(one.claim.short)}{_unsettled(one)} "
            rf"({one.as_claimed} for, {one.against} against, of {len(one.groups)})"
        ),
    )


def _unsettled(judgement: Judgement) -> str:
    return "" if judgement.settled else ", not settled"


def _by_verdict(judgements: Sequence[Judgement], say: Callable[[Judgement], str]) -> str:
    examined = [judgement for judgement in judgements if judgement.verdict in SAID]
    if not examined:
        return "No claim has been examined."
    sentences = [] if any(judgement.verdict == "holds" for judgement in examined) else ["None holds."]
    for verdict, (one, several) in SAID.items():
        claims = [say(judgement) for judgement in examined if judgement.verdict == verdict]
        if claims:
            count = count_word(len(claims)).capitalize()
            sentences.append(f"{count} {one if len(claims) == 1 else several}: {'; '.join(claims)}.")
    text = " ".join(sentences)
    return f"Of the {counted(len(examined), 'claim')} examined, {text[0].lower()}{text[1:]}"


def exceptional(judgement: Judgement) -> list[tuple[str, bool]]:
    """Groups that are not as claimed in every measure, each once, and whether one puts it wholly on the other side.

    A group that rests on an untrained or collapsed scheme is open, wherever its interval lies.
    """
    groups = judgement.groups
    trained = groups["state"].isna() | (groups["state"] == "")  # pairs of a claim and an arm of the audit have no state
    as_claimed = (groups["low"] > judgement.claim.relevant) & trained
    rows = groups.assign(against=(groups["high"] < 0) & trained)[~as_claimed]
    found = rows.groupby("group", sort=False)["against"].any()
    return [(str(name), bool(against)) for name, against in found.items()]


def exceptions(judgement: Judgement, against: bool) -> str:
    """Those of `exceptional` that are against, or (not ``against``) open; ``none`` if empty. Names hold commas."""
    found = exceptional(judgement)
    return escape(enumeration([name for name, wrong in found if wrong == against], ";")) or "none"


def unit(claim: Claim) -> str:
    """What the effect of a claim is measured in: nothing where it is relative, else the unit or name of its metric."""
    if not claim.measures:  # about verdicts
        return ""
    metric = catalogue().metric(claim.measures[0].metric)
    plain = metric.unit if metric.factor == 1 else ""
    return "relative" if claim.effect == "relative" else plain or metric.label.partition(",")[0]


def effect_texts(judgement: Judgement) -> tuple[str, str]:
    """Mean effect and its interval as LaTeX."""
    if not math.isfinite(judgement.effect):  # a claim about verdicts has no effect of its own
        return "--", "--"
    effect, *ends = rounded(judgement)
    return f"${effect}$", rf"$[{ends[0]},\,{ends[1]}]$" if ends else "--"


def rounded(judgement: Judgement) -> list[str]:
    """Effect and, where there is an interval, its ends, rounded to what it supports."""
    half = (judgement.high - judgement.low) / 2
    if not math.isfinite(half):
        return [fixed(judgement.effect, 2)]
    places = min(max(decimals(half), 0), 6) if half > 0 else 2
    return [fixed(value, places) for value in (judgement.effect, judgement.low, judgement.high)]


def fixed(value: float, places: int) -> str:
    """A number with so many decimals; what rounds to 0 has no sign."""
    text = f"{value:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text
