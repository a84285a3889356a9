"""List scheduling against graphs whose schedules are known, and the graph of jobs against Snakemake's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pimvae.config import find_cell, load
from pimvae.planning.graph import jobs
from pimvae.planning.kept import Kept
from pimvae.planning.resources import JOB
from pimvae.planning.schedule import Task, schedule

FORK = {  # a chain a-b-d of 2 + 3 + 1 seconds with c of 4 seconds beside it
    "a": Task(2, memory=10),
    "b": Task(3, ("a",), memory=20),
    "c": Task(4, memory=40),
    "d": Task(1, ("b", "c"), memory=5),
}


@pytest.mark.parametrize(("cores", "elapsed", "memory"), [(1, 10, 40), (2, 6, 60), (8, 6, 60)])
def test_a_small_graph_by_hand(cores, elapsed, memory):
    found = schedule(FORK, cores)
    assert (found.elapsed, found.critical, found.memory) == (elapsed, 6, memory)
    assert found.idle == pytest.approx(1 - 10 / (cores * elapsed))
    assert found.starts["b"] >= 2 and found.starts["d"] == elapsed - 1


def test_equal_jobs_fill_the_cores():
    found = schedule({f"{number}": Task(3) for number in range(10)}, 4)
    assert (found.elapsed, found.critical, found.idle) == (9, 3, 1 - 30 / 36)
    assert [found.starts[f"{number}"] for number in (0, 3, 4, 9)] == [0, 0, 3, 6]


def test_urgent_jobs_start_first():
    """A long job that starts last keeps one core waiting."""
    tasks = {"x": Task(1), "y": Task(1), "z": Task(1), "long": Task(4)}
    assert schedule(tasks, 2).elapsed == 5
    assert schedule({name: Task(task.seconds, urgency=task.seconds) for name, task in tasks.items()}, 2).elapsed == 4


def test_more_cores_can_take_longer():
    """Graham's anomaly (Bounds on multiprocessing timing anomalies, 1969): nine jobs, 12 seconds on three cores."""
    seconds = {"1": 3, "2": 2, "3": 2, "4": 2, "9": 9, "5": 4, "6": 4, "7": 4, "8": 4}
    after = {"9": ("1",), **dict.fromkeys(("5", "6", "7", "8"), ("4",))}
    order = {name: -number for number, name in enumerate(("1", "2", "3", "4", "5", "6", "7", "8", "9"))}
    tasks = {name: Task(time, after.get(name, ()), order[name]) for name, time in seconds.items()}
    assert schedule(tasks, 3).elapsed == 12
    assert schedule(tasks, 4).elapsed == 15


def test_a_task_of_several_cores_waits_for_them():
    tasks = {"a": Task(2, cores=3), "b": Task(1), "c": Task(3, cores=2), "d": Task(1)}
    found = schedule(tasks, 4)
    assert found.starts == {"a": 0, "b": 0, "d": 1, "c": 2}
    assert (found.elapsed, found.critical, found.idle) == (5, 3, pytest.approx(1 - 14 / 20))


def test_processes_shorten_the_longest_training():
    """Two seeds and two values of β: four replicas, which five processes have no use for."""
    config = load("smoke", settings={"experiments": ["bimodal"]})
    one, two, five = (jobs(config, Kept(Path("none")), processes) for processes in (1, 2, 5))
    name = "train bimodal/clusters-poe-masked"
    members = len(find_cell(config, "bimodal", "clusters-poe-masked").seeds) * 2
    assert (one[name].cores, two[name].cores, five[name].cores) == (1, 2, min(5, members))
    worked = one[name].seconds - JOB
    assert two[name].seconds == pytest.approx(JOB + worked / 2)
    assert five[name].seconds == pytest.approx(JOB + worked * -(-members // 5) / members)


def test_trainings_share_a_gpu_as_far_as_it_goes():
    shares = {"a": 500, "b": 500, "c": 1000, "d": 250}
    tasks = {name: Task(2, gpu=share) for name, share in shares.items()} | {"cpu": Task(7)}
    found = schedule(tasks, 8)
    assert found.starts == {"a": 0, "b": 0, "cpu": 0, "c": 2, "d": 4}
    assert schedule({name: Task(2, gpu=share) for name, share in shares.items()}, 1).elapsed == 8


def test_nothing_takes_no_time():
    assert schedule({}, 2).elapsed == schedule({}, 2).idle == schedule({}, 2).critical == 0
    assert schedule({"b": Task(0, ("a",)), "a": Task(0)}, 1).starts == {"a": 0, "b": 0}


NODE = re.compile(r'^\s*(\d+)\[label = "([^"]*)"', re.MULTILINE)
EDGE = re.compile(r"^\s*(\d+) -> (\d+)$", re.MULTILINE)


def rule(label: str) -> str:
    """A rule of Snakemake as the graph here calls it: without the names of data sets, examples apart or not."""
    name = label.split("\\n")[0].removesuffix("_examples")
    return re.sub(r"^(data|ceiling|baselines|classifiers)_.*", r"\1", name)


def counted(edges) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for edge in edges:
        found[edge] = found.get(edge, 0) + 1
    return found


def test_the_graph_is_that_of_the_workflow(root, tmp_path):
    """Job by job and edge by edge, but for figures that also read examples, and for all, which does nothing."""
    command = [sys.executable, "-m", "snakemake", "--dag", "dot", "--directory", str(tmp_path)]
    command += ["--config", "scale=smoke", "device=cpu", "experiments=[bimodal,images]"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr[-2000:]
    rules = {number: rule(label) for number, label in NODE.findall(done.stdout)}
    theirs = [(rules[start], rules[end]) for start, end in EDGE.findall(done.stdout) if rules[end] != "all"]
    tasks = jobs(load("smoke", root, ["bimodal", "images"], device="cpu"), Kept(tmp_path / "plan.json"))
    ours = [(before.split()[0], name.split()[0]) for name, task in tasks.items() for before in task.after]
    assert counted([(name.split()[0], "") for name in tasks]) == counted(
        [(name, "") for name in rules.values() if name != "all"]
    )
    assert counted(ours) == counted(edge for edge in theirs if edge != ("evaluate", "figure"))
