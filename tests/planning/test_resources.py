"""What jobs ask a scheduler for, and the memory of a real one."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from builders import training_cell

from pimvae.config import find_cell, load
from pimvae.config.schema import ImagesData
from pimvae.data.images import images
from pimvae.data.job import run as draw
from pimvae.evaluation.evaluation import evaluation_of
from pimvae.planning.counts import Problem, bound
from pimvae.planning.datasets import image_bytes, shape
from pimvae.planning.kept import Kept
from pimvae.planning.model_counts import count
from pimvae.planning.resources import (
    CAUTIOUS,
    ON_DEVICE,
    PROCESS_MIB,
    Job,
    Speed,
    baselines_job,
    ceiling_job,
    data_job,
    device_memory,
    evaluated_on,
    evaluation_job,
    training_job,
)

TRAIN = """
import sys
from pimvae.config.schema import Cell
from pimvae.training.job import run
run(Cell.model_validate_json(sys.argv[1]), sys.argv[2], sys.argv[3], "cpu")
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])  # KiB
"""


def test_a_second_attempt_gets_twice_the_memory_and_time():
    job = Job(memory=1000, disk=7, seconds=600.0)
    assert job.request() == {"mem_mb": 1500, "runtime": 25, "disk_mb": 7}
    assert job.request(2) == {"mem_mb": 3000, "runtime": 50, "disk_mb": 7}
    assert job.request(3)["mem_mb"] == 6000


def test_time_is_counted_from_steps_and_operations():
    cell = training_cell(steps=100)
    counts = count(cell)
    speed = Speed(step=0.5, training=counts.operations / 0.25, evaluation=1e9)
    assert speed.training_seconds(cell, counts) == pytest.approx(100 * (0.5 + 0.25))
    two = cell.model_copy(update={"seeds": (0, 1)})
    assert speed.training_seconds(two, counts) == pytest.approx(100 * (0.5 + 2 * 0.25))


def test_the_share_of_a_gpu_is_its_largest_part_of_time_memory_and_places(root, tmp_path):
    cell = training_cell()
    counts = count(cell)
    idle, busy = (Speed(step, counts.operations / 0.01, 1e9) for step in (0.99, 0.03))
    assert (idle.busy(cell, counts), busy.busy(cell, counts)) == (pytest.approx(0.01), pytest.approx(0.25))
    plenty, held = 10**9, device_memory(cell, counts)
    kept = Kept(tmp_path / "plan.json")
    kept.keep_counts([(cell, counts)])

    def share(speed, cells, memory):
        kept.content["cuda"] = {"memory": memory, "experiments": {cell.experiment: vars(speed)}}
        settings = {"experiments": ["linear"], "device": "cuda", "cells_per_gpu": cells}
        return kept.gpu_share(cell, load("smoke", root, settings=settings))

    assert [share(idle, cells, plenty) for cells in (1, 3, 8, 1000)] == [1000, 334, 125, 10]
    assert share(busy, 8, plenty) == 250
    assert share(idle, 8, 3 * held) == 500  # with a margin of a half
    assert share(idle, 8, held) == 1000  # too large for the GPU: the training says so itself


def test_a_cell_has_a_share_on_cuda_only(root, tmp_path):
    cell = find_cell(load("smoke", root, ["linear"]), "linear", "dense-poe-masked")
    kept = Kept(tmp_path / "plan.json")
    shares = [kept.gpu_share(cell, load("smoke", root, ["linear"], device=device)) for device in ("cpu", "cuda")]
    assert shares == [0, 125]
    kept.timings("cuda")
    kept.content["cuda"]["memory"] = 1000  # MiB of the GPU that was timed
    assert kept.gpu_share(cell, load("smoke", root, ["linear"], device="cuda")) > 500


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_every_job_of_every_scale_asks_for_something_sensible(root, tmp_path, scale):
    """Where nothing was planned, which takes no torch."""
    config, kept = load(scale, root), Kept(tmp_path / "plan.json")
    jobs = [training_job(cell, kept.counts(cell), "cpu") for cell in config.cells]
    jobs += [evaluation_job(cell, kept.counts(cell)) for cell in config.cells]
    jobs += [job(dataset) for dataset in config.datasets for job in (data_job, ceiling_job, baselines_job)]
    assert all(100 <= job.memory < 32_000 and 1 <= job.disk < 10_000 for job in jobs)
    assert all(request["runtime"] >= 5 for request in (job.request() for job in jobs))


def test_trainings_that_were_counted_fit_on_a_laptop(root):
    """One with every model, as it is planned: with room beside it."""
    cells = {cell.model.model_dump_json(): cell for cell in load("laptop", root).cells}.values()
    assert max(training_job(cell, count(cell), "cpu").request()["mem_mb"] for cell in cells) < 1500


# Beside the workflow: what the jobs of one cell ask for, and whether torch was imported on the way.
TOLD = """
include: "{root}/workflow/Snakefile"
told = find_cell(WORKFLOW, "linear", "dense-poe-masked")
stages = PLAN.training(told, CONFIG.device), PLAN.evaluation(told, CONFIG.device)
asked = [*(job.request() for job in stages), "torch" in sys.modules]
print("asked", json.dumps(asked), file=sys.stderr)
"""


def asked_for(root, folder):
    """Of the training and the evaluation of a cell, as the workflow sees them when it is read from ``folder``."""
    (folder / "Snakefile").write_text(TOLD.format(root=root))
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--config", "scale=smoke", "device=cpu", "--"]
    command.append("results/smoke/linear/dense-poe-masked/metrics.csv")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("asked ")]
    training, evaluation, imported = json.loads(line.removeprefix("asked "))
    assert not imported
    return training, evaluation


def test_the_workflow_asks_for_what_was_planned_and_imports_no_torch(root, tmp_path):
    (cell,) = [cell for cell in load("smoke", root, ["linear"]).cells if cell.name == "dense-poe-masked"]
    bounded = bound(Problem.of(cell))
    expected = training_job(cell, bounded, "cpu").request(), evaluation_job(cell, bounded).request()
    assert asked_for(root, tmp_path) == expected
    kept = Kept(tmp_path / "results" / "smoke" / "plan.json")
    counts, speed = replace(count(cell), parameters=10**8), Speed(step=300.0, training=1e9, evaluation=1e3)
    kept.keep_counts([(cell, counts)])
    kept.timings("cpu")["experiments"]["linear"] = vars(speed)
    kept.write()
    planned = training_job(cell, counts, "cpu", speed).request(), evaluation_job(cell, counts, "cpu", speed).request()
    assert asked_for(root, tmp_path) == planned
    assert all(planned[job]["runtime"] > expected[job]["runtime"] for job in (0, 1))


@pytest.mark.parametrize("side", [(28, 32), (14, 16)])
@pytest.mark.parametrize("samples", [300, 12_000])
def test_a_file_of_images_has_the_size_that_is_counted(tmp_path, samples, side):
    data = ImagesData(mnist_side=side[0], svhn_side=side[1], samples=samples, test_samples=1500)
    draw(data, [0], tmp_path)
    assert image_bytes(data) == pytest.approx((tmp_path / "seed0.safetensors").stat().st_size, rel=0.1)
    drawn = images(data, 0)
    assert (drawn.train.dims, drawn.max_dim) == (shape(data).dims, shape(data).width)


def test_all_pairings_of_images_are_counted_where_the_configuration_leaves_their_number_open(root):
    data = find_cell(load("paper", root, ["images"]), "images", "triples-poe-masked").data
    assert shape(data).train == len(images(data, 0).train) == 400_000
    full = data.model_copy(update={"source": "full"})
    assert shape(full).train == 1_121_360  # as documented
    assert 200 * 2**20 < image_bytes(full) < 300 * 2**20


def test_speed_is_what_was_measured_else_cautious(tmp_path):
    path, measured = tmp_path / "plan.json", Speed(0.1, 2e9, 3e9)
    assert Kept(path).speed("cpu", "linear") == CAUTIOUS["cpu"]
    path.write_text(json.dumps({"cpu": {"experiments": {"linear": vars(measured)}}}))
    kept = Kept(path)
    assert kept.speed("cpu", "linear") == measured
    assert kept.speed("cpu", "bimodal") == CAUTIOUS["cpu"]
    assert kept.speed("cuda", "linear") == CAUTIOUS["cuda"]


@pytest.mark.parametrize("text", ["{", "[]", '{"counts": 1}', '{"counts": {}, "cpu": []}', '{"cpu": {"cells": {}}}'])
def test_a_damaged_plan_is_no_error(tmp_path, text):
    path, cell = tmp_path / "plan.json", training_cell()
    path.write_text(text)
    assert Kept(path).speed("cpu", "linear") == CAUTIOUS["cpu"]
    assert Kept(path).counts(cell) == bound(Problem.of(cell))


def test_counts_are_those_of_the_plan_else_a_bound(tmp_path):
    cell, other = training_cell("poe"), training_cell("moe")
    kept = Kept(tmp_path / "plan.json")
    kept.keep_counts([(cell, count(cell))])
    kept.write()
    again = Kept(tmp_path / "plan.json")
    assert again.counts(cell) == count(cell)
    assert again.counts(other) == bound(Problem.of(other))
    unknown = {Problem.of(cell).fingerprint(): {"parameters": 1}}  # of an earlier form
    (tmp_path / "plan.json").write_text(json.dumps({"counts": unknown}))
    assert Kept(tmp_path / "plan.json").counts(cell) == bound(Problem.of(cell))


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    ("scale", "experiment", "name"),
    [("paper", "linear", "sparse-moe-masked"), ("laptop", "images", "triples-moe-masked")],
)
def test_the_memory_of_a_real_training_is_of_the_order_estimated(root, tmp_path, scale, experiment, name):
    """Mixtures of experts: vectors at the publication's width, where most memory is not that of bare torch; images."""
    cell = find_cell(load(scale, root, [experiment]), experiment, name)
    train = cell.train.model_copy(update={"steps": 2})
    cell = cell.model_copy(update={"train": train, "seeds": (0, 1, 2)})
    draw(cell.data, cell.seeds, tmp_path / "data")
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", TRAIN, cell.model_dump_json(), str(tmp_path / "data"), str(tmp_path / "run")]
    # Not what wait4 tells: that counts the memory of the process that started it, before exec, too.
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    measured, estimate = int(done.stdout) / 1024, training_job(cell, count(cell), "cpu")
    assert estimate.memory / 2 < measured < estimate.request()["mem_mb"]
    written = sum(path.stat().st_size for path in (tmp_path / "run").iterdir()) / 2**20
    assert estimate.disk / 10 < written < estimate.disk


def test_images_are_evaluated_where_they_were_trained_and_ask_for_it(root, tmp_path):
    config = load("smoke", root, ["images", "linear"], device="cuda")
    images, linear = (next(cell for cell in config.cells if cell.experiment == name) for name in ("images", "linear"))
    assert [evaluated_on(cell, "cuda") for cell in (images, linear)] == ["cuda", "cpu"]
    assert evaluated_on(images, "cpu") == "cpu"
    kept = Kept(tmp_path / "plan.json")
    assert [kept.evaluation_share(cell, config) for cell in (images, linear)] == [kept.gpu_share(images, config), 0]
    kinds = {cell.evaluator: cell for cell in load("smoke", root, beyond=True).cells}
    assert {kind for kind, cell in kinds.items() if evaluation_of(cell).ON_DEVICE} == ON_DEVICE
    counts = Kept(tmp_path / "plan.json").counts(images)
    more = evaluation_job(images, counts, "cuda").memory - evaluation_job(images, counts).memory
    assert more == PROCESS_MIB["cuda"] - PROCESS_MIB["cpu"]


def test_averages_and_shares_are_written_and_held(root, tmp_path):
    """Weights of every share; a checkpoint, twice: weights, two moments, their mean, those of earlier shares."""
    cell = find_cell(load("laptop", root, ["linear"]), "linear", "dense-poe-masked")
    plain = cell.model_copy(update={"train": cell.train.model_copy(update={"averaging": None, "shares": (1.0,)})})
    counts = replace(count(cell), parameters=10**6)
    apart = training_job(cell, counts, "cpu").disk - training_job(plain, counts, "cpu").disk
    assert apart == pytest.approx((3 - 1 + 2 * (1 + 2)) * 4 * 5 * 10**6 / 2**20, abs=1)
