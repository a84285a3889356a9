"""A step compiled by torch.compile against the replayed one, and the time that compiling takes."""

__all__ = ["run"]

import os
import tempfile
from collections.abc import Iterator
from unittest import mock

from benchmarks.measure import Effort, Result, interleaved
from benchmarks.trainings import cell, stacked
from pimvae.config.schema import Cell
from pimvae.kernels import KERNELS

CASES = (
    ("linear", "dense-poe-masked", 64),
    ("linear", "dense-poe-masked", 256),
    ("multimodal", "complete-sum_pooling-masked", 64),
    ("multimodal", "complete-sum_pooling-masked", 256),
    ("multimodal", "complete-self_attention-masked", 64),
)  # experiment, cell, width of encoders and pooling networks
SEEDS = 3


def run(effort: Effort) -> Iterator[Result]:
    """CPU seconds of compiling, ms of a step, their ratio, and the steps from which on compiling pays."""
    for experiment, name, width in CASES[:1] if effort.minimal else CASES:
        chosen = cell(effort, "laptop", experiment, name, SEEDS)
        if not effort.minimal:
            widths = {"encoder_widths": (width, width), "pooling_width": width}
            chosen = chosen.model_copy(update={"model": chosen.model.model_copy(update=widths)})
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {KERNELS: folder}):
            yield from _compared(chosen, effort, f"laptop {experiment}/{name}, width {width}, {SEEDS} seeds")


def _compared(chosen: Cell, effort: Effort, case: str) -> Iterator[Result]:
    trainings, first = {}, {}
    for compile_ in ("never", "always"):
        train = chosen.train.model_copy(update={"compile": compile_})
        trainings[compile_] = stacked(chosen.model_copy(update={"train": train}), effort.device)
        start = _cpu_seconds()
        trainings[compile_](1)
        first[compile_] = _cpu_seconds() - start
    times = interleaved(trainings, effort)
    taken, saved = first["always"] - first["never"], times["never"].median - times["always"].median
    yield Result(case, "compiling", taken, "s")
    yield times["never"].result(case, "replayed, step", "ms", lambda s: 1e3 * s)
    yield times["always"].over(times["never"], case, "compiled / replayed")
    if saved > 0:
        yield Result(case, "compiling pays from", taken / saved, "steps")


def _cpu_seconds() -> float:
    """Of this process and of those that it waited for: compilers are processes of their own."""
    return sum(os.times()[:4])
