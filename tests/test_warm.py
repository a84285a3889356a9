"""Commands that a process with all libraries runs: the same output, exit codes and signals as by themselves."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pimvae.warm import VARIABLE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks of a process with libraries, on Linux only")
COMMAND = [sys.executable, "-m", "pimvae.cli"]
LONG = """linear:
  seeds: 1
  data: {samples: 64}
  train: {steps: 1000000, batch_size: 8}
"""


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def environment(place: Path) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", VARIABLE: str(place)}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """The socket; the process that listens notes its number beside it."""
    folder = tmp_path_factory.mktemp("warm")
    command = [sys.executable, "-m", "pimvae.warm", str(folder / "socket"), str(folder / "results")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment(folder / "none"))
    until((folder / "socket").exists)
    (folder / "server").write_text(str(process.pid))
    yield folder / "socket"
    process.stdin.close()
    assert process.wait(60) == 0 and not (folder / "socket").exists()


def children(place: Path) -> list[str]:
    server = (place.parent / "server").read_text()
    return Path(f"/proc/{server}/task/{server}/children").read_text().split()


def both(place: Path, *arguments: str, **options) -> list[tuple[int, str, str]]:
    found = []
    for where in (place, place.with_name("nobody")):
        done = subprocess.run([*COMMAND, *arguments], env=environment(where), capture_output=True, text=True, **options)
        found.append((done.returncode, done.stdout, done.stderr))
    return found


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["cells", "--scale", "smoke"], 0), (["cells", "--scale", "smok"], 1), (["trian"], 1), (["--version"], 0)],
)
def test_the_same_words_and_exit_code(place, root, arguments, code):
    warm, cold = both(place, *arguments, cwd=root)
    assert warm == cold and warm[0] == code


def test_it_runs_elsewhere_with_the_same_folder_mask_and_bytes(place, root, tmp_path):
    drawn = []
    for where in (place, place.with_name("nobody")):
        folder = tmp_path / where.name
        folder.mkdir()
        arguments = ["data", "linear", "dense", "--scale", "smoke", "--root", str(root), "--out", "drawn"]
        subprocess.run([*COMMAND, *arguments], env=environment(where), cwd=folder, umask=0o027, check=True)
        drawn.append(folder / "drawn" / "seed0.safetensors")
    assert drawn[0].read_bytes() == drawn[1].read_bytes() and drawn[0].stat().st_mode == drawn[1].stat().st_mode


@pytest.fixture
def training(place, root, tmp_path):
    """A training without end, begun by the process that listens."""
    for part in ("experiments", "scales"):
        (tmp_path / "config" / part).mkdir(parents=True)
    for file in ("config.yaml", "methods.yaml", "claims.yaml", "experiments/linear.yaml"):
        (tmp_path / "config" / file).write_text((root / "config" / file).read_text())
    (tmp_path / "config" / "scales" / "long.yaml").write_text(LONG)
    scale = ["--scale", "long"]
    subprocess.run([*COMMAND, "data", "linear", "dense", *scale, "--out", "drawn"], cwd=tmp_path, check=True)
    command = ["train", "linear", "dense-poe-masked", *scale, "--data", "drawn", "--out", "run", "--checkpoint", "kept"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*COMMAND, *command], cwd=tmp_path, env=environment(place), stderr=log)
    until(lambda: re.search(r"\dstep/s", (tmp_path / "log").read_text()) or process.poll() is not None)
    assert children(place)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_it_and_its_checkpoint_is_written(training, place, tmp_path, number):
    training.send_signal(number)
    assert training.wait(60) == 128 + number
    assert (tmp_path / "kept").is_file()
    until(lambda: not children(place))


def test_it_ends_with_the_command_that_was_killed(training, place, tmp_path):
    training.kill()
    until(lambda: not children(place))
    assert (tmp_path / "kept").is_file()


def test_its_memory_is_noted_beside_its_log(place, root):
    log = place.parent / "results" / "logs" / "linear" / "a-train.log"
    log.parent.mkdir(parents=True)
    for path in (log, place.parent / "elsewhere.log"):
        with path.open("w") as file:
            subprocess.run(
                [*COMMAND, "cells", "--scale", "smoke"], cwd=root, env=environment(place), stderr=file, check=True
            )
    heading, *lines = (place.parent / "results" / "benchmarks" / "memory.csv").read_text().splitlines()
    (job, memory), *rest = (line.split(",") for line in lines)
    assert (heading, job, rest) == ("job,max_rss", "linear/a-train", []) and 50 < float(memory) < 4000


def test_without_libraries_for_one_thread_it_is_not_asked(place, root):
    where = environment(place) | {"OMP_NUM_THREADS": "2"}
    done = subprocess.run([*COMMAND, "cells", "--scale", "smoke"], cwd=root, env=where, capture_output=True, check=True)
    assert done.stdout.startswith(b"linear") or b"dense-poe-masked" in done.stdout


def test_a_place_that_cannot_be_had_is_one_line(tmp_path):
    place = tmp_path / ("long" * 40)
    done = subprocess.run([sys.executable, "-m", "pimvae.warm", str(place), "."], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0 and len(done.stderr.splitlines()) == 1 and "AF_UNIX path too long" in done.stderr
