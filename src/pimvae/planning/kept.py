"""``plan.json`` of a scale: what `pimvae plan` counted and measured, for the DAG and for the next plan."""

__all__ = ["Kept"]

from collections.abc import Iterable
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Any

from pimvae.config.experiments import Config
from pimvae.config.schema import Cell
from pimvae.files import read_mapping, write_json
from pimvae.planning.counts import Counts, Problem, bound
from pimvae.planning.resources import (
    CAUTIOUS,
    GPU_MIB,
    MARGIN,
    Job,
    Speed,
    device_memory,
    evaluated_on,
    evaluation_job,
    training_job,
)
from pimvae.planning.schedule import GPU


class Kept:
    """The file and what it holds; one that is absent, damaged or of an earlier form is no error.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: dict[str, Any] = {key: part for key, part in read_mapping(path).items() if isinstance(part, dict)}

    def write(self) -> None:
        write_json(self.path, self.content)

    def counts(self, cell: Cell) -> Counts:
        """Those of the cell's model, else a bound."""
        problem = Problem.of(cell)
        try:
            return Counts(**self.content["counts"][problem.fingerprint()])
        except (KeyError, TypeError):
            return bound(problem)

    def keep_counts(self, counted: Iterable[tuple[Cell, Counts]]) -> None:
        """Beside those that were kept before."""
        kept = self.content.setdefault("counts", {})
        kept.update({Problem.of(cell).fingerprint(): asdict(counts) for cell, counts in counted})

    def timings(self, device: str) -> dict[str, Any]:
        """What was measured on the device, of ``cells`` and of ``experiments``; what is added there is kept."""
        found = self.content.setdefault(device, {})
        return {part: found.setdefault(part, {}) for part in ("cells", "experiments")}

    def training(self, cell: Cell, device: str) -> Job:
        return training_job(cell, self.counts(cell), device, self.speed(device, cell.experiment))

    def evaluation(self, cell: Cell, device: str) -> Job:
        """The evaluation of a cell that was trained on the device, as planned."""
        return evaluation_job(cell, self.counts(cell), device, self.speed(device, cell.experiment))

    def urgency(self, cell: Cell, device: str) -> int:
        """Seconds of a cell: those that take longest start first, and trained ones are evaluated at once."""
        return round(self.training(cell, device).seconds + self.evaluation(cell, device).seconds)

    def gpu_share(self, cell: Cell, config: Config) -> int:
        """Thousandths of a GPU that a training takes: of its memory, of its time, or of places for ``cells_per_gpu``.

        Shares of jobs that run at once add up to at most 1000, so each takes about as long as alone. None on a CPU.
        """
        if config.device != "cuda":
            return 0
        found, counts = self.content.get("cuda", {}).get("memory"), self.counts(cell)
        memory = found if isinstance(found, int) else GPU_MIB  # nobody looked at the GPU
        held = MARGIN * device_memory(cell, counts) / memory
        busy = self.speed("cuda", cell.experiment).busy(cell, counts)
        return min(GPU, ceil(GPU * max(held, busy, 1 / config.settings.cells_per_gpu) - 1e-9))

    def evaluation_share(self, cell: Cell, config: Config) -> int:
        """Those of its evaluation: as many, where that runs on the GPU."""
        return self.gpu_share(cell, config) if evaluated_on(cell, config.device) == "cuda" else 0

    def speed(self, device: str, experiment: str) -> Speed:
        """As it was measured, else cautious."""
        try:
            return Speed(**self.content[device]["experiments"][experiment])
        except (KeyError, TypeError):
            return CAUTIOUS[device]
