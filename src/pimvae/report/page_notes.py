"""What stands below a table on its web page: what the columns mean, and the marks that occur."""

__all__ = ["notes"]

import re

MARKS = {  # a command of LaTeX, and what it means
    "pmhalf": "mean ± half of the 95 % interval over seeds",
    "best": "bold: the best of its column",
    "tie": "underlined: not significantly worse (paired by seed)",
    "annealed": "⋆: annealed at more than a third of its points, whose importance weights are heavy-tailed",
    "diverged": '<span class="diverged">†n</span>: n diverged replicas, left out',
    "untrained": '<span class="diverged">‡n</span>: n replicas below the simplest of the simple models',
    "collapsed": '<span class="diverged">∘n</span>: n replicas that equal it, at a rate near 0',
}
SIMPLE = "Last block: simple models fitted to the same training samples."
SORT = "A click on a heading sorts the rows below it."
ABOUT = {  # tables whose title does not say what their numbers are
    "t6_images": "In nats.",
    **dict.fromkeys(
        ["t7_coherence_mnist", "t7_coherence_svhn", "t7_coherence_text"],
        "In %: the share of generated samples that show the digit of what is given (columns).",
    ),
    "t8_unconditional": "Samples of the prior, and accuracies of the digit that is read from latents.",
    "t10_claims": "Not settled: half of the steps would give another verdict; *: the rule is younger than its run.",
    "t11_audit": "Each arm minus the corrected one, mean over schemes; bold: the interval excludes 0.",
    "likelihood_check": "Errors are estimated minus exact log-likelihoods, in nats.",
}
HEADINGS = {  # what a heading of a column means
    "LLH gap": "how far the log-likelihood stays below the best attainable one, in %",
    "bound gap": "log-likelihood minus bound, in nats",
    "KL<sub>1</sub>": "divergence to the exact posterior given one modality, in nats",
    "KL<sub>M</sub>": "the same given all modalities",
    "LLH": "log-likelihood, in nats",
    "gap": "log-likelihood of the true model minus that of the learned one, in nats",
    "MCC": "mean correlation of true and inferred latents, up to order, sign and scale",
    "MCC<sub>β=.1</sub>": "the same of models trained with β = 0.1",
    "strong": "mean correlation of true and inferred latents, up to order, sign and scale",
    "weak": "the same up to a linear map",
    "strong, in": "the strong one, on the samples that fixed order and signs",
    "weak, in": "the weak one, on the samples that fixed the map",
    "clusters": "share of samples whose cluster is the most probable component of the learned prior, in %",
    "label": "accuracy of the label inferred from the vector, in %",
    "rate": "divergence of the posterior given all modalities to the prior, in nats",
    "cross rate": "divergence of the posterior given all modalities to that given one, in nats",
    "full": "reconstruction of all modalities given all, in nats",
    "cross": "reconstruction of the others given one modality, in nats",
    "M+S+T": "all three modalities",
    "M": "the handwritten digit (MNIST)",
    "S": "the house number (SVHN)",
    "T": "the text",
    "k\u0302&gt;.7": "share of samples with heavy-tailed importance weights, in %",
    "k\u0302&gt;.7 (%)": "share of samples with heavy-tailed importance weights",
    "eff. (%)": "effective share of the particles",
    "few (%)": "share of samples with few effective particles",
    "coh.": "share of samples in which all modalities show one digit, in %",
    "FD<sub>M</sub>": "Fréchet distance of digits, lower is better",
    "FD<sub>S</sub>": "Fréchet distance of house numbers",
    "acc<sub>M</sub>": "accuracy given the digit's image, in %",
    "acc<sub>S</sub>": "accuracy given the house number, in %",
    "acc<sub>T</sub>": "accuracy given the text, in %",
    "acc<sub>all</sub>": "accuracy given all of them, in %",
    "effect [95\u2009%]": "mean over pairs of replicas, positive as claimed, with its interval; relative: from −2 to 2",
    "at half": "the effect after half of the steps",
    "comparisons": "how many have an interval on the claimed side : open : on the other side",
    "failed": "replicas that diverged or stay below the simplest model",
    "parameters": "of one replica",
    "ms/step": "milliseconds per step and replica",
    "time (s)": "of the training of a cell, with all its seeds and values of β",
    "clipped (%)": "share of gradient entries that were clipped",
}


def notes(name: str, table: str, tex: str, scale: str) -> str:
    """Scale and marks as a paragraph, and a list of the headings that need a word.

    Args:
        name: of the table in its registry.
        table: as HTML.
        tex: the same as LaTeX.
        scale: of the results.
    """
    used = "; ".join(text for command, text in MARKS.items() if f"\\{command}" in tex)
    said = [f"Scale {scale}.", *([ABOUT[name]] if name in ABOUT else [])]
    said += [f"Marks: {used}."] if used else []
    said += [SIMPLE] if any(f"\\{command}" in tex for command in ("untrained", "collapsed")) else []
    heads = re.findall(r"<tr[^>]*>.*?</tr>", table.partition("</thead>")[0], flags=re.DOTALL)
    said += [SORT] if heads and "colspan" not in heads[-1] else []
    found = dict.fromkeys(re.findall(r"<th(?: [^>]*)?>(.*?)</th>", table))
    meanings = "".join(f"<dt>{head}</dt><dd>{HEADINGS[head]}</dd>" for head in found if head in HEADINGS)
    return f"<p>{' '.join(said)}</p>" + (f"\n<dl>{meanings}</dl>" if meanings else "")
