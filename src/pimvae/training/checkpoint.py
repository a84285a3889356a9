"""Checkpoints: everything that decides how a training goes on, in one file that is whole or not there."""

__all__ = ["Checkpoint", "load", "save"]

import hashlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pimvae.errors import UserError
from pimvae.files import remove_leftovers, replacing
from pimvae.training.loop import Trainer

FORMAT = "pimvae-checkpoint-3"
CHANGING = ("flat", "mean", "square", "alive", "nonfinite", "clipped", "failures", "average")  # in place


def save(path: Path | str, trainer: Trainer, identity: str) -> None:
    """Write the state of ``trainer`` between two steps, under a temporary name that is then replaced.

    Args:
        path: the file.
        trainer: parameters, moments of Adam, counts, states of all generators, order of the epoch and history.
        identity: what else decides the result (configuration, checksums of data, versions), as text.
    """
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in _state(trainer).items()}
    facts = {
        "step": trainer.step,
        "entries": trainer.optimiser.entries,
        "averaged": trainer.average.updated,
        "stopped": [[replica, step] for replica, step in trainer.stopped.items()],
        "steps_of_history": [step for step, _ in trainer.history.rows],
        "terms": list(trainer.history.rows[0][1] if trainer.history.rows else trainer.history.sums),  # their order
        "identity": identity,
        "format": FORMAT,
    }
    header = json.dumps(facts | {"content": _digest(tensors, facts)}, sort_keys=True)
    with replacing(Path(path)) as temporary:
        save_file(tensors, temporary, {"pimvae": header})


def load(path: Path | str, trainer: Trainer, identity: str) -> None:
    """Put ``trainer``, freshly made, into the state that `save` wrote.

    Raises:
        UserError: if the file is cut off, altered, or of another training; the trainer is then left as it was.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["pimvae"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        content = facts.pop("content")
    except (SafetensorError, OSError, KeyError, ValueError, AttributeError) as error:
        raise UserError(f"checkpoint {path} is damaged: {error}") from None
    if content != _digest(tensors, facts) or facts["format"] != FORMAT:
        raise UserError(f"checkpoint {path} is damaged: its content does not match its checksum")
    if facts["identity"] != identity:
        raise UserError(f"checkpoint {path} is of another training (configuration, data or versions differ)")
    _restore(trainer, tensors, facts)


@dataclass
class Checkpoint:
    """The checkpoint of one training, written from time to time.

    Args:
        path: the file; None for none.
        identity: see `save`.
        seconds: time between two writes; 0 writes after every step.
        strict: whether a checkpoint that cannot be used is an error; otherwise training starts afresh, and says so.
    """

    path: Path | None
    identity: str
    seconds: float = 60.0
    strict: bool = False

    def __post_init__(self) -> None:
        self._written = time.monotonic()
        self._told = False

    def resume(self, trainer: Trainer) -> str | None:
        """Continue from the file if there is one; returns what to tell the user.

        Raises:
            UserError: with ``strict``, if the file cannot be used.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            load(self.path, trainer, self.identity)
        except UserError as error:
            if self.strict:
                raise
            return f"{error}; training starts afresh"
        return f"going on from {self.path} after step {trainer.step}"

    def after_step(self, trainer: Trainer) -> None:
        """Write if it is time."""
        if self.path is not None and time.monotonic() - self._written >= self.seconds:
            self.write(trainer)

    def write(self, trainer: Trainer) -> bool:
        """Write now; returns whether there is a checkpoint of this step.

        A full disk does not end the training: the first time it is told, and the last checkpoint stays.
        """
        if self.path is None:
            return False
        try:
            save(self.path, trainer, self.identity)
        except OSError as error:
            if not self._told:
                print(f"pimvae: note: no checkpoint, the training goes on: {error.strerror}: {self.path}",
                      file=sys.stderr)  # fmt: skip
            self._told = True
            return False
        finally:
            self._written = time.monotonic()
        return True

    def remove(self) -> None:
        """Delete the file: the training is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            remove_leftovers(self.path)


def _state(trainer: Trainer) -> dict[str, Tensor]:
    """Every tensor that changes in training."""
    optimiser, history = trainer.optimiser, trainer.history
    state = {
        "flat": trainer.stack.flat,
        "mean": optimiser.mean,
        "square": optimiser.square,
        "alive": optimiser.alive,
        "nonfinite": optimiser.nonfinite,
        "clipped": optimiser.clipped,
        "failures": trainer.failures,
        "generators": trainer.streams.state(),
    }
    optional = {name: getattr(trainer, name) for name in ("order", "epoch_noise", "epoch_uniforms")}
    optional["average"] = trainer.average.mean
    state |= {name: tensor for name, tensor in optional.items() if tensor is not None}
    state |= {f"kept/{share}": weights for share, weights in trainer.kept.items()}
    state |= {f"sum/{name}": total for name, total in history.sums.items()}
    names = history.rows[0][1] if history.rows else {}  # one tensor [rows, R] per term
    return state | {f"history/{name}": torch.stack([terms[name] for _, terms in history.rows]) for name in names}


def _restore(trainer: Trainer, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
    optimiser, history, device = trainer.optimiser, trainer.history, trainer.stack.flat.device
    if "order" in tensors:
        trainer.start_epoch(tensors["order"].to(device))
    for name in ("epoch_noise", "epoch_uniforms"):
        if name in tensors:
            setattr(trainer, name, tensors[name].to(device))
    with torch.no_grad():
        for name, place in _state(trainer).items():
            if name in CHANGING:
                place.copy_(tensors[name])
    optimiser.stop(~optimiser.alive)
    trainer.streams.restore(tensors["generators"])
    trainer.step, optimiser.entries = facts["step"], facts["entries"]
    trainer.average.updated = facts["averaged"]
    kept = {name.removeprefix("kept/"): tensor for name, tensor in tensors.items() if name.startswith("kept/")}
    trainer.kept = {float(share): tensor.to(device) for share, tensor in kept.items()}
    trainer.stopped = dict(facts["stopped"])
    names, steps = facts["terms"], facts["steps_of_history"]
    history.sums = {name: tensors[f"sum/{name}"].to(device) for name in names if f"sum/{name}" in tensors}
    rows = {name: tensors[f"history/{name}"] for name in names if steps}
    history.rows = [(step, {name: values[i] for name, values in rows.items()}) for i, step in enumerate(steps)]


def _digest(tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> str:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
