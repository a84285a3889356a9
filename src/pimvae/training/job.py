"""The training stage: one cell, all of its seeds and β values as one stack."""

__all__ = ["run"]

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from pimvae import chain
from pimvae.config.schema import Cell, Replica
from pimvae.data.dataset import Dataset, load
from pimvae.data.job import check_drawn, checksums, data_file
from pimvae.errors import UserError
from pimvae.models.vae import MultimodalVAE, parameter_count
from pimvae.signals import Stop, deferred
from pimvae.training.checkpoint import Checkpoint, check_place, identity_of, leave_if_told, saved_width
from pimvae.training.choice import Choice
from pimvae.training.device import Clock, choose_device, machine, peak_memory, set_precision, stack_width
from pimvae.training.divergence import divergence
from pimvae.training.loop import Trainer
from pimvae.training.members import at_share, build_models
from pimvae.training.packing import IndexedSplit, PackedSplit, pack
from pimvae.training.side_by_side import can_fork, side_by_side
from pimvae.training.start import start_from_data


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
    processes: int = 1,
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
        processes: that train a part of the replicas each, side by side; they hand over by the checkpoint.

    Raises:
        UserError: what was asked for is absent, data are missing, damaged or of other settings; ``out`` stays as it is.
    """
    clock, chosen = Clock(), choose_device(device)
    check_place(checkpoint, out)
    _prepare(cell, chosen, processes, checkpoint)
    models, data, digests = _inputs(cell, Path(data_dir), chosen)
    clock.start_loop()
    way = _with(cell, compile)
    width = saved_width(checkpoint, len(models), way, digests, chosen, code) or min(
        stack_width(way, models, data, chosen), -(-len(models) // processes)
    )
    identity = identity_of(way, digests, chosen, width, code)
    saved = Checkpoint(checkpoint and Path(checkpoint), identity, checkpoint_seconds, strict)
    with deferred(held=False) as stop:
        trainers, taken = _train_all(way, models, data, chosen, width, saved, stop, processes)
        stop.held = True  # files are written to their end
        about = {"data_sha256": digests, "stack_width": width, **taken, **(notes or {})}
        about |= _circumstances(cell, trainers[0][0], models[0], clock, chosen)
        _write(cell, [trainer for trainer, _ in trainers], Path(out), about)
    _end(cell, trainers)


def _prepare(cell: Cell, device: torch.device, processes: int, checkpoint: Path | str | None) -> None:
    """Set the precision, and refuse several processes where they cannot be; each has one thread, for its own core."""
    set_precision(device, cell.train.precision)
    if processes == 1:
        return
    if device.type != "cpu":
        raise UserError("several processes are for trainings on a CPU")
    if checkpoint is None or not can_fork():
        raise UserError("several processes need a checkpoint, by which they hand over, and a system that can fork")
    torch.set_num_threads(1)


def _circumstances(
    cell: Cell, trainer: Trainer, model: MultimodalVAE, clock: Clock, device: torch.device
) -> dict[str, object]:
    about = {"step": trainer.program.form, "precision": cell.train.precision, "times": clock.read(device)}
    return about | machine(device) | {"parameters": parameter_count(model), "peak_memory_mib": peak_memory(device)}


def _end(cell: Cell, trainers: Sequence[tuple[Trainer, Checkpoint]]) -> None:
    """Leave no checkpoints, and tell of replicas that diverged."""
    for _, place in trainers:
        place.remove()
    lost = [trainer.diverged(r) for trainer, _ in trainers for r in range(len(trainer.stack))]
    if told := divergence(sum(lost), len(lost), cell):
        print(f"pimvae: note: {told}", file=sys.stderr)


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
    models, members = build_models(cell, datasets), cell.members
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
    processes: int,
) -> tuple[list[tuple[Trainer, Checkpoint]], dict[str, int]]:
    """Train stacks of ``width`` replicas; returns them, and for the record how many steps × replicas this took.

    One after the other, or first of all each to its last checkpoint, so many ``processes`` at a time.
    """
    members, trainers, timed = cell.members, [], 0

    def stack(start: int) -> tuple[Trainer, Checkpoint]:
        part = slice(start, start + width)
        seeds, betas = ([getattr(member, name) for member in members[part]] for name in ("seed", "beta"))
        trainer = Trainer(cell, models[part], data[part], seeds, betas, device)
        return trainer, saved.part(start) if width < len(members) else saved

    starts = range(0, len(members), width)
    apart = min(processes, len(starts)) > 1
    if apart:
        timed += sum(side_by_side(lambda start: _train_apart(stack(start), cell, stop), starts, processes))
    for start in starts:
        trainers.append(stack(start))
        timed += _train(trainers, cell, stop, quiet=apart)
    return trainers, {"timed_replica_steps": timed} | ({"processes": processes} if apart else {})


def _train_apart(place: tuple[Trainer, Checkpoint], cell: Cell, stop: Stop) -> int:
    """Train one stack to the checkpoint after its last step; returns steps × replicas."""
    trainer, saved = place
    timed = _train([place], cell, stop)
    if not saved.write(trainer):
        raise UserError(f"{saved.path} cannot be written, by which a process hands over what it trained")
    return timed


def _train(trainers: Sequence[tuple[Trainer, Checkpoint]], cell: Cell, stop: Stop, quiet: bool = False) -> int:
    """Run the last of the trainers with a progress bar, from its checkpoint if there is one; returns steps × replicas.

    Signals are held from the first step on until the stack is saved or written: before, nothing would be lost.
    ``quiet``: it only takes over what was trained.
    """
    trainer, saved = trainers[-1]
    message = saved.resume(trainer)
    if message and not (quiet and trainer.step):  # what was handed over and cannot be read is told
        print(f"pimvae: {message}", file=sys.stderr)

    def progress(step: int) -> None:
        stop.held = True
        bar.update()
        saved.after_step(trainer)
        leave_if_told(stop, trainers)

    with tqdm(total=cell.train.steps, initial=trainer.step, desc=cell.name, unit="step", mininterval=5,
              disable=quiet) as bar:  # fmt: skip
        first = trainer.step
        trainer.run(progress)
    if stop.held and len(trainer.stack) < len(cell.members):  # others follow, whose first step may be slow
        stop.held = not saved.write(trainer)
        leave_if_told(stop, trainers)
    return (trainer.step - first) * len(trainer.stack)


def _write(cell: Cell, trainers: Sequence[Trainer], out: Path, about: dict[str, object]) -> None:
    """The files of the run."""
    places = [(trainer, r) for trainer in trainers for r in range(len(trainer.stack))]  # in the order of the members
    state = {}
    for share in cell.train.shares:
        parts = [trainer.weights(share) for trainer in trainers]
        state |= {at_share(name, share): torch.cat([part[name].detach().cpu() for part in parts]) for name in parts[0]}
    counts = [_counts(member, *place) for member, place in zip(cell.members, places, strict=True)]
    steps = max(trainer.step for trainer in trainers)
    content = {"cell": cell.model_dump(mode="json"), "steps": steps, "entries": trainers[0].optimiser.entries}
    chain.write_run(out, state, _history(cell.members, places), content | {"replicas": counts} | about)


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
    return {
        "seed": member.seed,
        "beta": member.beta,
        "clipped_entries": int(trainer.optimiser.clipped[r]),
        "nonfinite_entries": int(trainer.optimiser.nonfinite[r]),
        "diverged": trainer.diverged(r),
        "stopped_after_step": trainer.stopped.get(r),
    }
