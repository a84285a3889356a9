"""The training stage: one cell, all of its seeds and β values as one stack."""

__all__ = ["Replica", "at_share", "build_models", "replicas", "run"]

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from tqdm import tqdm

from pimvae import chain
from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset, load
from pimvae.data.job import check_drawn, checksums, data_file
from pimvae.files import replacing, write_csv
from pimvae.models.vae import MultimodalVAE, build_model, parameter_count
from pimvae.signals import Stop, deferred
from pimvae.training.checkpoint import Checkpoint, check_replaceable, leave_if_told
from pimvae.training.choice import Choice
from pimvae.training.device import Clock, choose_device, machine, set_precision, stack_width
from pimvae.training.divergence import divergence
from pimvae.training.identity import identity_of, saved_width
from pimvae.training.loop import Trainer
from pimvae.training.memory import peak_memory
from pimvae.training.packing import IndexedSplit, PackedSplit, pack
from pimvae.training.start import start_from_data
from pimvae.training.streams import Purpose, derived_seed


@dataclass(frozen=True)
class Replica:
    """One member of a cell's stack."""

    seed: int
    beta: float


def replicas(cell: Cell) -> list[Replica]:
    """The members of the cell's stack in their order: every β of the first seed, then of the second …"""
    return [Replica(seed, beta) for seed in cell.seeds for beta in cell.objective.betas]


def at_share(name: str, share: float) -> str:
    """What a tensor of the weights after a share of the steps is called in ``weights.safetensors``."""
    return name if share == 1 else f"share={share}/{name}"


def build_models(cell: Cell, datasets: dict[int, Dataset]) -> list[MultimodalVAE]:
    """A freshly initialised model per replica; replicas that differ only in β start from the same weights."""
    models = []
    for replica in replicas(cell):
        data = datasets[replica.seed]
        start = derived_seed(replica.seed, Purpose.INITIALISATION)
        models.append(build_model(cell.model, data.train.dims, data.max_dim, data.likelihoods, data.noise_scale, start))
    return models


def run(
    cell: Cell,
    data_dir: Path | str,
    out: Path | str,
    device: str = "auto",
    checkpoint: Path | str | None = None,
    checkpoint_seconds: float = 60.0,
    strict: bool = False,
    notes: Mapping[str, object] | None = None,
    compile: Choice | None = None,
    code: str = "",
) -> None:
    """Train the cell and write ``weights.safetensors``, ``history.csv`` and ``run.json`` into ``out``.

    Args:
        cell: the configuration.
        data_dir: folder with the data files of the cell's seeds.
        out: folder of the run.
        device: ``auto`` (CUDA if there is one), ``cpu`` or ``cuda``.
        checkpoint: file from which a training that was cut off goes on, and to which it is saved; None for none.
        checkpoint_seconds: time between two writes of the checkpoint.
        strict: refuse a checkpoint that is damaged or of another training, instead of starting afresh.
        notes: entries of run.json that change nothing, such as checksums of the rules that the run is judged by.
        compile: whether the step is compiled, no part of the cell as the device is none; None for ``train.compile``.
        code: checksum of the sources: a checkpoint of others is of another training.

    Raises:
        UserError: CUDA or TF32 is absent, data are missing, damaged or of other settings; ``out`` stays as it is.
    """
    clock = Clock()
    chosen = choose_device(device)
    chain.check_free(checkpoint, out)
    check_replaceable(checkpoint)
    set_precision(chosen, cell.train.precision)
    models, data, digests = _inputs(cell, Path(data_dir), chosen)
    clock.start_loop()
    way = _with(cell, compile)
    width = saved_width(checkpoint, len(models), way, digests, chosen, code) or stack_width(way, models, data, chosen)
    identity = identity_of(way, digests, chosen, width, code)
    saved = Checkpoint(checkpoint and Path(checkpoint), identity, checkpoint_seconds, strict)
    with deferred(held=False) as stop:
        trainers, timed = _train_all(way, models, data, chosen, width, saved, stop)
        stop.held = True  # files are written to their end
        finished = [trainer for trainer, _ in trainers]
        about = {"data_sha256": digests, "stack_width": width, "timed_replica_steps": timed, **(notes or {})}
        _write(cell, finished, Path(out), about | _circumstances(cell, finished[0], models[0], clock, chosen))
    for _, place in trainers:
        place.remove()
    if told := divergence(_lost(finished), len(models), cell):
        print(f"pimvae: note: {told}", file=sys.stderr)


def _circumstances(
    cell: Cell, trainer: Trainer, model: MultimodalVAE, clock: Clock, device: torch.device
) -> dict[str, object]:
    """How and where a training ran."""
    about = {"step": trainer.program.form, "precision": cell.train.precision, "times": clock.read(device)}
    return about | machine(device) | {"parameters": parameter_count(model), "peak_memory_mib": peak_memory(device)}


def _lost(trainers: Sequence[Trainer]) -> int:
    """How many replicas diverged."""
    return sum(trainer.diverged(r) for trainer in trainers for r in range(len(trainer.stack)))


def _with(cell: Cell, compile: Choice | None) -> Cell:
    """The cell, its step compiled by this choice instead of its own, if one is made."""
    update = {} if compile is None else {"train": cell.train.model_copy(update={"compile": compile})}
    return cell.model_copy(update=update)


def _inputs(
    cell: Cell, folder: Path, device: torch.device
) -> tuple[list[MultimodalVAE], list[PackedSplit | IndexedSplit], dict[str, str]]:
    """A model and a training split per replica, and the checksums of the data files by seed."""
    check_drawn(cell.data, folder, cell.seeds)
    datasets = {seed: load(data_file(folder, seed)) for seed in cell.seeds}
    packed = {seed: _prepared(data, device) for seed, data in datasets.items()}
    models, members = build_models(cell, datasets), replicas(cell)
    for member, model in zip(members, models, strict=True):
        if isinstance(packed[member.seed], PackedSplit):  # tables of images have no start of their own
            start_from_data(model, packed[member.seed], cell.train.start)
    return models, [packed[member.seed] for member in members], checksums(folder, cell.seeds)


def _prepared(data: Dataset, device: torch.device) -> PackedSplit | IndexedSplit:
    """The training split: packed, unless its samples share rows, of which there would be many copies."""
    if data.train.pairs is None:
        return pack(data.train, data.max_dim)
    return IndexedSplit(data.train, data.max_dim, device)


def _train_all(
    cell: Cell,
    models: Sequence[MultimodalVAE],
    data: Sequence[PackedSplit | IndexedSplit],
    device: torch.device,
    width: int,
    saved: Checkpoint,
    stop: Stop,
) -> tuple[list[tuple[Trainer, Checkpoint]], int]:
    """Train stacks of ``width`` replicas one after the other; returns them, and the steps × replicas that this took."""
    members, trainers, timed = replicas(cell), [], 0
    for start in range(0, len(members), width):
        part = slice(start, start + width)
        seeds, betas = ([getattr(member, name) for member in members[part]] for name in ("seed", "beta"))
        trainer = Trainer(cell, models[part], data[part], seeds, betas, device)
        trainers.append((trainer, saved.part(start) if width < len(members) else saved))
        timed += _train(trainers, cell, stop)
    return trainers, timed


def _train(trainers: Sequence[tuple[Trainer, Checkpoint]], cell: Cell, stop: Stop) -> int:
    """Run the last of the trainers with a progress bar, from its checkpoint if there is one; returns steps × replicas.

    Signals are held from the first step on until the stack is saved or written: before, nothing would be lost.
    """
    trainer, saved = trainers[-1]
    message = saved.resume(trainer)
    if message:
        print(f"pimvae: {message}", file=sys.stderr)

    def progress(step: int) -> None:
        stop.held = True
        bar.update()
        saved.after_step(trainer)
        leave_if_told(stop, trainers)

    with tqdm(total=cell.train.steps, initial=trainer.step, desc=cell.name, unit="step", mininterval=5) as bar:
        first = trainer.step
        trainer.run(progress)
    if stop.held and len(trainer.stack) < len(replicas(cell)):  # others follow, whose first step may be slow
        stop.held = not saved.write(trainer)
        leave_if_told(stop, trainers)
    return (trainer.step - first) * len(trainer.stack)


def _write(cell: Cell, trainers: Sequence[Trainer], out: Path, about: dict[str, object]) -> None:
    """The files of the run in the place of an earlier one's, run.json last: where it stands, the run is whole."""
    chain.clear(out)
    places = [(trainer, r) for trainer in trainers for r in range(len(trainer.stack))]  # in the order of the members
    state = {}
    for share in cell.train.shares:
        parts = [trainer.weights(share) for trainer in trainers]
        state |= {at_share(name, share): torch.cat([part[name].detach().cpu() for part in parts]) for name in parts[0]}
    with replacing(out / "weights.safetensors") as temporary:
        save_file(state, temporary)
    write_csv(out / "history.csv", ["step", "seed", "beta", "term", "value"], _history(replicas(cell), places))
    counts = [_counts(member, *place) for member, place in zip(replicas(cell), places, strict=True)]
    steps = max(trainer.step for trainer in trainers)
    content = {"cell": cell.model_dump(mode="json"), "steps": steps, "entries": trainers[0].optimiser.entries}
    chain.write_record(out, content | {"replicas": counts} | about)


def _history(members: Sequence[Replica], places: Sequence[tuple[Trainer, int]]) -> list[tuple[object, ...]]:
    """Rows of history.csv, by step, term and replica."""
    rows = [
        (step, order, number, (member.seed, member.beta, term, float(values[r])))
        for number, (member, (trainer, r)) in enumerate(zip(members, places, strict=True))
        for step, terms in trainer.history.rows
        for order, (term, values) in enumerate(terms.items())
    ]
    return [(step, *rest) for step, _, _, rest in sorted(rows, key=lambda row: row[:3])]


def _counts(member: Replica, trainer: Trainer, r: int) -> dict[str, object]:
    """What happened to one replica in training."""
    return {
        "seed": member.seed,
        "beta": member.beta,
        "clipped_entries": int(trainer.optimiser.clipped[r]),
        "nonfinite_entries": int(trainer.optimiser.nonfinite[r]),
        "diverged": trainer.diverged(r),
        "stopped_after_step": trainer.stopped.get(r),
    }
