"""The grid of aggregators and bounds, and the objectives beside it that stand in blocks of their own."""

__all__ = ["in_block", "in_grid"]

import pandas as pd

from pimvae.config.catalogue import catalogue


def in_grid(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the bounds that tables and figures have columns for."""
    return rows[rows["objective"].map(_block) == ""]


def in_block(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Rows of the objectives of one block: ``published`` baselines or ``nonempty``, the mixture bound without ∅."""
    return rows[rows["objective"].map(_block) == name]


def _block(objective: str) -> str:
    return catalogue().entries["objectives"].get(objective, {}).get("block", "")
