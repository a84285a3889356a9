"""Tidy metrics: one row per number."""

__all__ = ["COLUMNS", "Rows"]

from typing import Literal

from pimvae.config.schema import Cell
from pimvae.evaluation.names import check_names

COLUMNS = ("experiment", "dataset", "aggregator", "objective", "prior", "beta", "seed", "share", "baseline", "split",
           "subset", "metric", "value")  # fmt: skip


class Rows:
    """Collects the rows of one replica of a cell after a share of its steps.

    Attributes:
        scope: what is measured. ``all``, after all of the steps; ``claims``, from half of them on: what claims read;
            ``distance``, before: what tells how far the model is from the exact answer (figure F11).
        is_reference: whether β = 1: what claims and tables of likelihoods read.
    """

    def __init__(self, cell: Cell, seed: int, beta: float, share: float = 1.0) -> None:
        model, objective = cell.model, cell.objective
        self.seed, self.beta, self.is_reference = seed, float(beta), beta == 1
        self.scope: Literal["all", "claims", "distance"] = (
            "all" if share == 1 else "claims" if share >= 0.5 else "distance"
        )
        self.keys = (cell.experiment, cell.dataset, model.aggregator, objective.name, model.prior, self.beta, seed,
                     float(share), "")  # fmt: skip
        self.rows: list[tuple[object, ...]] = []

    def add(self, metric: str, value: float, subset: str = "all", split: str = "train") -> None:
        """One number of this replica, of a subset and a split that `pimvae.evaluation.names` knows."""
        check_names(subset, split)
        self.rows.append((*self.keys, split, subset, metric, float(value)))
