"""Checkpoints: where a training that was cut off goes on, written from time to time and when a signal asks for it."""

__all__ = ["Checkpoint", "Resumable", "check_replaceable", "leave_if_told", "load", "save"]

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from pimvae.errors import UserError
from pimvae.files import remove_leftovers
from pimvae.signals import Stop, Stopped
from pimvae.training import snapshot


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


def save(path: Path | str, subject: Resumable, identity: str) -> None:
    """Write the state of ``subject``; ``identity``: see `pimvae.training.snapshot.write`."""
    tensors, facts = subject.state()
    snapshot.write(Path(path), tensors, facts, identity)


def load(path: Path | str, subject: Resumable, identity: str) -> None:
    """Put ``subject``, freshly made, into the state that `save` wrote.

    Raises:
        UserError: if the file is cut off, altered, or of another training; ``subject`` is then left as it was.
    """
    subject.restore(*snapshot.read(Path(path), identity))


def check_replaceable(path: Path | str | None) -> None:
    """Refuse a checkpoint in the place of a sound file of something else, before anything is trained.

    Raises:
        UserError: then.
    """
    if path is not None and Path(path).exists() and snapshot.foreign(Path(path)):
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

        Raises:
            UserError: with ``strict``, if the file cannot be used.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            load(self.path, subject, self.identity)
        except UserError as error:
            if self.strict:
                raise
            return f"{error}; training starts afresh"
        return f"going on from {self.path} after {subject.where}"

    def after_step(self, subject: Resumable) -> None:
        """Write if it is time."""
        if self.path is not None and time.monotonic() - self._written >= self.seconds:
            self.write(subject)

    def write(self, subject: Resumable) -> bool:
        """Write now; returns whether there is a checkpoint of this step.

        A full disk does not end the training: the first time it is told, and the last checkpoint stays.
        """
        if self.path is None:
            return False
        try:
            save(self.path, subject, self.identity)
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
