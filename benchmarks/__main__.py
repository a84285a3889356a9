"""``python -m benchmarks``: run benchmarks, print a table, write it as CSV and JSON."""

__all__ = ["main"]

import argparse
import csv
import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: a job of the workflow has one thread

import torch

from benchmarks.measure import FULL, MINIMAL, Effort, Result

NAMES = ("stacking", "throughput", "likelihood", "startup", "modalities", "seeds", "averaging", "compile",
         "precision", "sharing")  # fmt: skip
MANY = (1, 5, 25)  # stacked seeds, where a step of one leaves the device idle


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that are asked for; returns the exit code."""
    options = _options(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("benchmarks: error: device 'cuda' was asked for, but torch finds no CUDA device", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    effort = replace(MINIMAL if options.minimal else FULL, device=options.device)
    if options.device == "cuda" and not options.minimal:
        effort = replace(effort, seeds=MANY)
    found: list[tuple[str, Result]] = []
    for name in options.only or NAMES:
        found += [(name, result) for result in _run(name, effort)]
        _write(options.out, found, options.device)  # what is done is kept if the rest is cut off
    print(f"\nwritten: {options.out}.csv, {options.out}.json")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory, as ratios in one run.")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=f"of: {', '.join(NAMES)}")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--minimal", action="store_true", help="smallest sizes: does everything run?")
    parser.add_argument("--out", type=Path, default=Path("results/bench"), help="without ending (default: %(default)s)")
    return parser.parse_args(arguments)


def _run(name: str, effort: Effort) -> list[Result]:
    """Run one benchmark and print its results as they come."""
    module = importlib.import_module(f"benchmarks.{name}")
    print(f"\n{name}: {module.__doc__.strip().splitlines()[0]}", flush=True)
    started, case, results = time.perf_counter(), "", []
    for result in module.run(effort):
        if effort.minimal:  # budgets are for the real sizes
            result = replace(result, least=None, most=None)
        if result.case != case:
            case = result.case
            print(f"  {case}")
        print(f"    {_line(result)}", flush=True)
        results.append(result)
    print(f"  ({time.perf_counter() - started:.0f} s)")
    return results


def _line(result: Result) -> str:
    spread = "" if result.spread is None else f"± {result.spread:.2g}"
    line = f"{result.quantity:36s} {result.value:10.4g} {spread:10s} {result.unit:16s}"
    for word, bound in (("at least", result.least), ("at most", result.most)):
        if bound is not None:
            line += f" budget: {word} {bound:g}, {result.verdict}"
    return line.rstrip()


def _write(out: Path, found: Sequence[tuple[str, Result]], device: str) -> None:
    """The same numbers for programs."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["benchmark", *(field.name for field in fields(Result)), "verdict"])
        writer.writerows([name, *asdict(result).values(), result.verdict] for name, result in found)
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    about = {"device": device, "device_name": name, "cpu_count": os.cpu_count(), "torch": torch.__version__}
    rows = [{"benchmark": name, **asdict(result), "verdict": result.verdict} for name, result in found]
    out.with_suffix(".json").write_text(json.dumps({"about": about, "results": rows}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
