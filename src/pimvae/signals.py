"""What a process does that is told to stop: by SIGTERM, as clusters and Snakemake do, or by SIGINT (Ctrl-C)."""

__all__ = ["SIGNALS", "Stop", "Stopped", "deferred", "raising"]

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """The process was told to stop; ``code`` is its exit code, 128 + the number of the signal.

    No `Exception`, as `KeyboardInterrupt` is none: nothing that handles errors may swallow it.
    """

    def __init__(self, number: int, note: str = "") -> None:
        self.code = 128 + number
        name = "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"
        super().__init__(f"{name}: {note}" if note else name)


@dataclass
class Stop:
    """Whether a signal came: its number, 0 for none; while ``held``, it waits until somebody looks."""

    held: bool = True
    number: int = 0


@contextmanager
def raising() -> Iterator[None]:
    """In the block, SIGTERM raises `Stopped`, so that temporary files are removed on the way out."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    with _handling({signal.SIGTERM: stop}):
        yield


@contextmanager
def deferred(held: bool = True) -> Iterator[Stop]:
    """In the block, the first SIGTERM or SIGINT is only noted: the block looks for it where stopping does no harm.

    A second one stops at once, and so does the first while the `Stop` that is given is not ``held``: there is nothing
    to lose yet, or nothing any more.
    """
    noted = Stop(held)

    def note(number: int, frame: FrameType | None) -> None:
        if noted.number or not noted.held:
            raise Stopped(number)
        noted.number = number

    with _handling(dict.fromkeys(SIGNALS, note)):
        yield noted


@contextmanager
def _handling(handlers: dict[signal.Signals, object]) -> Iterator[None]:
    """Handlers for the length of a block; without effect outside of the main thread, where Python has none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
