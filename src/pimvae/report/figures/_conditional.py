"""Conditional generation under one bound: what is given in rows, aggregators in columns."""

__all__ = ["conditional_grid"]

import pandas as pd
from matplotlib.figure import Figure

from pimvae.config.catalogue import catalogue
from pimvae.report.figures._drawing import Drawing, broken_label
from pimvae.report.figures._pictures import COLUMNS, LONGEST, encoded, tile, tile_figure, triples
from pimvae.results.files import Results

TRUTH = ""  # the aggregator column of the true triple
ORDER = {"M": "M", "S": "S", "T": "T", "MS": "M+S", "MT": "M+T", "ST": "S+T", "MST": "all"}  # given: label


def conditional_grid(objective: str) -> Drawing:
    """The figure of one bound: β = 1, the first seed, the same triples for every aggregator."""

    def data(results: Results) -> pd.DataFrame:
        """One row per picture triple: example, what is given, aggregator (empty: the truth), pixels and text."""
        rows = []
        for aggregator, bound, pictures in triples(results):
            if bound != objective:
                continue
            names = ["".join(letter for letter, given in zip("MST", subset, strict=True) if given)
                     for subset in pictures["given"]]  # fmt: skip
            for example in range(len(pictures["true_text"])):
                if not any(row[:3] == [example, "", TRUTH] for row in rows):
                    rows.append([example, "", TRUTH, *encoded(pictures, "true", example)])
                rows += [[example, given, aggregator, *encoded(pictures, "given", place, example)]
                         for place, given in enumerate(names)]  # fmt: skip
        return pd.DataFrame(rows, columns=["example", "given", "aggregator", *COLUMNS])

    return Drawing(data, plot, "images: not run at this scale")


def plot(table: pd.DataFrame) -> Figure:
    """Blocks of rows per test triple; first what is given, then what each aggregator makes of it."""
    examples = sorted(set(table["example"]))
    methods = [name for name in catalogue().order("aggregators", table["aggregator"]) if name != TRUTH]
    drawn, axes = tile_figure(len(examples), len(ORDER), len(methods) + 1)
    for block, example in enumerate(examples):
        part = table[table["example"] == example]
        for line, (given, label) in enumerate(ORDER.items()):
            tile(axes[block, line, 0], part[part["aggregator"] == TRUTH].iloc[0], given)
            axes[block, line, 0].text(-0.2, 0.5, label, ha="right", va="center", fontsize=7)
            for place, name in enumerate(methods, start=1):
                found = part[(part["aggregator"] == name) & (part["given"] == given)]
                tile(axes[block, line, place], found.iloc[0])
    for place, label in enumerate(["given", *(broken_label(name, LONGEST) for name in methods)]):
        axes[0, 0, place].set_title(label, fontsize=7, pad=3, linespacing=0.9)
    return drawn
