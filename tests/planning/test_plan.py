"""``pimvae plan``: the table, its JSON, timings that are kept."""

import json

import pytest
from builders import training_cell

from pimvae.cli import main
from pimvae.config import load
from pimvae.planning import measure
from pimvae.planning.counts import Problem
from pimvae.planning.job import Row, duration, memory_text, rows, total
from pimvae.planning.kept import Kept
from pimvae.planning.model_counts import count
from pimvae.planning.resources import CAUTIOUS


def row(**changes):
    values = {"datasets": 1, "cells": 2, "trainings": 4, "steps": 10, "operations": 100, "training_seconds": 60.0,
              "evaluation_seconds": 30.0, "memory": 500, "measured": None, "disk": 3, "device_memory": 700}  # fmt: skip
    return Row("linear", **(values | changes))


@pytest.fixture
def checkout(root, tmp_path):
    """A root of the same configuration, where nothing was planned yet."""
    (tmp_path / "config").symlink_to(root / "config")
    return tmp_path


def test_untimed_plan_of_a_scale(checkout, capsys):
    options = ["--scale", "smoke", "--root", str(checkout), "--device", "cpu", "--cores", "2"]
    assert main(["plan", *options, "--untimed"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["experiment", "linear"]
    assert len({len(line) for line in lines[: lines.index("")]}) == 1  # aligned
    assert lines[lines.index("") - 1].startswith("total")
    assert lines[-3].startswith("  on 2 cores ") and lines[-2].startswith("longest chain of jobs")
    assert "nothing was timed" in lines[-1]


def test_numbers_of_the_plan_are_sums_over_cells(checkout, capsys):
    options = ["--scale", "smoke", "--experiments", "bimodal", "--device", "cpu", "--cores", "3", "64"]
    assert main(["plan", *options, "--root", str(checkout), "--untimed", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    cells = load("smoke", checkout, ["bimodal"]).cells
    assert [part["experiment"] for part in found["experiments"]] == ["bimodal"]
    assert found["total"]["cells"] == len(cells)
    assert found["total"]["trainings"] == sum(len(cell.members) for cell in cells)
    operations = sum(cell.train.steps * len(cell.members) * count(cell).operations for cell in cells)
    assert found["total"]["operations"] == operations
    assert found["seconds"] > found["total"]["training_seconds"] + found["total"]["evaluation_seconds"]
    assert [run["cores"] for run in found["runs"]] == [3, 64]
    for run in found["runs"]:
        assert run["elapsed_seconds"] >= max(run["critical_seconds"], found["seconds"] / run["cores"])
        assert 1 - run["idle"] == pytest.approx(found["seconds"] / run["cores"] / run["elapsed_seconds"])
    assert found["runs"][0]["elapsed_seconds"] > found["runs"][1]["elapsed_seconds"]
    assert found["total"]["memory"] <= found["runs"][0]["memory"] <= 3 * found["total"]["memory"]


def test_a_plan_keeps_the_counts_of_all_experiments_that_were_planned(checkout):
    for name in ("bimodal", "linear"):
        assert main(["plan", "--scale", "smoke", "--root", str(checkout), "--untimed", "--experiments", name]) == 0
    kept = Kept(checkout / "results" / "smoke" / "plan.json")
    cells = load("smoke", checkout, ["bimodal", "linear"]).cells
    assert kept.content.keys() == {"counts"}
    assert kept.content["counts"].keys() == {Problem.of(cell).fingerprint() for cell in cells}
    assert all(kept.counts(cell) == count(cell) for cell in cells)


def test_memory_that_was_measured_is_shown(root, tmp_path):
    folder = tmp_path / "benchmarks" / "bimodal"
    folder.mkdir(parents=True)
    (folder / "a-train.tsv").write_text("s\tmax_rss\n1\t321.5\n")
    (folder / "b-train.tsv").write_text("s\tmax_rss\n1\tNA\n")  # a job that was too short to be looked at
    (found,) = rows(load("smoke", root, ["bimodal"]), tmp_path, {"bimodal": CAUTIOUS["cpu"]})
    assert found.measured == 321.5


def test_a_plan_for_a_gpu_says_how_many_share_it(checkout, capsys):
    options = ["--scale", "smoke", "--experiments", "linear", "--device", "cuda", "--cores", "16", "--untimed"]
    assert main(["plan", *options, "--root", str(checkout)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "trainings on the GPU at once: 8 (cells_per_gpu, time, memory)" in lines


def test_totals():
    whole = total([row(measured=200.0), row(memory=900, training_seconds=40.0)])
    assert (whole.cells, whole.memory, whole.measured, whole.disk) == (4, 900, 200.0, 6)


def test_text_of_numbers():
    assert [duration(s) for s in (5, 90, 5400, 180_000)] == ["5 s", "1.5 min", "1.5 h", "2.1 d"]
    assert [memory_text(m) for m in (512, 1536)] == ["512 MB", "1.5 GB"]


def test_timings_are_kept_until_something_changes(root, tmp_path):
    cells = [cell for cell in load("smoke", root, ["linear"]).cells if cell.dataset == "dense"][:2]
    path, said = tmp_path / "plan.json", []
    first = measure.measure(cells, "cpu", Kept(path), tell=said.append)
    assert len(said) == 2 and "dense-poe-masked" in said[0]
    again = measure.measure(cells, "cpu", Kept(path), tell=said.append)
    assert len(said) == 2 and again == first
    assert first["linear"].step >= 0 and first["linear"].training > 0 and first["linear"].evaluation > 0
    assert Kept(path).speed("cpu", "linear") == first["linear"]
    other = [cells[0].model_copy(update={"seeds": (0,)})]
    measure.measure(other, "cpu", Kept(path), tell=said.append)
    assert len(said) == 3
    measure.measure(other, "cpu", Kept(path), fresh=True, tell=said.append)
    assert len(said) == 4


def test_a_line_is_fitted_to_the_timings():
    cells = [training_cell(batch_size=size) for size in (8, 16, 32)]
    timed = [(cell, {"step": 0.5 + count(cell).operations / 2e6, "evaluation": 1e-9}) for cell in cells]
    found = measure._speed(timed, CAUTIOUS["cpu"])
    assert (found.step, found.training, found.evaluation) == pytest.approx((0.5, 2e6, 1e9), rel=1e-6)


@pytest.mark.parametrize(("option", "says"), [(["--cores", "0"], "at least 1"), (["--experiments", "linea"], "linear")])
def test_a_wrong_option_is_one_line(root, capsys, option, says):
    assert main(["plan", "--scale", "smoke", "--root", str(root), "--untimed", *option]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("pimvae: error: ") and says in error


@pytest.mark.parametrize("experiment", ["images", "aggregators", "audit"])
def test_every_experiment_can_be_timed(root, tmp_path, experiment):
    """Those that are evaluated by the code of another experiment, or with classifiers, too."""
    cells = load("smoke", root, [experiment]).cells[:1]
    found = measure.measure(cells, "cpu", Kept(tmp_path / "plan.json"))
    assert found[experiment].training > 0 and found[experiment].evaluation > 0
