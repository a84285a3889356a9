"""The training stage from data files to a run's files, as the workflow calls it (float32, as it is run)."""

import csv
import json
import math

import pytest
import torch
from builders import training_cell
from safetensors.torch import load_file

from pimvae import chain
from pimvae.config.schema import LinearData
from pimvae.data.job import run as make_data
from pimvae.errors import UserError
from pimvae.signals import Stopped
from pimvae.training import job
from pimvae.training.checkpoint import Checkpoint, leave_if_told
from pimvae.training.divergence import divergence

DATA = LinearData(loading="dense", modalities=3, dim_low=3, dim_high=7, latent=2, samples=40)
STEPS, EVERY = 6, 3


def cell(seeds=(0, 1), **changes):
    changes = {"steps": STEPS, "history_every": EVERY} | changes
    return training_cell("sum_pooling", **changes).model_copy(update={"data": DATA, "seeds": seeds})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    make_data(DATA, [0, 1], folder)
    return folder


def run(folder, data, **changes):
    job.run(cell(**changes), data, folder, "cpu")
    return load_file(folder / "weights.safetensors"), json.loads((folder / "run.json").read_text())


def test_how_a_step_runs_can_be_chosen_beside_the_cell(tmp_path, data, monkeypatch):
    """Compiled or not, it is the same cell; a checkpoint of the other way is not taken."""
    chosen = []
    monkeypatch.setattr("pimvae.training.program.choose", lambda choice, *rest: chosen.append(choice) or rest[2])
    saved = tmp_path / "checkpoint"
    for way in ("always", None):
        job.run(cell(), data, tmp_path / str(way), "cpu", compile=way)
    assert chosen == ["always", "never"]
    records = [json.loads((tmp_path / way / "run.json").read_text())["cell"] for way in ("always", "None")]
    assert records[0] == records[1] == cell().model_dump(mode="json")
    keys = []

    class Noted(Checkpoint):
        def __post_init__(self) -> None:
            keys.append(self.identity)
            super().__post_init__()

    monkeypatch.setattr(job, "Checkpoint", Noted)
    for way in ("always", "never", None):
        job.run(cell(), data, tmp_path / "again", "cpu", saved, compile=way)
    assert keys[1] == keys[2] != keys[0]


def cut_off(monkeypatch, data, folder, saved, after=3, **options):
    """A training that is told to stop after so many steps, and leaves a checkpoint."""
    asked = []
    monkeypatch.setattr(
        job,
        "leave_if_told",
        lambda stop, subjects: (
            asked.append(1),
            setattr(stop, "number", 15) if len(asked) == after else None,
            leave_if_told(stop, subjects),
        ),
    )
    with pytest.raises(Stopped):
        job.run(cell(), data, folder, "cpu", saved, **options)
    monkeypatch.undo()


def test_a_checkpoint_of_other_code_is_not_continued(tmp_path, data, monkeypatch):
    saved = tmp_path / "checkpoint"
    cut_off(monkeypatch, data, tmp_path / "a", saved, code="before")
    with pytest.raises(UserError, match=r"another training \(configuration, data, code or versions differ\)"):
        job.run(cell(), data, tmp_path / "a", "cpu", saved, strict=True, code="after")
    job.run(cell(), data, tmp_path / "a", "cpu", saved, strict=True, code="before")
    whole, _ = run(tmp_path / "b", data)
    assert all(torch.equal(value, whole[name]) for name, value in load_file(tmp_path / "a/weights.safetensors").items())
    assert not saved.exists()


def test_stacks_go_on_as_wide_as_they_were_saved(tmp_path, data, monkeypatch, capfd):
    """Where less memory, or more, is free than before."""
    saved, widths = tmp_path / "checkpoint", iter([1, 2])
    with monkeypatch.context() as patch:
        patch.setattr(job, "stack_width", lambda *_: next(widths))
        cut_off(patch, data, tmp_path / "a", saved, after=STEPS + 2)
    assert sorted(path.name for path in tmp_path.glob("checkpoint*")) == ["checkpoint.0", "checkpoint.1"]
    job.run(cell(), data, tmp_path / "a", "cpu", saved)
    assert capfd.readouterr().err.count("going on from") == 2
    assert json.loads((tmp_path / "a/run.json").read_text())["stack_width"] == 1
    assert not list(tmp_path.glob("checkpoint*"))


def test_a_run_writes_weights_history_and_what_it_was(tmp_path, data):
    weights, about = run(tmp_path, data, betas=(0.5, 2.0))
    assert all(len(value) == 4 and value.dtype == torch.float32 for value in weights.values())
    assert about["steps"] == STEPS and about["entries"] == STEPS * sum(v[0].numel() for v in weights.values())
    members = [(r["seed"], r["beta"]) for r in about["replicas"]]
    assert members == [(0, 0.5), (0, 2.0), (1, 0.5), (1, 2.0)]
    assert all(r["nonfinite_entries"] == 0 and not r["diverged"] for r in about["replicas"])
    assert about["cell"] == cell(betas=(0.5, 2.0)).model_dump(mode="json")
    assert (about["step"], about["precision"]) == ("replayed", "full")
    assert about["device"] == "cpu" and set(about["data_sha256"]) == {"0", "1"}
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {int(row["step"]) for row in rows} == {3, 6} and len(rows) == 2 * 4 * 5  # windows, replicas, terms
    assert all(math.isfinite(float(row["value"])) for row in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "run.json", "weights.safetensors"]


def test_a_run_twice_writes_the_same_bytes(tmp_path, data):
    for folder in ("first", "second"):
        run(tmp_path / folder, data)
    for name in ("weights.safetensors", "history.csv"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_a_seed_trains_as_it_does_alone(tmp_path, data):
    """In single precision only nearly: kernels may add up in another order."""
    together, _ = run(tmp_path / "together", data)
    alone, _ = run(tmp_path / "alone", data, seeds=(1,))
    for name, value in alone.items():
        torch.testing.assert_close(together[name][1], value[0], rtol=0, atol=1e-4)


def test_processes_train_what_stacks_of_their_width_do(tmp_path, data, monkeypatch):
    """Cut off, they go on to the same bits; nothing of their checkpoints is left."""
    monkeypatch.setattr(job, "stack_width", lambda *_: 2)
    expected, about = run(tmp_path / "one", data, betas=(0.5, 2.0))
    monkeypatch.undo()
    assert about["stack_width"] == 2 and "processes" not in about
    saved, steps = tmp_path / "checkpoint", []

    def stopping(stop, subjects):
        steps.append(1)
        stop.number = 15 if len(steps) == 4 else stop.number
        leave_if_told(stop, subjects)

    monkeypatch.setattr(job, "leave_if_told", stopping)
    with pytest.raises(UserError, match="failed with exit code 143"):
        job.run(cell(betas=(0.5, 2.0)), data, tmp_path / "apart", "cpu", saved, processes=2)
    monkeypatch.undo()
    assert list(tmp_path.glob("checkpoint.*")) and not (tmp_path / "apart").exists()
    job.run(cell(betas=(0.5, 2.0)), data, tmp_path / "apart", "cpu", saved, processes=2)
    found = load_file(tmp_path / "apart/weights.safetensors")
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)
    assert (tmp_path / "apart/history.csv").read_bytes() == (tmp_path / "one/history.csv").read_bytes()
    record = json.loads((tmp_path / "apart/run.json").read_text())
    assert (record["stack_width"], record["processes"]) == (2, 2)
    assert 0 < record["timed_replica_steps"] < 4 * STEPS and record["times"]["loop_cpu_seconds"] > 0
    assert not list(tmp_path.glob("checkpoint*"))


def test_processes_need_a_checkpoint(tmp_path, data):
    with pytest.raises(UserError, match="need a checkpoint, by which they hand over"):
        job.run(cell(), data, tmp_path / "out", "cpu", processes=2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("device", "seeds", "message"),
    [("tpu", (0,), "known: auto, cpu, cuda"), ("cpu", (0, 5), "seed5.safetensors does not exist")],
)
def test_what_cannot_run_is_refused_before_anything_is_written(tmp_path, data, device, seeds, message):
    with pytest.raises(UserError, match=message):
        job.run(cell(seeds), data, tmp_path / "out", device)
    assert not (tmp_path / "out").exists()


def test_tf32_is_refused_on_a_cpu(tmp_path, data):
    with pytest.raises(UserError, match=r"^train.precision 'tf32' is for CUDA devices; on a CPU take"):
        run(tmp_path / "out", data, precision="tf32")
    assert not (tmp_path / "out").exists()


def test_products_in_bfloat16_are_recorded(tmp_path, data):
    weights, about = run(tmp_path, data, precision="bf16")
    assert about["precision"] == about["cell"]["train"]["precision"] == "bf16"
    assert all(value.dtype == torch.float32 and value.isfinite().all() for value in weights.values())


def test_cuda_asked_for_but_absent(tmp_path, data, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no CUDA device"):
        job.run(cell(), data, tmp_path / "out", "cuda")


def test_a_step_that_fails_leaves_no_run_behind(tmp_path, data, monkeypatch):
    """run.json comes last: without it there is no run."""
    monkeypatch.setattr(chain, "write_csv", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        run(tmp_path / "out", data)
    assert not (tmp_path / "out" / "run.json").exists()


@pytest.mark.parametrize(("rate", "told"), [
    (1e30, "2 of 2 replicas of dense-sum_pooling-masked diverged: try a train.learning_rate below 1e+30 or a "
           "train.clip below 100"),
    (1e-3, ""),
])  # fmt: skip
def test_replicas_that_diverge_are_told_in_one_line_and_are_a_result(tmp_path, data, capsys, rate, told):
    _, about = run(tmp_path, data, learning_rate=rate)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("pimvae:")]
    assert lines == ([f"pimvae: note: {told}"] if told else [])
    assert [replica["diverged"] for replica in about["replicas"]] == [bool(told)] * 2


def test_what_is_said_of_replicas_that_diverged():
    some = cell(clip=None)
    assert divergence(0, 3, some) == ""
    assert divergence(1, 3, some) == f"1 of 3 replicas of {some.name} diverged"
    assert divergence(3, 3, some).endswith(
        f"diverged: try a train.learning_rate below {some.train.learning_rate:g} or a train.clip of gradients"
    )
