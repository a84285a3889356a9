"""What columns of the metrics can hold: split, subset, rows of no trained model (no torch here, for who reads them).

`pimvae.evaluation.rows.Rows` refuses other splits and subsets, so a claim that asks for one has a typing error in it.
"""

__all__ = ["CLASSIFIER", "PAIR", "SPLITS", "TRIPLE", "TRUE_MODEL", "TRUE_PRIOR", "check_names", "crossing", "is_subset",
           "of_size", "subset_names"]  # fmt: skip

import re
from itertools import combinations

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


def check_names(subset: str, split: str) -> None:
    """Refuse names that are not listed here.

    Raises:
        ValueError: if there is no such subset or split.
    """
    if not is_subset(subset) or split not in SPLITS:
        raise ValueError(f"subset '{subset}' or split '{split}' is not listed in pimvae/evaluation/names.py")
