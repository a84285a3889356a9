"""Time of a step against the number of stacked seeds."""

__all__ = ["run"]

from collections.abc import Iterator

from benchmarks.measure import Effort, Result, interleaved
from benchmarks.trainings import cell, stacked

CELLS = (("linear", "dense-sum_pooling-masked"), ("multimodal", "complete-poe-masked"))
MOST_ON_CUDA = 1.5  # five seeds against one, at the publication's size


def run(effort: Effort) -> Iterator[Result]:
    """ms of a step, and against a single seed; at laptop size on CPU, at the publication's size on CUDA."""
    scale = "paper" if effort.device == "cuda" else "laptop"
    for experiment, name in CELLS:
        trainings = {str(n): stacked(cell(effort, scale, experiment, name, n), effort.device) for n in effort.seeds}
        times = interleaved(trainings, effort)
        for seeds in effort.seeds:
            timing, case = times[str(seeds)], f"{scale} {experiment}/{name}, {seeds} seeds"
            budget = {"most": MOST_ON_CUDA} if effort.device == "cuda" and seeds == 5 else {}
            yield timing.result(case, "step", "ms", lambda s: 1e3 * s)
            yield timing.over(times[str(effort.seeds[0])], case, f"against {effort.seeds[0]}", **budget)
