"""Forks that train parts of one cell: their results, and what becomes of all when one ends or a signal comes."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pimvae.errors import UserError
from pimvae.signals import Stopped, deferred
from pimvae.training.side_by_side import side_by_side

LONG = 60.0  # seconds, of what is told to stop before


def until(condition) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_every_part_has_a_process_and_its_result_a_place():
    found = side_by_side(lambda part: (part, os.getpid(), "x" * part), [3, 1, 200_000], 2)
    assert [(part, len(text)) for part, _, text in found] == [(3, 3), (1, 1), (200_000, 200_000)]
    assert len({process for _, process, _ in found} | {os.getpid()}) == 4


def test_so_many_run_at_once(tmp_path: Path):
    """Two wait for each other; the third starts when one of them has ended."""

    def work(part: int) -> list[str]:
        (tmp_path / f"{part}").touch()
        until((tmp_path / f"{1 - part}").exists if part < 2 else lambda: True)
        return sorted(path.name for path in tmp_path.iterdir())

    assert side_by_side(work, [0, 1, 2], 2)[2] == ["0", "1", "2"]


def waiting(tmp_path: Path):
    """Something that is cut off between two steps, and then says that it has saved what it had."""

    def work(stop) -> None:
        stop.held = True
        (tmp_path / "started").touch()
        until(lambda: stop.number)
        os.kill(os.getpid(), signal.SIGTERM)  # as of a scheduler that signals all processes of a job: changes nothing
        (tmp_path / "saved").touch()
        raise Stopped(stop.number, "saved")

    return work


def two(tmp_path: Path, stop, end: Callable[[], object]) -> Callable[[int], None]:
    """Work of two parts: one is cut off between two steps, the other comes to this end when the first has begun."""
    saves = waiting(tmp_path)

    def work(part: int) -> None:
        if part:
            saves(stop)
        until((tmp_path / "started").exists)
        end()
        saves(stop)

    return work


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed: is there memory enough"),
        (lambda: os.kill(os.getpid(), signal.SIGUSR1), "was ended by SIGUSR1"),
        (lambda: os._exit(7), "failed with exit code 7"),
    ],
)
def test_when_one_ends_the_others_save_and_leave(tmp_path: Path, end, message):
    with deferred(held=False) as stop, pytest.raises(UserError, match=message):
        side_by_side(two(tmp_path, stop, end), [0, 1], 2)
    assert (tmp_path / "saved").exists()


def test_an_error_of_the_user_is_told_where_it_happens(capfd):
    def work(part: int) -> None:
        raise UserError("no data there")

    with pytest.raises(UserError, match="failed with exit code 1"):
        side_by_side(work, [0], 2)
    assert capfd.readouterr().err == "pimvae: error: no data there\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_once(tmp_path: Path, capfd, number):
    with deferred(held=False) as stop, pytest.raises(Stopped) as stopped:

        def end() -> None:
            stop.held = True  # there is something to lose from here on
            os.kill(os.getppid(), number)

        side_by_side(two(tmp_path, stop, end), [0, 1], 2)
    assert stopped.value.code == 128 + number
    assert capfd.readouterr().err.count("stopped by SIGTERM: saved") == 2
