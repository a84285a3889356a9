"""F7: triples generated from draws of the prior."""

__all__ = ["F7_UNCONDITIONAL"]

import pandas as pd
from matplotlib.figure import Figure

from pimvae.config.catalogue import catalogue
from pimvae.report.figures._drawing import Drawing, broken_label
from pimvae.report.figures._pictures import COLUMNS, LONGEST, empty_tile, encoded, tile, tile_figure, triples
from pimvae.results.files import Results


def data(results: Results) -> pd.DataFrame:
    """One row per triple: sample, bound, aggregator, pixels and text; β = 1, first seed."""
    rows = [[sample, objective, aggregator, *encoded(pictures, "prior", sample)]
            for aggregator, objective, pictures in triples(results)
            for sample in range(len(pictures["prior_text"]))]  # fmt: skip
    return pd.DataFrame(rows, columns=["sample", "objective", "aggregator", *COLUMNS])


def plot(table: pd.DataFrame) -> Figure:
    """A block of rows per bound, a column per aggregator."""
    methods = catalogue().order("aggregators", table["aggregator"])
    objectives = catalogue().order("objectives", table["objective"])
    samples = sorted(set(table["sample"]))
    drawn, axes = tile_figure(len(objectives), len(samples), len(methods))
    for block, objective in enumerate(objectives):
        for place, name in enumerate(methods):
            part = table[(table["objective"] == objective) & (table["aggregator"] == name)].set_index("sample")
            for line, sample in enumerate(samples):
                here = axes[block, line, place]
                tile(here, part.loc[sample]) if sample in part.index else empty_tile(here)
        label = f"{catalogue().look('objectives', objective).label} bound"
        axes[block, len(samples) // 2, 0].text(-0.25, 1.0, label, ha="right", va="center", fontsize=7, rotation=90)
    for place, name in enumerate(methods):
        axes[0, 0, place].set_title(broken_label(name, LONGEST), fontsize=7, pad=3, linespacing=0.9)
    return drawn


F7_UNCONDITIONAL = Drawing(data, plot, "images: not run at this scale")
