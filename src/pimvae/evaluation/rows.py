"""Tidy metrics, one row per number, and what their columns can hold (no torch here, for who reads them).

`Rows` refuses other splits and subsets, so a claim that asks for one has a typing error in it.
"""

__all__ = ["CLASSIFIER", "COLUMNS", "PAIR", "SPLITS", "TRIPLE", "TRUE_MODEL", "TRUE_PRIOR", "Rows", "crossing",
           "is_subset", "of_size", "subset_names"]  # fmt: skip

import re
from itertools import combinations
from typing import Literal

from pimvae.config.schema import Cell

COLUMNS = ("experiment", "dataset", "aggregator", "objective", "prior", "beta", "seed", "share", "baseline", "split",
           "subset", "metric", "value")  # fmt: skip
SPLITS = ("train", "test")
# In the columns aggregator and objective, where a row is no trained model's. A classifier has no prior either.
TRUE_MODEL, CLASSIFIER = "true_model", "classifier"
TRUE_PRIOR = "true"
PAIR = ("vector", "label")  # modalities of experiment 2
TRIPLE = ("mnist", "svhn", "text")  # modalities of experiment 4
# Everything observed; mean over random subsets; over single modalities; over all ways to cross; draws of the prior.
GENERAL = ("all", "average", "unimodal", "cross", "prior")
SIZE = re.compile(r"size[1-9]\d*")
SHOWN_SIZES = 5  # of the sizes, which have no end, that a list of names shows


def crossing(given: str, target: str) -> str:
    """``mnist_text_to_svhn`` for what is generated from the subset ``mnist_text``."""
    return f"{given}_to_{target}"


def of_size(size: int) -> str:
    """``size3`` for the subsets of three modalities."""
    return f"size{size}"


def subset_names() -> list[str]:
    """The names of all subsets, with the first few sizes."""
    given = ["_".join(names) for size in range(1, len(TRIPLE) + 1) for names in combinations(TRIPLE, size)]
    crossings = [crossing(name, target) for name in given for target in TRIPLE]
    return [*GENERAL, *map(of_size, range(1, SHOWN_SIZES + 1)), *PAIR, *given, *crossings]


def is_subset(name: str) -> bool:
    """Whether a row can have this subset."""
    return name in subset_names() or SIZE.fullmatch(name) is not None


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
        """One number of this replica.

        Raises:
            ValueError: if there is no such subset or split.
        """
        if not is_subset(subset) or split not in SPLITS:
            raise ValueError(f"subset '{subset}' or split '{split}' is not listed in pimvae/evaluation/rows.py")
        self.rows.append((*self.keys, split, subset, metric, float(value)))
