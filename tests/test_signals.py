"""A process that is told to stop leaves a checkpoint, one line and the exit code of the signal; nothing is lost."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from builders import double_precision, trainer, training_cell

from pimvae import archive, signals
from pimvae.cli import main
from pimvae.cli.look import LOOK
from pimvae.cli.parser import Command
from pimvae.config.schema import LinearData
from pimvae.data.job import run as make_data
from pimvae.errors import UserError
from pimvae.training import job, snapshot
from pimvae.training.checkpoint import Checkpoint

ROOT = Path(__file__).parents[1]
DATA = LinearData(loading="dense", modalities=3, dim_low=3, dim_high=7, latent=2, samples=40)


def cell(**changes):
    changes = {"steps": 6, "history_every": 3} | changes
    return training_cell("poe", **changes).model_copy(update={"data": DATA, "seeds": (0, 1)})


@pytest.fixture
def data(tmp_path):
    make_data(DATA, [0, 1], tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize("number", signals.SIGNALS)
@pytest.mark.parametrize("width", [1, 2])
def test_a_training_that_is_stopped_goes_on_to_the_same_bytes(tmp_path, data, monkeypatch, number, width):
    """The signal comes in the middle of a step, long before a checkpoint is due, with one stack and with two."""
    monkeypatch.setattr(job, "stack_width", lambda *_: width)
    job.run(cell(), data, tmp_path / "whole", "cpu")
    after, steps = job.Checkpoint.after_step, []

    def kill(self, trainer):
        steps.append(trainer.step)
        if len(steps) == (4 if width == 2 else 9):  # of two stacks, in the second
            os.kill(os.getpid(), number)
        after(self, trainer)

    monkeypatch.setattr(job.Checkpoint, "after_step", kill)
    place = tmp_path / "c"
    with pytest.raises(signals.Stopped, match="the same command goes on from there") as stopped:
        job.run(cell(), data, tmp_path / "cut", "cpu", place)
    assert stopped.value.code == 128 + number
    assert not (tmp_path / "cut").exists() and len(list(tmp_path.glob("c*"))) == 2 // width
    monkeypatch.setattr(job.Checkpoint, "after_step", after)
    job.run(cell(), data, tmp_path / "cut", "cpu", place)
    for name in ("weights.safetensors", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list(tmp_path.glob("c*.safetensors")) and not list(tmp_path.glob("c")) and not list(tmp_path.glob("c.*"))


def test_the_command_itself(tmp_path):
    pimvae = [sys.executable, "-m", "pimvae.cli"]
    scale = ["--scale", "smoke", "--root", str(ROOT)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    assert main(["data", "linear", "dense", "--out", str(tmp_path / "data"), *scale]) == 0
    train = [*pimvae, "train", "linear", "dense-poe-masked", "--data", tmp_path / "data", *scale,
             "--out", tmp_path / "run", "--checkpoint", tmp_path / "c"]  # fmt: skip
    train += ["--checkpoint-seconds", "0"]
    process = subprocess.Popen(train, env=environment, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (tmp_path / "c").exists():
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1].splitlines()
    if process.returncode:  # else it was done before the signal came
        assert process.returncode == 143
        assert said[-1].startswith("pimvae: stopped by SIGTERM: after step ") and "Traceback" not in "".join(said)


SLOW = """
import signal, sys, time
from pimvae.library import model
from pimvae.cli import main
from pimvae.training import job, loop

def slow(*arguments):
    print("it has begun", file=sys.stderr, flush=True)
    time.sleep(600)

{place} = slow
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
sys.exit(main(sys.argv[1:]))
"""
SAID = {signal.SIGTERM: "pimvae: stopped by SIGTERM", signal.SIGINT: "pimvae: interrupted"}
PLACES = {  # either signal with either kind of data, and before and in the first step
    "preparation": ("job.start_from_data", "experiment", signal.SIGTERM),
    "first step": ("loop.Trainer._train_step", "experiment", signal.SIGINT),
    "preparation of own data": ("model.start_at_means", "own", signal.SIGINT),
    "first step on own data": ("loop.Trainer._train_step", "own", signal.SIGTERM),
}


@pytest.mark.parametrize(("place", "kind", "number"), PLACES.values(), ids=PLACES)
def test_before_the_first_step_is_done_a_signal_ends_it_at_once(tmp_path, place, kind, number):
    """There is nothing to save yet, and nothing is left behind."""
    if kind == "own":
        generator = np.random.default_rng(0)
        np.savez(tmp_path / "my.npz", x=generator.normal(size=(30, 2)), y=generator.normal(size=(30, 2)))
        train = ["train", "--data", "my.npz", "--seeds", "1"]
    else:
        scale = ["--scale", "smoke", "--root", str(ROOT)]
        assert main(["data", "linear", "dense", "--out", str(tmp_path / "data"), *scale]) == 0
        train = ["train", "linear", "dense-poe-masked", "--data", "data", "--out", "run", "--checkpoint", "c", *scale]
    before = sorted(tmp_path.rglob("*"))
    command = [sys.executable, "-c", SLOW.format(place=place), *train]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert any("it has begun" in line for line in process.stderr)
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == 128 + number
    assert rest.splitlines()[-1] == SAID[number] and "Traceback" not in rest
    assert sorted(tmp_path.rglob("*")) == before


LOADING = """
import os, signal, sys
from pimvae.cli.entry import main

class Sender:
    def find_spec(self, name, *_):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {number:d})

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
sys.meta_path.insert(0, Sender())
sys.exit(main(["train", "--data", "my.npz", "--describe"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("module", ["tqdm", "numpy._core", "numpy.linalg", "torch"])
def test_a_signal_while_libraries_load_is_one_line(tmp_path, module, number):
    """C code that imports a module would take it for a module that cannot be imported."""
    np.savez(tmp_path / "my.npz", x=np.eye(30), y=np.eye(30))
    code = LOADING.format(module=module, number=number)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (128 + number, "")
    assert found.stderr.splitlines() == [found.stderr.strip()] and found.stderr.startswith(SAID[number])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_outside_of_a_training_is_one_line(monkeypatch, request, capsys, number, code):
    # Behind a shell they may be ignored.
    interrupts = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, interrupts))
    before = signal.getsignal(signal.SIGTERM)

    def told(options):
        """Tell this process to stop."""
        os.kill(os.getpid(), number)
        time.sleep(5)

    monkeypatch.setitem(LOOK.commands, "cells", Command(told, (), ""))
    assert main(["cells"]) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_second_signal_does_not_wait():
    with pytest.raises(signals.Stopped, match="interrupted") as stopped, signals.deferred() as noted:
        os.kill(os.getpid(), signal.SIGTERM)
        assert noted.number == signal.SIGTERM
        os.kill(os.getpid(), signal.SIGINT)
    assert stopped.value.code == 130


def test_where_nothing_is_lost_the_first_signal_does_not_wait():
    with pytest.raises(signals.Stopped, match="stopped by SIGTERM") as stopped, signals.deferred(held=False):
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.code == 143


def test_in_a_thread_signals_are_left_alone():
    found = []

    def run():
        with signals.deferred() as noted, signals.raising():
            found.append(noted.number)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [0]


@pytest.fixture
def float64():
    yield from double_precision()


@pytest.mark.usefixtures("float64")
def test_a_full_disk_under_a_checkpoint_is_told_once_and_ends_nothing(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    running = trainer(training_cell(steps=4), [2, 5])
    saved = Checkpoint(tmp_path / "c", "", 0.0)
    saved.write(running)
    before = (tmp_path / "c").read_bytes()
    monkeypatch.setattr(snapshot, "save_file", full)
    running.run(lambda step: saved.after_step(running))
    assert running.step == 4 and (tmp_path / "c").read_bytes() == before
    assert capsys.readouterr().err == (
        f"pimvae: note: no checkpoint, the training goes on: No space left on device: {tmp_path / 'c'}\n"
    )


@pytest.mark.parametrize("fault", ["device", "data", "aggregator", "checkpoint"])
def test_a_refused_training_leaves_the_finished_run(tmp_path, data, fault):
    job.run(cell(), data, tmp_path / "run", "cpu")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    wrong, device = cell(), "tpu" if fault == "device" else "cpu"
    if fault == "aggregator":
        wrong = wrong.model_copy(update={"model": wrong.model.model_copy(update={"aggregator": "pooo"})})
    if fault == "data":
        (data / "seed1.safetensors").write_bytes(b"")
    (tmp_path / "c").write_bytes(b"no checkpoint")
    with pytest.raises(UserError):
        job.run(wrong, data, tmp_path / "run", device, tmp_path / "c", strict=fault == "checkpoint")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


@pytest.mark.parametrize("step", ["write", "rename"])
def test_a_shipping_that_fails_leaves_what_was_shipped(tmp_path, monkeypatch, step):
    archive.pack({"a.csv": b"old\n"}, tmp_path / "shipped")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    rename = Path.rename
    if step == "write":
        monkeypatch.setattr(archive, "write_json", fail)
    else:
        monkeypatch.setattr(Path, "rename", lambda self, to: fail() if self.suffix == ".tmp" else rename(self, to))
    with pytest.raises(OSError, match="No space"):
        archive.pack({"a.csv": b"new\n"}, tmp_path / "shipped")
    assert (tmp_path / "shipped" / "a.csv").read_bytes() == b"old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["shipped"]
    archive.verify(tmp_path / "shipped")
