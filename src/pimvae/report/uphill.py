"""Trainings whose loss went up again: what averaged weights can hide."""

__all__ = ["uphill", "uphill_text"]

from collections.abc import Sequence

import pandas as pd

from pimvae.config.catalogue import catalogue
from pimvae.report.source import Verdicts
from pimvae.results.files import CELL

MARGIN = 10.0  # nats that the loss must have gone up at the least
REPLICA = [*CELL, "seed", "beta"]


def uphill(history: pd.DataFrame) -> pd.DataFrame:
    """Replicas whose loss ended in the upper half of its range, and more than `MARGIN` nats above its lowest value.

    The range is from the lowest value of the curve (means over some steps) to the first one. Replicas that diverged,
    whose loss is not finite at the end, have a count of their own and are not among them.

    Args:
        history: training curves: cell keys, step, seed, beta, term, value.

    Returns:
        `REPLICA` and ``rise``, in nats: last value minus lowest.
    """
    curves = history[history["term"] == "loss"].sort_values("step", kind="stable").groupby(REPLICA, sort=False)["value"]
    first, last, lowest = curves.first(), curves.last(), curves.min()
    rise = last - lowest
    found = rise[(rise > MARGIN) & (rise > 0.5 * (first - lowest)) & (rise < float("inf"))]
    return found.rename("rise").reset_index()


def uphill_text(runs: Sequence[Verdicts]) -> str:
    """A paragraph per run: how many trainings went uphill, of which cells."""
    return "\n\n".join(_run(run) for run in runs)


def _run(run: Verdicts) -> str:
    history = run.results.history
    trainings, found = len(history[REPLICA].drop_duplicates()), uphill(history)
    cells = "; ".join(f"{_cell(*key)} {len(part)}" for key, part in found.groupby(CELL, sort=False))
    return f"Scale `{run.scale}`: {len(found)} of {trainings:,} trainings" + (f" ({cells})." if cells else ".")


def _cell(experiment: str, dataset: str, aggregator: str, objective: str, prior: str) -> str:
    """``clusters: PoE (publ.), masked``."""
    look = catalogue()
    learned = "" if prior == "standard" else f", {look.look('priors', prior).label}"
    return f"{dataset}: {look.aggregator(aggregator).short}, {look.look('objectives', objective).label}{learned}"
