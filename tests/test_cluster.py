"""What runs elsewhere: profiles, what jobs on other machines are told, and where the SLURM test does nothing."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from test_dag import CELLS, DATA, jobs, plan


def profile(root: Path, name: str) -> dict:
    return yaml.safe_load((root / "workflow" / "profiles" / name / "config.yaml").read_text())


@pytest.mark.parametrize("name", ["gpu", "slurm"])
def test_a_profile_repeats_the_default_one_which_it_replaces(root, name):
    default, other = profile(root, "default"), profile(root, name)
    apart = {"cores", "resources"}  # of one machine
    assert {key: other.get(key) for key in default if key not in apart} == {
        key: value for key, value in default.items() if key not in apart
    }


def test_the_gpu_profile_plans_the_paper_scale_on_cuda(root, tmp_path):
    target = "results/paper/linear/dense-poe-masked/metrics.csv"
    done = plan(root, tmp_path, "--workflow-profile", str(root / "workflow/profiles/gpu"), "--", target)
    assert done.returncode == 0, done.stderr
    assert "scale: paper (as set), device cuda" in done.stderr
    assert jobs(done.stdout + done.stderr) == {"data_linear_dense": 1, "train": 1, "evaluate": 1}


SUBMITTED = re.compile(r"^(?:\[.*\] )?(?:Group job (\w+)|Job \d+: )", re.MULTILINE)


def test_short_cells_reach_a_queue_together(root, tmp_path):
    """As the profile groups them, but for the executor, which need not be installed: of 300 jobs some tens are left."""
    settings = profile(root, "slurm")
    told = ("groups", "group-components", "resources", "set-resource-scopes")
    options = [part for key in told for part in (f"--{key}", *settings[key])]
    options += ["--cores", str(settings["cores"]), "--config", "scale=smoke", "device=cuda"]
    done = plan(root, tmp_path, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    submitted = Counter(SUBMITTED.findall(done.stdout + done.stderr))
    alone = [*(f"data_{experiment}_{name}" for experiment, names in DATA.items() for name in names), "classifiers"]
    alone += ["all", "paper_scale"]  # which are not submitted
    alone += [f"baselines {name}" for name in alone[:8]] + [
        f"ceiling {name}" for name in ("clusters", *DATA["multimodal"])
    ]
    assert submitted == {"moments": -(-CELLS["smoke"] // 32), "report": 1, "": len(alone)}
    assert sum(jobs(done.stdout + done.stderr).values()) > 300


@pytest.mark.parametrize(("experiment", "stage"), [("bimodal", "evaluate_examples"), ("multimodal", "evaluate")])
def test_an_experiment_can_be_planned_alone(root, tmp_path, experiment, stage):
    """These have no cell of the other evaluation rule."""
    done = plan(root, tmp_path, "--config", "scale=smoke", f"experiments=[{experiment}]")
    assert done.returncode == 0, done.stderr
    found = jobs(done.stdout + done.stderr)
    assert found["train"] == found[stage]
    assert {"evaluate", "evaluate_examples"} & set(found) == {stage}


@pytest.mark.parametrize(("mode", "code"), [("remote", 0), ("default", 1)])
def test_jobs_take_scale_and_device_from_the_run_that_they_belong_to(root, tmp_path, monkeypatch, mode, code):
    """A job on another machine plans as it is told; the run itself as it is configured."""
    monkeypatch.setenv("PIMVAE_SCALE_AND_DEVICE", json.dumps({"scale": "smoke", "device": "cpu"}))
    target = "results/smoke/bimodal/clusters-poe-masked/metrics.csv"
    done = plan(root, tmp_path, "--config", "scale=laptop", "experiments=[bimodal]", "--mode", mode, "--", target)
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize("home", [None, "/nowhere/home"])
def test_a_job_without_a_home_folder_gets_one_in_the_working_directory(root, tmp_path, home):
    """As on nodes of a cluster: caches go there, and nothing else needs one."""
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_CACHE_HOME")}
    environment |= {"HOME": home} if home else {}
    target = "results/smoke/linear/data/dense/manifest.json"
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(tmp_path)]
    command += ["--config", "scale=smoke", "--", target]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / target).is_file() and (tmp_path / "build" / "home").is_dir()


def test_without_root_the_slurm_test_is_skipped_in_one_line(root, tmp_path):
    fake = tmp_path / "id"
    fake.write_text("#!/bin/sh\necho 1000\n")
    fake.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["bash", str(root / "scripts" / "test_slurm.sh"), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    expected = "test-slurm: skipped: SLURM is installed and started by root on Debian only\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")
