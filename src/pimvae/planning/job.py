"""``pimvae plan``: what a scale takes, per experiment and in all."""

__all__ = ["Row", "rows", "run"]

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pimvae.config.experiments import Config
from pimvae.planning.graph import jobs
from pimvae.planning.kept import Kept
from pimvae.planning.model_counts import count
from pimvae.planning.resources import CAUTIOUS, JOB, Speed, data_job, device_memory, evaluation_job, training_job
from pimvae.planning.schedule import GPU, Schedule, schedule
from pimvae.results.jobs import read_jobs

HEADINGS = ("experiment", "data sets", "cells", "trainings", "steps", "operations", "training", "evaluation", "memory",
            "measured", "disk")  # fmt: skip
LARGEST = ("memory", "measured", "device_memory")  # of a row: all others add up


@dataclass(frozen=True)
class Row:
    """One experiment, or all: counts, operations and seconds of all jobs, MiB of the largest job and MiB on disk.

    ``trainings`` counts replicas, ``steps`` those of every stack once. ``measured`` is the largest memory of a job that
    has run at this scale, ``device_memory`` what the largest training keeps on a GPU.
    """

    experiment: str
    datasets: int
    cells: int
    trainings: int
    steps: int
    operations: int
    training_seconds: float
    evaluation_seconds: float
    memory: int
    measured: float | None
    disk: int
    device_memory: int


def rows(config: Config, results: Path, speeds: Mapping[str, Speed]) -> list[Row]:
    """A row per experiment."""
    measured = read_jobs(results).groupby("part")["memory"].max().dropna()
    return [_row(config, name, measured.get(name), speeds[name]) for name in config.experiments]


def _row(config: Config, experiment: str, measured: float | None, speed: Speed) -> Row:
    cells = config.of(experiment)
    datasets = [dataset for dataset in config.datasets if dataset.experiment == experiment]
    counted = [(cell, count(cell)) for cell in cells]
    asked = [training_job(*pair, config.device) for pair in counted]
    asked += [evaluation_job(*pair, config.device) for pair in counted] + [data_job(dataset) for dataset in datasets]
    return Row(
        experiment,
        len(datasets),
        len(cells),
        sum(len(cell.members) for cell in cells),
        sum(cell.train.steps for cell in cells),
        sum(cell.train.steps * len(cell.members) * counts.operations for cell, counts in counted),
        sum(JOB + speed.training_seconds(*pair) for pair in counted),
        sum(JOB + speed.evaluation_seconds(*pair) for pair in counted),
        max(job.memory for job in asked),
        measured,
        sum(job.disk for job in asked),
        max(device_memory(*pair) for pair in counted),
    )


def total(parts: Sequence[Row]) -> Row:
    """All experiments."""
    whole = {}
    for field in fields(Row)[1:]:
        values = [value for row in parts if (value := getattr(row, field.name)) is not None]
        whole[field.name] = max(values, default=None) if field.name in LARGEST else sum(values)
    return Row("total", **whole)


def run(
    config: Config,
    results: Path,
    cores: Sequence[int],
    timed: bool,
    fresh: bool,
    as_json: bool,
    tell: Callable[[str], None],
    processes: int = 1,
) -> str:
    """The plan as text.

    Args:
        config: a scale.
        results: folder of the scale; counts and timings are kept there as ``plan.json``.
        cores: that there are; a run is simulated for each number.
        timed: time a few steps on this device; else speeds found earlier, or cautious ones, are used.
        fresh: time again what was timed before.
        as_json: JSON instead of a table.
        tell: receives progress.
        processes: that train the replicas of a cell side by side.
    """
    kept = Kept(results / "plan.json")
    tell(f"counting {len(config.cells)} cells")
    kept.keep_counts((cell, count(cell)) for cell in config.cells)
    kept.write()
    if timed:
        from pimvae.planning.measure import measure

        speeds = measure(config.cells, config.device, kept, fresh, tell)
    else:
        speeds = {name: kept.speed(config.device, name) for name in config.experiments}
    parts = rows(config, results, speeds)
    whole = total(parts)
    tasks = jobs(config, kept)
    runs = {number: schedule(jobs(config, kept, min(processes, number)), number) for number in cores}
    work = sum(task.seconds for task in tasks.values())
    if as_json:
        content = {"scale": config.scale, "device": config.device, "jobs": len(tasks), "seconds": work}
        content |= {"experiments": [asdict(row) for row in parts], "total": asdict(whole)}
        return json.dumps(content | {"runs": [_numbers(number, run) for number, run in runs.items()]}, indent=1)
    words = [f"{len(tasks)} jobs take {duration(work)} one after the other", *_runs(runs)]
    if config.device == "cuda":
        words += _on_gpu([task.gpu for task in tasks.values() if task.gpu], whole)
    if any(speed == CAUTIOUS[config.device] for speed in speeds.values()):
        words.append("times are cautious guesses: nothing was timed on this device")
    return "\n".join([*_table([*parts, whole]), "", *words])


def _table(parts: Sequence[Row]) -> list[str]:
    """Aligned columns, names to the left and numbers to the right."""
    texts = [HEADINGS, *map(_texts, parts)]
    widths = [max(len(row[i]) for row in texts) for i in range(len(HEADINGS))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(text.rjust(w) for text, w in zip(row[1:], widths[1:], strict=True))])
        for row in texts
    ]
    return [*lines[:-1], "-" * len(lines[0]), lines[-1]]


def _texts(row: Row) -> tuple[str, ...]:
    counts = (row.datasets, row.cells, row.trainings, row.steps)
    measured = "-" if row.measured is None else memory_text(row.measured)
    return (row.experiment, *(f"{value:,}" for value in counts), f"{row.operations:.2g}",
            duration(row.training_seconds), duration(row.evaluation_seconds), memory_text(row.memory), measured,
            memory_text(row.disk))  # fmt: skip


def _numbers(cores: int, run: Schedule) -> dict[str, float]:
    return {"cores": cores, "elapsed_seconds": run.elapsed, "critical_seconds": run.critical, "idle": run.idle,
            "memory": run.memory}  # fmt: skip


def _runs(runs: Mapping[int, Schedule]) -> list[str]:
    """A line for each number of cores, and what no number of them shortens."""
    width = max(len(f"{cores}") for cores in runs)
    lines = [
        f"  on {cores:{width}} core{'s' if cores > 1 else ' '}  {duration(run.elapsed):>8}, "
        f"{run.idle:4.0%} of the core time idle, up to {memory_text(run.memory)} at a time"
        for cores, run in runs.items()
    ]
    critical = max(run.critical for run in runs.values())
    return [*lines, f"longest chain of jobs, each after the other: {duration(critical)}"]


def _on_gpu(shares: Sequence[int], whole: Row) -> list[str]:
    """How many trainings there are on the GPU at once."""
    numbers = sorted({GPU // max(shares), GPU // min(shares)})
    return [
        f"trainings on the GPU at once: {' to '.join(map(str, numbers))} (cells_per_gpu, time, memory)",
        f"GPU memory of the largest training: {memory_text(whole.device_memory)}",
    ]


def duration(seconds: float) -> str:
    """Two digits of what a person waits for."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def memory_text(mib: float) -> str:
    """MB or GB, in powers of 1024."""
    return f"{mib / 1024:.1f} GB" if mib >= 1024 else f"{mib:.0f} MB"
