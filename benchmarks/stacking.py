"""One step of a stack of replicas against a plain loop over single models with torch.optim.Adam, at laptop size."""

__all__ = ["run"]

from collections.abc import Iterator
from functools import partial

from benchmarks.measure import Effort, Result, interleaved
from benchmarks.trainings import cell, one_after_another, plain_loops, stacked

CELLS = (
    ("linear", "dense-poe-masked"),
    ("linear", "sparse-sum_pooling-mixture"),
    ("multimodal", "half-sum_pooling-masked"),
    ("multimodal", "complete-self_attention-masked"),
    ("multimodal", "complete-sum_pooling_mixture-masked-mixture_prior"),
)
BUDGET = 2.0


def run(effort: Effort) -> Iterator[Result]:
    """ms of a step of all seeds, stacked and plain, and how many times more the plain loop takes."""
    for experiment, name in CELLS[:1] if effort.minimal else CELLS:
        for seeds in (2,) if effort.minimal else (3, 5):
            chosen = cell(effort, "laptop", experiment, name, seeds)
            loops = plain_loops(chosen, effort.device)
            actions = {"stacked": stacked(chosen, effort.device), "plain": partial(one_after_another, loops)}
            times = interleaved(actions, effort)
            case = f"{experiment}/{name}, {seeds} seeds"
            yield times["stacked"].result(case, "stacked step", "ms", lambda s: 1e3 * s)
            yield times["plain"].result(case, "plain step of all seeds", "ms", lambda s: 1e3 * s)
            yield times["plain"].over(times["stacked"], case, "plain / stacked", least=BUDGET)
