"""How far every scheme stays below the best one, without the optimism of choosing the best on the same numbers."""

__all__ = ["shortfalls"]

from collections.abc import Sequence

import pandas as pd


def shortfalls(rows: pd.DataFrame, sign: float, units: Sequence[str]) -> pd.DataFrame:
    """Per scheme and seed its value (``worse``) beside that of the best scheme (``better``), one metric.

    Which scheme is best is decided by the means over the *other* seeds: were it chosen by the same values, every scheme
    would fall short by chance. A scheme that the other seeds call best is held against itself: shortfall 0.

    Args:
        rows: tidy metrics of one metric and subset; nothing is compared with fewer than two seeds.
        sign: 1 where higher is better, -1 where lower is.
        units: columns that make a scheme.

    Returns:
        Columns ``<unit>_better``, ``<unit>_worse``, ``value_better``, ``value_worse``, and seed, split, subset, metric.
    """
    shared = ["experiment", "seed", "split", "subset", "metric"]
    found = []
    for seed in sorted(set(rows["seed"])):
        others, here = rows[rows["seed"] != seed], rows[rows["seed"] == seed]
        if others.empty:
            continue
        means = sign * others.groupby(list(units))["value"].mean()
        best = pd.DataFrame([means.idxmax()], columns=list(units))
        reference = here.merge(best, on=list(units))[[*units, "value", *shared]]
        found.append(reference.merge(here[[*units, "value", *shared]], on=shared, suffixes=("_better", "_worse")))
    columns = [f"{name}_{side}" for name in (*units, "value") for side in ("better", "worse")]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=[*columns, *shared])
