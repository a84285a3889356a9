"""The grid of aggregators and bounds, and the objectives beside it that stand in blocks of their own."""

__all__ = ["in_grid"]

import pandas as pd

from pimvae.config.catalogue import catalogue
from pimvae.evaluation.rows import CLASSIFIER, TRUE_MODEL

REFERENCES = (TRUE_MODEL, CLASSIFIER)  # "aggregators" of rows that are no trained model's


def in_grid(rows: pd.DataFrame, block: str = "") -> pd.DataFrame:
    """Rows of trained models under the bounds that tables and figures have columns for.

    Args:
        rows: with their aggregator and objective.
        block: instead, those of one block beside the grid: ``published`` baselines or ``nonempty``, the mixture bound
            without ∅.
    """
    blocks = rows["objective"].map(lambda name: catalogue().entries["objectives"].get(name, {}).get("block", ""))
    return rows[(blocks == block) & ~rows["aggregator"].isin(REFERENCES)]
