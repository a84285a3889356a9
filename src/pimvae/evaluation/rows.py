"""Tidy metrics: one row per number."""

__all__ = ["COLUMNS", "Rows", "Scope", "scope"]

from typing import Literal

from pimvae.config.schema import Cell
from pimvae.evaluation.names import check_names

COLUMNS = ("experiment", "dataset", "aggregator", "objective", "prior", "beta", "seed", "share", "baseline", "split",
           "subset", "metric", "value")  # fmt: skip
Scope = Literal["all", "claims", "distance"]


def scope(share: float) -> Scope:
    """What is measured after a share of the steps: everything after all of them, before half of them the distance only.

    ``distance``: what tells how far the model is from the exact answer (figure F11); ``claims``: also what claims read.
    """
    return "all" if share == 1 else "claims" if share >= 0.5 else "distance"


class Rows:
    """Collects the rows of one replica of a cell after a share of its steps."""

    def __init__(self, cell: Cell, seed: int, beta: float, share: float = 1.0) -> None:
        model, objective = cell.model, cell.objective
        self.scope = scope(share)
        self.keys = (cell.experiment, cell.dataset, model.aggregator, objective.name, model.prior, float(beta), seed,
                     float(share), "")  # fmt: skip
        self.rows: list[tuple[object, ...]] = []

    @property
    def is_reference(self) -> bool:
        """Whether β = 1: what claims and tables of likelihoods read."""
        return self.keys[COLUMNS.index("beta")] == 1

    def add(self, metric: str, value: float, subset: str = "all", split: str = "train") -> None:
        """One number of this replica, of a subset and a split that `pimvae.evaluation.names` knows."""
        check_names(subset, split)
        self.rows.append((*self.keys, split, subset, metric, float(value)))
