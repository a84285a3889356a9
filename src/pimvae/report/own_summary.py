"""The summary of an evaluation of own data, as text."""

__all__ = ["summary", "verdict"]

from collections.abc import Sequence

import numpy as np

from pimvae.claims.statistics import mean_interval
from pimvae.evaluation.own import AHEAD, AHEAD_ERROR
from pimvae.evaluation.rows import COLUMNS


def summary(rows: Sequence[tuple[object, ...]]) -> list[str]:
    """Means over seeds with 95 % intervals; beside them the average of the seeds, and how far it is ahead of others."""
    place = {name: COLUMNS.index(name) for name in COLUMNS}
    found: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in rows:
        key = tuple(str(row[place[name]]) for name in ("split", "metric", "subset"))
        found.setdefault(key, {}).setdefault(str(row[place["baseline"]]), []).append(float(row[place["value"]]))
    lines, seeds = [], 0
    for (split, metric, subset), by_model in found.items():
        if metric.endswith((AHEAD, AHEAD_ERROR)):
            continue
        ahead, error = (found.get((split, metric + name, subset), {}) for name in (AHEAD, AHEAD_ERROR))
        values = by_model.pop("", None)
        seeds = max(seeds, len(values or []))
        shown = "–"
        if values:
            estimate = mean_interval(values)
            shown = f"{estimate.mean:.5g}" + (f" ± {estimate.half:.2g}" if np.isfinite(estimate.half) else "")
        beside = "".join(
            f"  {name} {np.mean(others):.5g}" + (f" ({verdict(ahead[name], error[name])})" if name in ahead else "")
            for name, others in by_model.items()
        )
        lines.append(f"{split:5} {metric:24} {subset:9} {shown}{beside}")
    diverged = [row for row in rows if row[place["metric"]] == "diverged" and row[place["value"]]]
    if diverged:
        lines.append(f"{len(diverged)} of {seeds} seeds diverged and have no other number")
    several = f"{seeds} seeds, 95 % intervals over them"
    notes, ours = ("one seed, no intervals", "the model") if seeds == 1 else (several, "the seeds' average")
    units = "nats per sample where not a share"
    return [*lines, f"{notes}; {units}; in brackets: {ours} minus the simple model, ± 2 paired standard errors"]


def verdict(ahead: Sequence[float], error: Sequence[float]) -> str:
    """``better``, ``equal`` (within two standard errors) or ``worse`` than a simple model, and by how much.

    ``open`` where there is no standard error, of one sample.

    Args:
        ahead: average minus simple model, for every seed the same.
        error: its standard error, for every seed the same.
    """
    mean, within = float(np.mean(ahead)), 2 * error[0]
    if not np.isfinite(within):
        return f"open, {mean:+.2g}"
    word = "better" if mean > within else "worse" if mean < -within else "equal"
    return f"{word}, {mean:+.2g} ± {within:.2g}"
