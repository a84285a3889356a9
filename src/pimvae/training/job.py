"""The training stage: one cell, all of its seeds and β values as one stack."""

__all__ = ["Replica", "build_models", "replicas", "run"]

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from tqdm import tqdm

from pimvae import __version__
from pimvae.config.schema import Cell
from pimvae.data._dataset import Dataset, load, sha256
from pimvae.data.job import data_file
from pimvae.errors import UserError
from pimvae.files import replacing, write_csv, write_json
from pimvae.models.vae import MultimodalVAE, build_model, parameter_count
from pimvae.training.loop import Trainer
from pimvae.training.packing import pack
from pimvae.training.streams import derived_seed


@dataclass(frozen=True)
class Replica:
    """One member of a cell's stack."""

    seed: int
    beta: float


def replicas(cell: Cell) -> list[Replica]:
    """The members of the cell's stack in their order: every β of the first seed, then of the second …"""
    return [Replica(seed, beta) for seed in cell.seeds for beta in cell.objective.betas]


def build_models(cell: Cell, datasets: dict[int, Dataset]) -> list[MultimodalVAE]:
    """A freshly initialised model per replica; replicas that differ only in β start from the same weights."""
    models = []
    for replica in replicas(cell):
        data = datasets[replica.seed]
        start = derived_seed(replica.seed, 0)
        models.append(
            build_model(cell.model, data.train.dims, data.max_dim, data.likelihoods, data.noise_scale, start)
        )
    return models


def run(cell: Cell, data_dir: Path | str, out: Path | str, device: str = "auto") -> None:
    """Train the cell and write ``weights.safetensors``, ``history.csv`` and ``run.json`` into ``out``.

    Args:
        cell: the configuration.
        data_dir: folder with the data files of the cell's seeds.
        out: folder of the run.
        device: ``auto`` (CUDA if there is one), ``cpu`` or ``cuda``.

    Raises:
        UserError: CUDA asked for but absent, missing or damaged data, a name that does not exist.
    """
    (Path(out) / "run.json").unlink(missing_ok=True)  # until the new run is whole, there is none
    started, cpu_started = time.perf_counter(), time.process_time()
    chosen = _device(device)
    datasets = {seed: load(data_file(data_dir, seed)) for seed in cell.seeds}
    models = build_models(cell, datasets)
    packed = {seed: pack(data.train, data.max_dim) for seed, data in datasets.items()}
    members = replicas(cell)
    trainer = Trainer(
        cell,
        models,
        [packed[member.seed] for member in members],
        [member.seed for member in members],
        [member.beta for member in members],
        chosen,
    )
    loop_started, loop_cpu = time.perf_counter(), time.process_time()
    with tqdm(total=cell.train.steps, desc=cell.name, unit="step", mininterval=5) as bar:
        trainer.run(lambda step: bar.update())
    if chosen.type == "cuda":
        torch.cuda.synchronize()
    times = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
        "loop_seconds": time.perf_counter() - loop_started,
        "loop_cpu_seconds": time.process_time() - loop_cpu,
    }
    _write(cell, trainer, Path(out), {"times": times, "parameters": parameter_count(models[0]), **_about(chosen)} | {
        "data_sha256": {str(seed): sha256(data_file(data_dir, seed)) for seed in cell.seeds}
    })  # fmt: skip


def _device(name: str) -> torch.device:
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"unknown device '{name}' (known: auto, cpu, cuda)")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device 'cuda' was asked for, but torch finds no CUDA device; use --device cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def _about(device: torch.device) -> dict[str, object]:
    """Device, threads and versions of this process."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    return {
        "device": device.type,
        "device_name": name,
        "threads": torch.get_num_threads(),
        "cpu_count": os.cpu_count(),
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "versions": {"pimvae": __version__, "python": platform.python_version(), "torch": torch.__version__},
    }


def _write(cell: Cell, trainer: Trainer, out: Path, about: dict[str, object]) -> None:
    """The files of the run, run.json last: where it stands, the run is whole."""
    members = replicas(cell)
    state = {name: value.detach().cpu().contiguous() for name, value in trainer.stack.parameters().items()}
    with replacing(out / "weights.safetensors") as temporary:
        save_file(state, temporary)
    rows = [
        (step, member.seed, member.beta, term, float(values[r]))
        for step, terms in trainer.history.rows
        for term, values in terms.items()
        for r, member in enumerate(members)
    ]
    write_csv(out / "history.csv", ["step", "seed", "beta", "term", "value"], rows)
    optimiser = trainer.optimiser
    counts = [
        {
            "seed": member.seed,
            "beta": member.beta,
            "clipped_entries": int(optimiser.clipped[r]),
            "nonfinite_entries": int(optimiser.nonfinite[r]),
            "diverged": trainer.diverged(r),
        }
        for r, member in enumerate(members)
    ]
    content = {"cell": cell.model_dump(mode="json"), "steps": trainer.step, "entries": optimiser.entries}
    write_json(out / "run.json", content | {"replicas": counts} | about)
