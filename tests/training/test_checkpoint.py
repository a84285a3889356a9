"""A training that was cut off and goes on is bit for bit the one that was not."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from builders import double_precision, trainer, training_cell
from safetensors import safe_open
from safetensors.torch import save_file

from pimvae.cli import main
from pimvae.errors import UserError
from pimvae.training.checkpoint import Checkpoint

ROOT = Path(__file__).parents[2]
SEEDS = [2, 5]


@pytest.fixture
def float64():
    yield from double_precision()


def equal(first, second):
    assert first.step == second.step and first.stopped == second.stopped
    assert torch.equal(first.stack.flat.nan_to_num(7.0), second.stack.flat.nan_to_num(7.0))
    for name in ("mean", "square", "clipped", "nonfinite", "alive"):
        assert torch.equal(getattr(first.optimiser, name), getattr(second.optimiser, name)), name
    assert first.optimiser.entries == second.optimiser.entries
    assert len(first.history.rows) == len(second.history.rows)
    for (step, terms), (other, expected) in zip(first.history.rows, second.history.rows, strict=True):
        assert step == other and terms.keys() == expected.keys()
        assert all(torch.equal(terms[name].nan_to_num(7.0), expected[name].nan_to_num(7.0)) for name in terms)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("changes", [{}, {"noise_reuse": True}, {"schedule": "cosine", "clip": 10.0}], ids=str)
def test_going_on_equals_not_stopping(tmp_path, changes):
    """Four batches an epoch and windows of three: cut in the middle, at the end, after an epoch."""
    cell = training_cell("sum_pooling", steps=14, history_every=3, **changes)
    whole, first = trainer(cell, SEEDS), trainer(cell, SEEDS)
    whole.run()
    for cut in (1, 4, 7, 11):
        first.advance(cut)
        assert Checkpoint(tmp_path / "c", "identity").write(first)
        second = trainer(cell, SEEDS)
        assert Checkpoint(tmp_path / "c", "identity", strict=True).resume(second)
        second.run()
        equal(second, whole)


@pytest.mark.usefixtures("float64")
def test_a_stopped_replica_stays_stopped(tmp_path):
    cell = training_cell(steps=12, history_every=2, patience=2)
    whole, first, second = (trainer(cell, SEEDS) for _ in range(3))
    for member in (whole, first):
        with torch.no_grad():
            member.stack.flat[1, 0] = torch.nan
    whole.run()
    first.advance(7)
    assert Checkpoint(tmp_path / "c", "").write(first)
    assert Checkpoint(tmp_path / "c", "", strict=True).resume(second)
    second.run()
    equal(second, whole)
    assert second.stopped == {1: 2}


def damaged(path):
    """The file cut off, with one byte changed, empty, with one number changed, and something else."""
    content = path.read_bytes()
    yield content[: len(content) // 2]
    yield content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
    yield b""
    with safe_open(path, framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    tensors["flat"][0, 0] += 1
    save_file(tensors, path.with_suffix(".changed"), metadata)
    yield path.with_suffix(".changed").read_bytes()
    save_file({"weights": torch.zeros(2)}, path.with_suffix(".other"))
    yield path.with_suffix(".other").read_bytes()


@pytest.mark.usefixtures("float64")
def test_a_damaged_checkpoint_is_named_and_changes_nothing(tmp_path):
    cell, path = training_cell(steps=5), tmp_path / "checkpoint.safetensors"
    first = trainer(cell, SEEDS)
    first.advance(3)
    assert Checkpoint(path, "").write(first)
    for content in list(damaged(path)):
        path.write_bytes(content)
        fresh = trainer(cell, SEEDS)
        with pytest.raises(UserError, match=r"checkpoint .*checkpoint.safetensors is damaged"):
            Checkpoint(path, "", strict=True).resume(fresh)
        equal(fresh, trainer(cell, SEEDS))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("strict", [False, True])
def test_a_checkpoint_of_another_training_starts_afresh_or_stops(tmp_path, strict):
    cell, path = training_cell(steps=5), tmp_path / "c"
    first, fresh = trainer(cell, SEEDS), trainer(cell, SEEDS)
    first.advance(3)
    assert Checkpoint(path, "this").write(first)
    checkpoint = Checkpoint(path, "that", strict=strict)
    if strict:
        with pytest.raises(UserError, match="of another training"):
            checkpoint.resume(fresh)
    else:
        assert checkpoint.resume(fresh).endswith("training starts afresh")
    equal(fresh, trainer(cell, SEEDS))


@pytest.mark.usefixtures("float64")
def test_it_is_written_when_it_is_time_and_removed_at_the_end(tmp_path):
    cell = training_cell(steps=5)
    often, seldom = (Checkpoint(tmp_path / str(seconds), "", seconds) for seconds in (0.0, 1e6))
    running = trainer(cell, SEEDS)
    running.advance(2, lambda step: [c.after_step(running) for c in (often, seldom)])
    assert often.path.exists() and not seldom.path.exists()
    assert Checkpoint(None, "").resume(running) is None
    assert "after step 2" in often.resume(trainer(cell, SEEDS))
    often.remove()
    assert list(tmp_path.iterdir()) == []


def test_kill_minus_nine_at_random_moments(tmp_path):
    """The command itself, killed until it is done: same bytes as in one go."""
    scale, cell = ["--scale", "smoke", "--root", str(ROOT)], ["linear", "dense-sum_pooling-masked"]
    pimvae = [sys.executable, "-m", "pimvae.cli"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    data = tmp_path / "data"
    assert main(["data", "linear", "dense", "--out", str(data), *scale]) == 0
    train = [*pimvae, "train", *cell, "--data", data, "--checkpoint", tmp_path / "c", "--checkpoint-seconds", "0"]
    subprocess.run([*train, *scale, "--out", tmp_path / "whole"], check=True, env=environment, capture_output=True)
    moments, kills = random.Random(0), 0
    while not (tmp_path / "cut" / "run.json").exists():
        process = subprocess.Popen([*train, *scale, "--out", tmp_path / "cut"], env=environment, stderr=subprocess.PIPE)
        if kills < 3:  # wait for a checkpoint (newer than the last), then kill a moment later
            before = (tmp_path / "c").stat().st_mtime_ns if (tmp_path / "c").exists() else 0
            while process.poll() is None and (not (tmp_path / "c").exists() or _time(tmp_path / "c") == before):
                time.sleep(0.002)
            time.sleep(moments.random() * 0.02)
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    for name in ("weights.safetensors", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert kills and not (tmp_path / "c").exists()


def _time(path):
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
