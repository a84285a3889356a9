"""What scripts/gpu_check.sh runs: tests, benchmarks and cells on a GPU, part by part within a limit of time.

Every part writes into the output folder while it runs; summary.json and summary.txt are written after each. A part that
is not over at its limit is cut off, one for which no time is left is skipped. Cells lie in a folder of their own; what
is small of them is in cells.tar.gz. Called again, finished cells are kept and trainings go on from checkpoints.
"""

import argparse
import importlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("torch", "triton", "numpy", "scipy", "scikit-learn", "pandas", "pydantic", "safetensors", "pytest")
BENCHMARKS = ("throughput", "seeds", "sharing", "modalities")
E3 = (
    "complete-poe-masked",
    "complete-sum_pooling-masked",
    "complete-sum_pooling-mixture",
    "half-self_attention-masked",
)
PROCESSES = 16  # at most; each keeps a core busy
LONG = 30_000  # steps
LEAST, GRACE = 5.0, 8.0  # seconds: for less no part begins; from the request to stop to the end of a process
SMALL_FILES = ("run.json", "history.csv", "metrics.csv", "metrics.json")  # of a cell, to be brought home with logs

Found = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """One call of the script; ``quick`` takes the smallest sizes: does everything run?"""

    device: str
    quick: bool
    out: Path
    runs: Path


@contextmanager
def shared(device: str) -> Iterator[None]:
    """NVIDIA's Multi-Process Service, where it is installed: kernels of several processes run side by side.

    Its daemon is this script's own, below a folder for temporary files, and ends with it. Without it processes take
    turns on the GPU. One that the environment names already is left as it is.
    """
    wanted = device == "cuda" and "CUDA_MPS_PIPE_DIRECTORY" not in os.environ
    control = shutil.which("nvidia-cuda-mps-control") if wanted else None
    with tempfile.TemporaryDirectory(prefix="mps") as folder:
        places = dict.fromkeys(("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"), folder) if control else {}
        own = os.environ | places
        runs = control and subprocess.run([control, "-d"], env=own, capture_output=True).returncode == 0
        os.environ.update(places if runs else {})
        try:
            yield
        finally:
            if runs:
                subprocess.run([control], env=own, input=b"quit\n", capture_output=True)
                for name in places:
                    del os.environ[name]


def environment(check: Check, end: float) -> Found:
    """The machine: nvidia-smi, versions, commit."""
    import torch

    with (check.out / "nvidia-smi.txt").open("w", encoding="utf-8") as file:
        try:
            subprocess.run(["nvidia-smi"], stdout=file, stderr=subprocess.STDOUT, timeout=end - time.monotonic())
        except (OSError, subprocess.TimeoutExpired) as error:
            file.write(f"{error}\n")
    about: Found = {"python": platform.python_version(), "cores": os.cpu_count(), "commit": commit()}
    about |= {"mps": "CUDA_MPS_PIPE_DIRECTORY" in os.environ}
    about |= {"versions": {name: found for name in PACKAGES if (found := installed(name))}}
    if torch.cuda.is_available():
        free, whole = torch.cuda.mem_get_info()
        about |= {
            "gpu": torch.cuda.get_device_name(),
            "capability": ".".join(map(str, torch.cuda.get_device_capability())),
        }
        about |= {"cuda": torch.version.cuda, "gpu_memory_mib": whole >> 20, "gpu_free_mib": free >> 20}
    return {"state": "done"} | about


def installed(package: str) -> str | None:
    """Its version, if it is there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str:
    """Of the checkout, else of the one that the wheels were brought from."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("PIMVAE_BUNDLE_COMMIT") or "unknown"


def tests(check: Check, end: float) -> Found:
    """The files of tests that are in part skipped where there is no CUDA device."""
    files = [
        path for path in sorted((ROOT / "tests").rglob("test_*.py")) if "needs a CUDA device" in path.read_text("utf-8")
    ]
    report = check.runs / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-W", "default"]
    command += [f"--junitxml={report}", *(str(path.relative_to(ROOT)) for path in files)]
    code = run(command, check.out / "tests.log", end)
    if code is None or not report.is_file():
        return {"state": "cut" if code is None else "failed", "why": last_line(check.out / "tests.log")}
    counts = ElementTree.parse(report).getroot().find("testsuite").attrib
    found = {name: int(counts[name]) for name in ("tests", "failures", "errors", "skipped")}
    return {"state": "done" if code == 0 else "failed"} | found


def bench(check: Check, end: float) -> Found:
    """Steps/s per scheme, stacked seeds, several cells at once, modalities."""
    out = check.out / "bench"
    command = [sys.executable, "-m", "benchmarks", "--device", check.device, "--out", str(out)]
    command += ["--minimal", "--only", "seeds", "sharing"] if check.quick else ["--only", *BENCHMARKS]
    code = run(command, check.out / "bench.log", end)
    state = {None: "cut", 0: "done"}.get(code, "failed")
    made = out.with_suffix(".json")
    listed = json.loads(made.read_text("utf-8"))["results"] if made.is_file() else []
    done = dict.fromkeys(row["benchmark"] for row in listed)
    why = {} if state == "done" else {"why": last_line(check.out / "bench.log")}
    return {"state": state, "benchmarks": list(done), "numbers": len(listed)} | why


def e3(check: Check, end: float) -> Found:
    """Cells of E3 at workstation scale."""
    scale, names = ("smoke", E3[:1]) if check.quick else ("workstation", E3)
    return cells(check, scale, "multimodal", names, end)


def e2(check: Check, end: float) -> Found:
    """E2 at the publication's scale: as many cells as fit."""
    return cells(check, "smoke" if check.quick else "paper", "bimodal", (), end)


def cells(check: Check, scale: str, experiment: str, names: Sequence[str], end: float) -> Found:
    """Draw data, then train and evaluate cells (all if none is named), some side by side, each in its own processes."""
    from benchmarks.utilisation import Watch
    from pimvae.config import load

    known = load(scale, ROOT, [experiment], device=check.device).cells
    chosen = [cell for cell in known if cell.name in names or not names]
    chosen = chosen[:2] if check.quick else chosen
    folder = check.runs / scale / experiment
    for dataset in dict.fromkeys(cell.dataset for cell in chosen):
        out = folder / "data" / dataset
        if not (out / "manifest.json").is_file():
            drawn = run(pimvae(scale, "data", experiment, dataset, "--out", out), folder / f"data-{dataset}.log", end)
            if drawn != 0:
                return {"state": "cut" if drawn is None else "failed", "why": last_line(folder / f"data-{dataset}.log")}
    processes = 2 if check.quick else min(PROCESSES, os.cpu_count() or 1)
    with Watch() as watch, ThreadPoolExecutor(processes) as pool:
        rows = list(pool.map(partial(one_cell, check, scale, folder, end=end), chosen))
    with tarfile.open(check.out / "cells.tar.gz", "w:gz") as archive:
        for path in sorted(path for name in (*SMALL_FILES, "*.log") for path in check.runs.rglob(name)):
            archive.add(path, path.relative_to(check.runs))
    states = [row["state"] for row in rows]
    state = next((state for state in ("failed", "cut") if state in states), "done")
    found = {
        "state": state,
        "scale": scale,
        "cells": len(rows),
        "finished": states.count("done"),
        "processes": processes,
    }
    return found | {"gpu_busy_percent": watch.busy, "gpu_memory_mib": watch.memory, "rows": rows}


def one_cell(check: Check, scale: str, folder: Path, cell: Any, end: float) -> Found:
    """Train and evaluate; what an earlier call finished is kept."""
    place, data = folder / cell.name, folder / "data" / cell.dataset
    saved = folder / "checkpoints" / f"{cell.name}.safetensors"
    key = (cell.experiment, cell.name)
    # Long trainings are compiled: their kernels ask less of the GPU. For short ones a minute of compiling is much.
    compiled = ("--compile", "always" if cell.train.steps >= LONG and not check.quick else "never")
    where = ("--data", data, "--out", place, "--device", check.device, "--checkpoint", saved)
    train = pimvae(scale, "train", *key, *where, *compiled)
    stages = {
        "train": (train, "run.json"),
        "evaluate": (pimvae(scale, "evaluate", *key, "--data", data, "--run", place), "metrics.csv"),
    }
    row: Found = {"cell": cell.name, "state": "done"}
    for stage, (command, made) in stages.items():
        started, log = time.monotonic(), folder / "logs" / f"{cell.name}-{stage}.log"
        if (place / made).is_file():
            row[stage] = "kept"
            continue
        code = run(command, log, end) if end - started > 1 else None
        row[stage] = round(time.monotonic() - started, 1)
        if code != 0:
            told = {} if code is None else {"why": last_line(log)}
            return row | {"state": "cut" if code is None else "failed", "stage": stage} | told
    record = json.loads((place / "run.json").read_text("utf-8"))
    spent = record["times"]["loop_seconds"]
    return row | {"replicas": len(record["replicas"]), "ms_per_step": round(1e3 * spent / record["steps"], 3)}


def pimvae(scale: str, stage: str, *arguments: object) -> list[str]:
    """A stage of the workflow."""
    scaled = ["--scale", scale, "--root", str(ROOT)]
    return [sys.executable, "-m", "pimvae.cli", stage, *map(str, arguments), *scaled]


def run(command: Sequence[str], log: Path, end: float) -> int | None:
    """Exit code, or None if the command had to be stopped at ``end``; a training then leaves a checkpoint."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True)
        try:
            return process.wait(max(end - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            stop(process)
            return None


def stop(process: subprocess.Popen) -> None:
    """The process and what it started, which is its own group."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        os.killpg(process.pid, number)
        try:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue


def last_line(path: Path) -> str:
    """The last thing that a log says."""
    lines = path.read_text("utf-8", errors="replace").strip().splitlines() if path.is_file() else []
    return lines[-1][:200] if lines else ""


# In this order; the share of the whole time that each may take, of which the last one has what is left.
PARTS: dict[str, tuple[Callable[[Check, float], Found], float]] = {
    "environment": (environment, 0.05),
    "tests": (tests, 0.2),
    "bench": (bench, 0.35),
    "e3": (e3, 0.25),
    "e2": (e2, 1.0),
}


def part(name: str, check: Check, end: float, whole: float) -> Found:
    """What a part found, how it ended and how long it took."""
    function, share = PARTS[name]
    started = time.monotonic()
    left = end - GRACE - started
    if left < LEAST:
        return {"state": "skipped", "why": "no time is left"}
    try:
        found = function(check, started + min(left, share * whole))
    except Exception as error:  # the other parts are worth having
        (check.out / f"{name}-error.log").write_text(traceback.format_exc(), encoding="utf-8")
        found = {"state": "failed", "why": f"{type(error).__name__}: {error}"[:200]}
    return found | {"seconds": round(time.monotonic() - started, 1)}


def write_summary(check: Check, results: dict[str, Found]) -> str:
    """summary.json and summary.txt; returns the text."""
    content = {"device": check.device, "quick": check.quick, "parts": results}
    (check.out / "summary.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    lines = [f"gpu-check on {check.device}{', smallest sizes' if check.quick else ''}"]
    for name, found in results.items():
        shown = {
            key: value for key, value in found.items() if key not in ("state", "rows", "versions") and value is not None
        }
        text = ", ".join(
            f"{key} {' '.join(value) if isinstance(value, list) else value}" for key, value in shown.items()
        )
        lines.append(f"{name:12} {found['state']:8} {text}")
        for row in found.get("rows", []):
            lines.append("  " + ", ".join(f"{key} {value}" for key, value in row.items()))
    text = "\n".join(lines) + "\n"
    (check.out / "summary.txt").write_text(text, encoding="utf-8")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """All parts; returns the exit code: 1 if one failed."""
    parser = argparse.ArgumentParser(prog="gpu-check", description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: to try this script")
    parser.add_argument("--quick", action="store_true", help="smallest sizes: does everything run?")
    parser.add_argument("--seconds", type=float, default=600, help="for everything (default: %(default)g)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--runs", type=Path, default=ROOT / "results" / "gpu-check" / "runs", help="folder of the cells"
    )
    options = parser.parse_args(arguments)
    end = time.monotonic() + options.seconds
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        print("gpu-check: error: this Python has no torch; name one that has: PYTHON=/path/to/python", file=sys.stderr)
        return 1
    if options.device == "cuda" and not torch.cuda.is_available():
        print(
            "gpu-check: error: torch finds no CUDA device; --device cpu --quick tries the script without",
            file=sys.stderr,
        )
        return 1
    check = Check(options.device, options.quick, options.out.resolve(), options.runs.resolve())
    for folder in (check.out, check.runs):
        folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Found] = {}
    with shared(check.device):
        for name in PARTS:
            results[name] = part(name, check, end, options.seconds)
            text = write_summary(check, results)
            print(f"gpu-check: {text.splitlines()[-1 - len(results[name].get('rows', []))]}", flush=True)
    print(f"gpu-check: {check.out / 'summary.txt'}")
    return int(any(found["state"] == "failed" for found in results.values()))


if __name__ == "__main__":
    sys.exit(main())
