"""Commands without the wait for their libraries: each runs in a fork of a process that has imported them.

Importing torch and pandas takes longer than many commands of the workflow. ``python -m pimvae.warm SOCKET RESULTS``
imports them and this package once (so that all commands of a workflow run the code that was there when it began) and
listens; it ends with its standard input, hence with whoever started it. A command whose
environment names the socket (``PIMVAE_WARM``) hands itself over, `hand_over`: to a process with its arguments, folder,
environment and open files, to which it passes its signals on and whose exit code is its own. Linux only; anywhere else,
and where nobody listens, a command runs by itself.

What memory such a process needs is not seen by those who watch the command: of one whose errors go to
RESULTS/logs/JOB.log there is a line in RESULTS/benchmarks/memory.csv.
"""

__all__ = ["MEMORY", "VARIABLE", "hand_over", "serve"]

import csv
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any

VARIABLE = "PIMVAE_WARM"
MEMORY = "memory.csv"  # columns: job, max_rss in MiB
THREADS = "OMP_NUM_THREADS"  # libraries read it when they are imported
LIBRARIES = ("torch", "pandas", "safetensors.torch", "matplotlib.pyplot", "sklearn.linear_model")
OURS = ("training.job", "evaluation.job", "evaluation.images", "results.provenance", "report.job")  # slow, too
PASSED_ON = (signal.SIGTERM, signal.SIGINT)


def hand_over(arguments: list[str]) -> int | None:
    """The exit code of a command that another process ran; None if this one has to run it."""
    place = os.environ.get(VARIABLE)
    if not place or os.environ.get(THREADS) != "1" or sys.platform != "linux":
        return None
    umask = os.umask(0o077)
    os.umask(umask)
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ), "umask": umask}
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(place)
            socket.send_fds(connection, [b"\0"], [0, 1, 2])
            connection.sendall(json.dumps(request).encode() + b"\n")
        except OSError:  # nobody is there, or a standard file is closed
            return None
        for number in PASSED_ON:
            signal.signal(number, lambda number, frame: connection.send(bytes([number])))
        answer = connection.recv(1)
    if not answer:
        print("pimvae: error: the process that ran this command is gone", file=sys.stderr)
    return answer[0] if answer else 1


def serve(place: Path, results: Path) -> None:
    """Import the libraries, then run commands until the standard input ends; their processes are then stopped."""
    results = results.absolute()
    for name in (*LIBRARIES, *(f"pimvae.{name}" for name in OURS)):
        with suppress(ImportError):
            import_module(name)
    running: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listener, DefaultSelector() as selector:
        try:
            os.close(os.pidfd_open(os.getpid()))  # kernels before 5.3, and some containers, have none
            listener.bind(str(place))
        except (OSError, AttributeError) as error:
            print(f"pimvae: every job imports its libraries itself: {place}: {error}", file=sys.stderr)
            return
        listener.listen(64)
        selector.register(listener, EVENT_READ, lambda: _start(listener, selector, running, results))
        selector.register(0, EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd != 0:
                    key.data()
                elif not os.read(0, 1):
                    _stop(place, running)
                    return


def _stop(place: Path, running: dict[int, socket.socket]) -> None:
    """End the processes that run, and leave nothing behind."""
    for child in running:
        os.kill(child, signal.SIGTERM)
    with suppress(OSError):
        place.unlink()
        place.parent.rmdir()  # where it was made for the socket


def _start(
    listener: socket.socket, selector: DefaultSelector, running: dict[int, socket.socket], results: Path
) -> None:
    """One command: its process, and what is done when its sender or the process itself has something to tell."""
    asked, _ = listener.accept()
    with asked.makefile("rb") as lines:
        _, files, _, _ = socket.recv_fds(asked, 1, 3)
        content = lines.readline()
    whole = content.endswith(b"\n")  # else the sender was killed meanwhile
    log = Path(os.readlink(f"/proc/self/fd/{files[-1]}")) if whole else Path()
    child = os.fork() if whole else None
    if child == 0:
        _become(json.loads(content), files)
    for file in files:
        os.close(file)
    if child is None:
        return
    end = os.pidfd_open(child)
    running[child] = asked

    def pass_on() -> None:
        if child not in running:  # it ended at the same moment
            return
        numbers = b""
        with suppress(OSError):
            numbers = asked.recv(16)
        if not numbers:  # the sender was killed
            selector.unregister(asked)
        for number in numbers or (signal.SIGTERM,):
            os.kill(child, number)

    def finish() -> None:
        selector.unregister(end)
        os.close(end)
        with suppress(KeyError):
            selector.unregister(running.pop(child))
        _, status, usage = os.wait4(child, 0)
        code = os.waitstatus_to_exitcode(status)
        _note(results, log, usage.ru_maxrss / 2**10)
        with asked, suppress(OSError):
            asked.send(bytes([code if code >= 0 else 128 - code]))

    selector.register(asked, EVENT_READ, pass_on)
    selector.register(end, EVENT_READ, finish)


def _note(results: Path, log: Path, memory: float) -> None:
    """What a job with a log of the run needed, MiB."""
    if log.is_relative_to(results / "logs"):
        path = results / "benchmarks" / MEMORY
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            if not file.tell():
                rows.writerow(["job", "max_rss"])
            rows.writerow([log.relative_to(results / "logs").with_suffix("").as_posix(), round(memory, 1)])


def _become(request: dict[str, Any], files: list[int]) -> None:
    """Make this fork the process of a command; ends it."""
    code: Any = 1
    try:
        for target, file in enumerate(files):
            os.dup2(file, target)
        # Of the socket and of other senders nothing is kept: they would wait for this process, were the server gone.
        os.closerange(3, 1 + max(map(int, os.listdir("/proc/self/fd"))))
        sys.stdin, sys.stdout, sys.stderr = (open(file, mode) for file, mode in enumerate("rww"))  # noqa: SIM115
        os.umask(request["umask"])
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        run: Callable[[list[str]], int] = import_module("pimvae.cli").main
        code = run(request["arguments"])
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
