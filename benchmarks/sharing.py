"""Several trainings at once, each in a process of its own as the workflow starts them: steps/s of all of them together.

``python -m benchmarks.sharing SCALE DEVICE SECONDS [--minimal]`` is one of these processes: it says when it is ready,
waits for a line, trains for so many seconds and prints its steps/s.
"""

__all__ = ["run"]

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks.measure import FULL, MINIMAL, Effort, Result
from benchmarks.trainings import ROOT, cell, stacked
from benchmarks.utilisation import Watch

PROCESSES, SEEDS = (1, 2, 4, 8), 3
NAME = ("multimodal", "complete-sum_pooling-masked")
SECONDS, WARM_UP, PIECE = 4.0, 10, 20  # steps before the start, and between two looks at the clock


def run(effort: Effort) -> Iterator[Result]:
    """Steps/s of 1, 2, 4 and 8 processes, against one; on a GPU also how busy it is, and its memory in use.

    On a CPU no more processes than cores.
    """
    most = 2 if effort.minimal else max(PROCESSES) if effort.device == "cuda" else os.cpu_count() or 1
    for scale in ("laptop", "paper") if effort.device == "cuda" else ("laptop",):
        alone = None
        for processes in (count for count in PROCESSES if count <= most):
            with Watch() as watch:
                rate = _together(processes, scale, effort)
            alone = alone or rate
            case = f"{scale} {'/'.join(NAME)}, {SEEDS} seeds, {processes} at once"
            yield Result(case, "steps of all", rate, "/s")
            yield Result(case, "against 1", rate / alone, "×")
            if watch.busy is not None and watch.memory is not None:
                yield Result(case, "GPU busy, start included", watch.busy, "%")
                yield Result(case, "GPU memory in use", watch.memory, "MiB")


def _together(processes: int, scale: str, effort: Effort) -> float:
    """The sum of their steps/s; they train at the same time, after all of them are ready."""
    command = [sys.executable, "-m", "benchmarks.sharing", scale, effort.device]
    command += ["0.1", "--minimal"] if effort.minimal else [f"{SECONDS}"]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    pipes |= {"cwd": ROOT, "env": os.environ | {"PYTHONPATH": path}}
    started = [subprocess.Popen(command, **pipes) for _ in range(processes)]
    try:
        for process in started:
            process.stdout.readline()
        for process in started:
            process.stdin.write("\n")
            process.stdin.flush()
        return sum(float(process.stdout.readline()) for process in started)
    finally:
        for process in started:
            process.communicate()


def _train(scale: str, device: str, seconds: float, minimal: bool) -> None:
    torch.set_num_threads(1)
    effort = replace(MINIMAL if minimal else FULL, device=device)
    steps, done = stacked(cell(effort, scale, *NAME, SEEDS), device), 0
    steps(WARM_UP)
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        steps(PIECE)
        done += PIECE
        if device == "cuda":
            torch.cuda.synchronize()
    print(done / (time.perf_counter() - started), flush=True)


if __name__ == "__main__":
    _train(sys.argv[1], sys.argv[2], float(sys.argv[3]), "--minimal" in sys.argv)
