"""How fast this device is, from a few steps and small evaluations of a few cells of each experiment."""

__all__ = ["measure"]

import hashlib
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls

from pimvae import registry
from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset
from pimvae.evaluation.evaluation import evaluation_of
from pimvae.evaluation.rows import Rows
from pimvae.models.vae import MultimodalVAE, build_model
from pimvae.planning.kept import Kept
from pimvae.planning.model_counts import count
from pimvae.planning.resources import CAUTIOUS, Speed, evaluation_operations
from pimvae.results import provenance
from pimvae.training.loop import Trainer
from pimvae.training.packing import pack

WARM_UP = {"cpu": 1, "cuda": 5}
STEPS, SECONDS = 20, 1.0  # timed steps, or as many as fit
BATCHES = 4  # of data
# Refinement of near-exact likelihoods, most of an evaluation, is that of the cell.
SMALL = {"samples": 100, "llh_samples": 20, "particles": 16, "draws": 4}
LARGER = {"samples": 100, "llh_samples": 100, "particles": 64, "draws": 16}
LEAST = 1e-6  # seconds


def measure(
    cells: Sequence[Cell], device: str, kept: Kept, fresh: bool = False, tell: Callable[[str], None] = print
) -> dict[str, Speed]:
    """The speed of every experiment of ``cells``, which are of one scale.

    The cells with the least, the middle and the most operations in a step are timed. Timings are written into the file
    of ``kept`` and used again as long as the cell, the code, torch and the device are the same.
    """
    timings, speeds = kept.timings(device), {}
    if device == "cuda":
        kept.content[device]["memory"] = torch.cuda.mem_get_info()[1] // 2**20
    for experiment in dict.fromkeys(cell.experiment for cell in cells):
        chosen = _chosen([cell for cell in cells if cell.experiment == experiment])
        timed = []
        for place, cell in enumerate(chosen, 1):
            key = _key(cell, device)
            if fresh or key not in timings["cells"]:
                tell(f"timing {experiment}, {place} of {len(chosen)}: {cell.name}, {len(cell.members)} replicas")
                timings["cells"][key] = _time(cell, device)
            timed.append((cell, timings["cells"][key]))
        speeds[experiment] = _speed(timed, CAUTIOUS[device])
        timings["experiments"][experiment] = vars(speeds[experiment])
        kept.write()
    return speeds


def _chosen(cells: list[Cell]) -> list[Cell]:
    ordered = sorted(cells, key=lambda cell: len(cell.members) * count(cell).operations)
    places = dict.fromkeys((0, len(ordered) // 2, len(ordered) - 1))
    return [ordered[place] for place in places]


def _key(cell: Cell, device: str) -> str:
    """Changes with whatever may change the time of a step."""
    name = torch.cuda.get_device_name() if device == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    digest = hashlib.sha256(f"{torch.__version__}, {name}, {cell.model_dump_json()}".encode())
    # What was measured is kept as seconds per operation, so that it goes with the code that counts them, too.
    for path in (*provenance.training_sources(cell), *provenance.sources("pimvae.planning.model_counts")):
        digest.update(path.read_bytes())
    return f"{cell.experiment}/{cell.name} {digest.hexdigest()[:16]}"


def _time(cell: Cell, device: str) -> dict[str, float]:
    """Seconds of a step of the stack, and seconds per operation of an evaluation."""
    data = _data(cell)
    models = [_model(cell, data) for _ in range(len(cell.members))]
    return {"step": _step_seconds(cell, models, data, device), "evaluation": _evaluation_seconds(cell, data)}


@cache
def _draw(kind: str, config: Any) -> Dataset:
    return registry.lookup("data", kind)(config, 0)


def _data(cell: Cell) -> Dataset:
    """A small data set of the cell's kind; all replicas read the same one, which takes as long."""
    sizes = {"samples": min(BATCHES * cell.train.batch_size, getattr(cell.data, "samples", None) or 10**9)}
    if getattr(cell.data, "test_samples", None):
        sizes["test_samples"] = max(SMALL["samples"], 400)
    return _draw(cell.data.kind, cell.data.model_copy(update=sizes))


def _model(cell: Cell, data: Dataset) -> MultimodalVAE:
    return build_model(cell.model, data.train.dims, data.max_dim, data.likelihoods, data.noise_scale, 0)


def _step_seconds(cell: Cell, models: list[MultimodalVAE], data: Dataset, device: str) -> float:
    """Of one step after the warm-up; a training of fewer steps goes on for as long as it takes."""
    split, members = pack(data.train, data.max_dim), range(len(models))
    trainer = Trainer(cell, models, [split] * len(models), members, [1.0] * len(models), device)
    trainer.advance(WARM_UP[device])
    start, taken, done = _now(device), 0.0, 0
    while done < STEPS and taken <= SECONDS:
        trainer.advance(trainer.step + 1)
        taken, done = _now(device) - start, done + 1
    return max(taken, LEAST) / done


def _now(device: str) -> float:
    """Seconds; on the CPU those of this process, which are those of a core that nobody else uses."""
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def _evaluation_seconds(cell: Cell, data: Dataset) -> float:
    """Seconds per operation: what a larger evaluation of a finished replica takes beyond a small one."""
    kind = evaluation_of(cell)
    shared = kind.stand_in(data)
    model = _model(cell, data).to(torch.float64).requires_grad_(False).eval()
    seconds, operations, train = [], [], cell.train.model_copy(update={"shares": (1.0,)})
    objective = cell.objective.model_copy(update={"betas": (1.0,)})
    for sizes in (SMALL, SMALL, LARGER):  # the first time only warms up
        evaluation = cell.evaluation.model_copy(update=sizes)
        sized = cell.model_copy(update={"evaluation": evaluation, "train": train, "objective": objective})
        start = _now("cpu")
        kind(cell=sized, model=model, data=data, rows=Rows(sized, 0, 1.0), seed=0, **shared).measure()
        seconds.append(_now("cpu") - start)
        operations.append(evaluation_operations(sized, count(sized)))
    return max(seconds[2] - seconds[1], LEAST) / (operations[2] - operations[1])


def _speed(timed: Sequence[tuple[Cell, dict[str, float]]], cautious: Speed) -> Speed:
    """The line of least relative error through the times of a step against operations; neither part is negative."""
    operations = np.array([len(cell.members) * count(cell).operations for cell, _ in timed], dtype=float)
    seconds = np.array([found["step"] for _, found in timed])
    (step, slope), _ = nnls(np.stack([1 / seconds, operations / seconds], axis=1), np.ones(len(timed)))
    evaluation = len(timed) / sum(found["evaluation"] for _, found in timed)
    return Speed(float(step), float(1 / slope) if slope > 0 else cautious.training, evaluation)
