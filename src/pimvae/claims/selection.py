"""Rows of the tidy metrics: selection, by replicas and of those that diverged."""

__all__ = ["REPLICA", "diverged_replicas", "drop_diverged", "of_replicas", "select"]

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pimvae.results.files import KEYS

REPLICA = [*KEYS, "seed"]


def select(frame: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """Rows whose columns equal the given value, or one of the given list of values."""
    keep = pd.Series(True, index=frame.index)
    for column, wanted in where.items():
        values = wanted if isinstance(wanted, list | tuple | set) else [wanted]
        keep &= frame[column].isin(values)
    return frame[keep]


def diverged_replicas(metrics: pd.DataFrame) -> pd.DataFrame:
    """Keys and seed of every replica whose metric ``diverged`` is not 0."""
    rows = metrics[(metrics["metric"] == "diverged") & (metrics["value"] != 0)]
    return rows[REPLICA].drop_duplicates()


def drop_diverged(metrics: pd.DataFrame) -> pd.DataFrame:
    """Rows of replicas that did not diverge; the rows of the metric ``diverged`` itself all stay."""
    return metrics[~of_replicas(metrics, diverged_replicas(metrics)) | (metrics["metric"] == "diverged").to_numpy()]


def of_replicas(rows: pd.DataFrame, replicas: pd.DataFrame) -> np.ndarray:
    """Which rows belong to one of these replicas, bool [rows]."""
    if replicas.empty:
        return np.zeros(len(rows), dtype=bool)
    return rows.merge(replicas[REPLICA].assign(_known=True), on=REPLICA, how="left")["_known"].notna().to_numpy()
