"""What averaged weights cost: a step with them against one without."""

__all__ = ["run"]

from collections.abc import Iterator

from benchmarks.measure import Effort, Result, interleaved
from benchmarks.trainings import cell, stacked

CELLS = (
    ("linear", "dense-poe-masked"),
    ("multimodal", "complete-sum_pooling-masked"),
    ("images", "triples-poe-masked"),
)
MOST = 1.02


def run(effort: Effort) -> Iterator[Result]:
    """Ratios at the laptop's sizes, three seeds."""
    for experiment, name in CELLS:
        chosen = cell(effort, "laptop", experiment, name, 3)
        plain, averaged = (
            chosen.model_copy(update={"train": chosen.train.model_copy(update={"averaging": horizon})})
            for horizon in (None, 0.1)
        )
        trainings = {"plain": plain, "averaged": averaged}
        times = interleaved({key: stacked(value, effort.device) for key, value in trainings.items()}, effort)
        yield times["averaged"].over(times["plain"], f"laptop {experiment}/{name}, 3 seeds", "with averages", most=MOST)
