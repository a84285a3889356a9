"""CPU seconds that a job of the workflow takes before it starts to work: what it imports, in fresh processes."""

__all__ = ["run"]

import os
import resource
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measure import LEAST, Effort, Result, Timing
from benchmarks.trainings import ROOT

TRAINING = (
    "from pimvae import cli, registry; from pimvae.config import load; import pimvae.training.job; "
    "registry.lookup('aggregators', 'sum_pooling'), registry.lookup('objectives', 'masked'); "
    # Parts of torch are imported by what is done first.
    "import torch; from pimvae.config.schema import TrainConfig; from pimvae.training.optimiser import StackOptimiser; "
    "StackOptimiser(torch.zeros(1, 2), TrainConfig(steps=1, batch_size=1), 1).step(torch.ones(1, 2), 0)"
)
CASES = {
    "python": "pass",
    "import torch": "import torch",
    "a training job": TRAINING,
    "an evaluation job": f"{TRAINING}; import pimvae.evaluation.job, pimvae.evaluation.multimodal",
    "a data job": "import pimvae.data.job, pimvae.data.multimodal",
    "pimvae cells": "from pimvae.cli import main; main(['cells'])",
}
BUDGET = 2.0


def run(effort: Effort) -> Iterator[Result]:
    """Seconds of each, and what a training job takes beyond importing torch."""
    cases = ["python", "import torch", "a training job"] if effort.minimal else list(CASES)
    seconds: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(effort.repetitions):
        for case in cases:
            seconds[case].append(cpu_seconds(CASES[case]))
    times = {case: Timing(tuple(values)) for case, values in seconds.items()}
    for case, timing in times.items():
        yield timing.result(case, "start-up", "s", float, most=BUDGET if case == "a training job" else None)
    yield times["a training job"].over(times["import torch"], "a training job", "against importing torch")


def cpu_seconds(code: str) -> float:
    """CPU time of a fresh interpreter that runs ``code``, on one thread."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return max(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, LEAST)
