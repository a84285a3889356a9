"""The summary of an evaluation of own data, as text."""

__all__ = ["summary"]

from collections.abc import Sequence

import numpy as np

from pimvae.claims.statistics import mean_interval
from pimvae.evaluation.rows import COLUMNS


def summary(rows: Sequence[tuple[object, ...]]) -> list[str]:
    """Means over seeds with 95 % intervals, simple models beside them."""
    place = {name: COLUMNS.index(name) for name in COLUMNS}
    found: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in rows:
        key = tuple(str(row[place[name]]) for name in ("split", "metric", "subset"))
        found.setdefault(key, {}).setdefault(str(row[place["baseline"]]), []).append(float(row[place["value"]]))
    lines, seeds = [], 0
    for (split, metric, subset), by_model in found.items():
        values = by_model.pop("", None)
        seeds = max(seeds, len(values or []))
        shown = "–"
        if values:
            estimate = mean_interval(values)
            shown = f"{estimate.mean:.5g}" + (f" ± {estimate.half:.2g}" if np.isfinite(estimate.half) else "")
        beside = "".join(f"  {name} {np.mean(others):.5g}" for name, others in by_model.items())
        lines.append(f"{split:5} {metric:24} {subset:9} {shown}{beside}")
    diverged = [row for row in rows if row[place["metric"]] == "diverged" and row[place["value"]]]
    if diverged:
        lines.append(f"{len(diverged)} of {seeds} seeds diverged and have no other number")
    return [*lines, f"{seeds} seeds, 95 % intervals over them; nats per sample where not a share"]
