"""Parts of one training side by side, each in a process of its own."""

__all__ = ["can_fork", "side_by_side"]

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, TypeVar

from pimvae.errors import UserError
from pimvae.signals import SIGNALS, Stopped

Result = TypeVar("Result")
PARENT_DEATH_SIGNAL = 1  # of Linux's prctl


def can_fork() -> bool:
    """Whether this system has forks, which share what their parent has in memory."""
    return "fork" in multiprocessing.get_all_start_methods()


def side_by_side(work: Callable[[int], Result], parts: Sequence[int], processes: int) -> list[Result]:
    """``work(part)`` of every part, each in a fork of this process, ``processes`` of them at a time.

    When this process is told to stop, or one of the forks fails, all others are told to stop, and waited for; they are
    told once, whatever else sends them signals, so that what they save is whole. They end with this process.

    Raises:
        UserError: if a fork failed; what it says itself comes first.
        Stopped: if a signal came.
    """
    context, waiting, running, found = multiprocessing.get_context("fork"), list(parts), {}, {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_become, args=(work, waiting[0], sender))
                process.start()
                sender.close()
                running[receiver] = process, waiting.pop(0)
            for receiver in wait(list(running)):
                process, part = running[receiver]
                with receiver, suppress(EOFError):  # it ended without a result
                    found[part] = receiver.recv()
                process.join()
                del running[receiver]
                if part not in found:
                    raise UserError(f"a process of this training {_end(process.exitcode)}")
    except BaseException:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.join()
        raise
    return [found[part] for part in parts]


def _become(work: Callable[[int], Any], part: int, sender: Connection) -> None:
    """The fork: out of reach of the terminal's Ctrl-C, which its parent passes on."""
    os.setpgid(0, 0)
    with suppress(AttributeError):  # not on macOS
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
    usual = signal.getsignal(signal.SIGTERM)

    def once(number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        if callable(usual):
            usual(number, frame)
        else:
            raise Stopped(number)

    for each in SIGNALS:
        signal.signal(each, once)
    try:
        sender.send(work(part))
    except Stopped as stopped:
        print(f"pimvae: {stopped}", file=sys.stderr)
        sys.exit(stopped.code)
    except UserError as error:
        print(f"pimvae: error: {error}", file=sys.stderr)
        sys.exit(1)


def _end(code: int) -> str:
    if code == -signal.SIGKILL:
        return "was killed: is there memory enough for so many?"
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
