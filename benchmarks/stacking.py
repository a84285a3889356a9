"""One step of a stack of replicas against plain loops over single models with torch.optim.Adam, at laptop size.

The plain loop is one as one writes it down first. What of the difference is stacking alone shows a loop over the very
modules that the stack is made of: encoders in one product, one pass for both subsets, one decoder pass.
"""

__all__ = ["run"]

from collections.abc import Iterator
from functools import partial

from benchmarks.measure import Effort, Result, interleaved
from benchmarks.textbook import textbook_loops
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
    """ms of a step of all seeds, stacked and in plain loops, and how many times more the loops take."""
    for experiment, name in CELLS[:1] if effort.minimal else CELLS:
        for seeds in (2,) if effort.minimal else (3, 5):
            chosen = cell(effort, "laptop", experiment, name, seeds)
            actions = {
                "stacked": stacked(chosen, effort.device),
                "plain": partial(one_after_another, textbook_loops(chosen, effort.device)),
                "same modules": partial(one_after_another, plain_loops(chosen, effort.device)),
            }
            times = interleaved(actions, effort)
            case = f"{experiment}/{name}, {seeds} seeds"
            for loop in actions:
                yield times[loop].result(case, f"{loop}, step of all seeds", "ms", lambda s: 1e3 * s)
            yield times["plain"].over(times["stacked"], case, "plain / stacked", least=BUDGET)
            yield times["same modules"].over(times["stacked"], case, "same modules / stacked", least=BUDGET)
