"""Every number that the text of the paper uses, as LaTeX macros."""

__all__ = ["macros"]

import re
from collections.abc import Iterator, Sequence

import pandas as pd

from pimvae.claims.selection import REPLICA, diverged_replicas, drop_diverged, select
from pimvae.claims.statistics import format_estimate, format_number, mean_interval
from pimvae.claims.status import COLLAPSED, UNTRAINED
from pimvae.claims.verdict import UNSETTLED, Judgement
from pimvae.config.catalogue import catalogue
from pimvae.evaluation.rows import CLASSIFIER, TRUE_PRIOR
from pimvae.report import beside, prose
from pimvae.report.checks import check_rows
from pimvae.report.latex import escape
from pimvae.results.files import Results

SENTENCE = {**{verdict: one for verdict, (one, _) in prose.SAID.items()}, "not run": "was not examined"}
REFERENCES = (TRUE_PRIOR, CLASSIFIER)  # priors of rows that are no model's
IMAGE_DATA = {
    "embedded": "Made from embedded stand-ins (digits of MNIST, procedural house numbers): not comparable with the "
    "publication's numbers.",
    "full": "Made from MNIST and SVHN.",
}


def macros(results: Results, judgements: Sequence[Judgement], scale: str) -> str:
    r"""The file of macros.

    ``\val{dataset}{aggregator}{objective}{metric}{subset}`` is a mean with its interval, ``\setting{dataset}{key}`` a
    value of the configuration, ``\ifrun{dataset}{then}{else}`` asks for a data set; ``\Claim<Id>Verdict`` and its
    companions belong to a claim; of ``\bestof``, ``\abovecode`` and ``\betas`` see `pimvae.report.beside`. A key that
    does not exist prints a visible mark and a LaTeX warning (see
    paper/preamble.tex).
    """
    lines = ["% Generated from results; do not edit."]
    lines += [rf"\newcommand{{\{name}}}{{{text}}}" for name, text in _named(results, judgements, scale)]
    lines += [rf"\defkey{{val:{key}}}{{{text}}}" for key, text in _values(results.metrics, results.baselines)]
    lines += [rf"\defkey{{best:{key}}}{{{text}}}" for key, text in beside.best(results.metrics)]
    lines += [rf"\defkey{{above:{key}}}{{{text}}}" for key, text in beside.above(results.metrics, results.baselines)]
    lines += [rf"\defkey{{betas:{key}}}{{{text}}}" for key, text in beside.weights(results.metrics)]
    lines += [rf"\defkey{{run:{name}}}{{}}" for name in catalogue().order("datasets", results.runs["dataset"])]
    lines += [rf"\defkey{{{key}}}{{{text}}}" for key, text in _seeds(results.metrics)]
    lines += [rf"\defkey{{setting:{key}}}{{{text}}}" for key, text in _settings(results.settings)]
    return "\n".join(lines) + "\n"


def letters(identifier: str) -> str:
    """``C1a`` to ``COneA``: macro names have letters only."""
    return "".join(prose.NUMBERS[int(char)] if char.isdigit() else char.upper() for char in identifier)


def _named(results: Results, judgements: Sequence[Judgement], scale: str) -> Iterator[tuple[str, str]]:
    yield "ResultScale", escape(scale)
    yield from _overall(results)
    for judgement in judgements:
        yield from _claim(judgement)
    left_out = [rf"\mbox{{{judgement.claim.id}}}" for judgement in judgements if judgement.verdict == "not run"]
    yield "ClaimsNotRunList", prose.enumeration(left_out) or "none"
    yield "VerdictSummary", prose.verdict_summary(judgements)
    yield "VerdictSentences", prose.verdict_sentences(judgements)
    yield from _check(results.metrics)


def _claim(judgement: Judgement) -> Iterator[tuple[str, str]]:
    name = f"Claim{letters(judgement.claim.id)}"
    effect, interval = prose.effect_texts(judgement) if judgement.pairs else ("--", "--")
    said = SENTENCE[judgement.verdict]
    yield f"{name}Verdict", said if judgement.settled else f"{said}{UNSETTLED}"
    yield f"{name}Text", escape(judgement.claim.text.strip())
    yield f"{name}Effect", effect
    yield f"{name}Interval", interval
    yield f"{name}Pairs", str(judgement.pairs)
    yield f"{name}Groups", str(len(judgement.groups))
    yield f"{name}AsClaimed", str(judgement.as_claimed)
    yield f"{name}Against", str(judgement.against)
    yield f"{name}OpenGroups", prose.exceptions(judgement, against=False)
    yield f"{name}AgainstGroups", prose.exceptions(judgement, against=True)
    yield f"{name}Relevant", f"{judgement.claim.relevant:g}"
    yield f"{name}Collapsed", escape(prose.enumeration(judgement.names(COLLAPSED), ";")) or "none"
    yield f"{name}Untrained", escape(prose.enumeration(judgement.names(UNTRAINED), ";")) or "none"


def _overall(results: Results) -> Iterator[tuple[str, str]]:
    runs, metrics, settings = results.runs, results.metrics, results.settings
    trained = metrics[~metrics["prior"].isin(REFERENCES)]
    devices = runs["device"].dropna().unique()
    yield "Seeds", prose.spread([rows["seed"].nunique() for _, rows in trained.groupby("dataset")], "seed")
    yield "Device", escape(prose.enumeration(sorted(map(str, devices))) or "unknown device")
    yield "CellCount", str(len(runs))
    yield "ReplicaCount", str(len(trained[REPLICA].drop_duplicates()))
    diverged = len(diverged_replicas(metrics))
    yield "DivergedText", f"{diverged} diverged and are counted where they occur" if diverged else "none diverged"
    yield "DeviceMinutes", format_number(runs["seconds"].astype(float).sum() / 60, 2)
    threads = runs["threads"].dropna().astype(int)
    several = threads.nunique() > 1 or (threads != 1).any()
    yield "Threads", f"{escape(_distinct(threads)) or '--'} thread{'s' * bool(several)}"
    clipped = 100 * runs["clipped_fraction"].dropna().astype(float)
    yield "ClippedMost", rf"{format_number(clipped.max(), 2)}\,\%" if len(clipped) else "--"
    sources = settings.loc[settings["key"] == "cell.data.source", "value"].unique()
    named = [IMAGE_DATA[source] for source in sources if source in IMAGE_DATA]  # sources of latents have this key too
    yield "ImageData", " ".join(named) or "Not run."
    nonfinite = int(runs["nonfinite"].fillna(0).sum())
    yield "NonfiniteText", f"{nonfinite} were not finite" if nonfinite else "all were finite"
    yield "Versions", escape(_versions(settings))


def _versions(settings: pd.DataFrame) -> str:
    rows = settings[settings["key"].str.startswith("versions.")]
    named = rows.assign(name=rows["key"].str.removeprefix("versions.")).groupby("name")["value"].unique()
    known = prose.enumeration([f"{name} {'/'.join(sorted(values))}" for name, values in named.items()])
    return known or "versions not recorded"


def _check(metrics: pd.DataFrame) -> Iterator[tuple[str, str]]:
    rows = check_rows(metrics)
    yield "CheckReplicas", str(len(rows))
    yield "CheckLargestError", format_number(rows["error"].abs().max())
    yield "CheckEncoderError", format_number(rows["encoder_error"].abs().max())
    yield "CheckWithin", format_number(100 * (rows["error"].abs() <= rows["llh_error"]).mean())


def _values(metrics: pd.DataFrame, baselines: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Mean with interval over seeds of every metric of every cell with β = 1, times the metric's factor.

    Of two splits the held-out one counts. Cells with a learned prior are named ``<aggregator>-mixture_prior``; a simple
    model stands in the place of an aggregator, with the objective ``simple``.
    """
    simple = baselines.assign(aggregator=baselines["baseline"], objective="simple")
    parts = [frame for frame in (drop_diverged(metrics), simple) if len(frame)]
    rows = select(pd.concat(parts, ignore_index=True) if parts else metrics, {"beta": 1})
    rows = rows[rows["metric"].isin(catalogue().entries["metrics"])]
    rows = rows.assign(aggregator=rows["aggregator"].where(
        rows["prior"] != "mixture", rows["aggregator"] + "-mixture_prior"))  # fmt: skip
    keys = ["dataset", "aggregator", "objective", "metric", "subset"]
    split = rows.groupby(keys)["split"].transform("nunique") > 1
    rows = rows[~split | (rows["split"] == "test")]
    for key, part in rows.groupby(keys):
        factor = catalogue().metric(key[3]).factor
        yield ":".join(key), format_estimate(mean_interval((part["value"] * factor).dropna().tolist()))


def _seeds(metrics: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Per data set the number of seeds in words, and the seeds."""
    for dataset, rows in metrics[~metrics["prior"].isin(REFERENCES)].groupby("dataset"):
        seeds = sorted(int(seed) for seed in rows["seed"].dropna().unique())
        yield f"seeds:{dataset}", prose.counted(len(seeds), "seed")
        yield f"seedlist:{dataset}", ", ".join(map(str, seeds))


def _settings(settings: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Configuration per data set: one value, or all distinct values of its cells."""
    rows = settings[settings["key"].str.startswith("cell.")]
    for (dataset, key), part in rows.groupby(["dataset", "key"]):
        yield f"{dataset}:{key.removeprefix('cell.')}", escape(_pretty(_distinct(part["value"])))


def _pretty(text: str) -> str:
    """Large whole numbers with commas, 5000 stays, 40000 becomes 40,000; whole numbers without decimals."""
    text = re.sub(r"(?<![\w.])(\d+)\.0(?![\w.])", r"\1", text)
    return re.sub(r"(?<![\w.])\d{5,}(?![\w.])", lambda match: f"{int(match.group()):,}", text)


def _distinct(values: pd.Series) -> str:
    """All distinct values; the parts of a list, which are joined by spaces, become a comma list."""
    return " or ".join(str(value).replace(" ", ", ") for value in dict.fromkeys(values))
