"""Checkpoints: where a training that was cut off goes on, written from time to time and when a signal asks for it."""

__all__ = ["Checkpoint", "Resumable", "check_place", "identity_of", "leave_if_told", "saved_width"]

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from pimvae import chain
from pimvae.config.schema import Cell
from pimvae.errors import UserError
from pimvae.files import remove_leftovers
from pimvae.signals import Stop, Stopped
from pimvae.training import snapshot
from pimvae.training.device import decisive


@runtime_checkable
class Resumable(Protocol):
    """What can be cut off between two steps."""

    @property
    def where(self) -> str:
        """How far it has come, in words: ``step 12``."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that decides how it goes on, as tensors and as facts of JSON."""

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take the state that another one of the same kind told; it is freshly made."""


def identity_of(cell: Cell, digests: dict[str, str], device: torch.device, width: int, code: str) -> str:
    """Configuration, checksums of the data, device, replicas in a stack, and the checksum of the sources, as text."""
    settings = cell.model_dump(mode="json", exclude={"evaluation"})
    return json.dumps([settings, digests, decisive(device), width, code], sort_keys=True)


def saved_width(
    path: Path | str | None, replicas: int, cell: Cell, digests: dict[str, str], device: torch.device, code: str
) -> int | None:
    """The width of the stacks that a checkpoint of this very training is of: other memory may be free by now."""
    # One file, or the first of several stacks, see `Checkpoint.part`.
    for file, part, widths in ((path, "", [replicas]), (f"{path}.0", " 0", range(replicas - 1, 0, -1))):
        found = snapshot.identity_of(Path(file)) if path is not None else ""
        for width in widths if found else ():
            if found == identity_of(cell, digests, device, width, code) + part:
                return width
    return None


def check_place(path: Path | str | None, folder: Path | str) -> None:
    """Refuse a checkpoint in the place of something else, before anything is trained.

    In the place of a file of the run in ``folder`` it would replace that, and be removed when the training is done; a
    sound file of another kind would be lost.

    Raises:
        UserError: then.
    """
    if path is None:
        return
    path = Path(path)
    if path.resolve().parent == Path(folder).resolve() and any(path.match(pattern) for pattern in chain.STALE):
        raise UserError(f"the checkpoint {path} has the name of a file of the run: name another file")
    if path.exists() and snapshot.foreign(path):
        raise UserError(f"{path} is no checkpoint and would be lost: name another file")


@dataclass
class Checkpoint:
    """The checkpoint of one training, written from time to time.

    Args:
        path: the file; None for none.
        identity: see `pimvae.training.snapshot.write`.
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

    def part(self, name: object) -> "Checkpoint":
        """That of one part of the training, in a file of its own."""
        path = None if self.path is None else Path(f"{self.path}.{name}")
        return replace(self, path=path, identity=f"{self.identity} {name}")

    def resume(self, subject: Resumable) -> str | None:
        """Continue from the file if there is one; returns what to tell the user.

        ``subject`` is freshly made, and left as it was if the file cannot be used.

        Raises:
            UserError: with ``strict``, if the file is cut off, altered, or of another training.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            subject.restore(*snapshot.read(self.path, self.identity))
        except UserError as error:
            if self.strict:
                raise
            return f"{error}; training starts afresh"
        return f"going on from {self.path} after {subject.where}"

    def after_step(self, subject: Resumable) -> None:
        if self.path is not None and time.monotonic() - self._written >= self.seconds:
            self.write(subject)

    def write(self, subject: Resumable) -> bool:
        """Write now; returns whether there is a checkpoint of this step.

        A full disk does not end the training: the first time it is told, and the last checkpoint stays.
        """
        if self.path is None:
            return False
        try:
            snapshot.write(self.path, *subject.state(), self.identity)
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


def leave_if_told(stop: Stop, subjects: Sequence[tuple[Resumable, Checkpoint]]) -> None:
    """Between two steps of the last of ``subjects``: if a signal came, save everything and leave.

    Raises:
        Stopped: then.
    """
    if not stop.number:
        return
    kept = [saved.write(subject) for subject, saved in subjects]
    note = "the same command goes on from there" if all(kept) else "without a checkpoint of this step"
    raise Stopped(stop.number, f"after {subjects[-1][0].where}, {note}")
