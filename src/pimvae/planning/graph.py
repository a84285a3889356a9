"""The jobs of ``snakemake all`` and what each waits for, as ``workflow/rules`` states them, to simulate a run."""

__all__ = ["TRUE_MODEL", "bundle", "jobs"]

from dataclasses import replace
from math import ceil

from pimvae import registry
from pimvae.config.experiments import Config, DataSet
from pimvae.config.schema import Cell
from pimvae.planning.kept import Kept
from pimvae.planning.resources import JOB, START, Job, baselines_job, ceiling_job, data_job
from pimvae.planning.schedule import Task

# Seconds of what follows the cells, and of classifiers, as a core took them at laptop scale, and MiB at most.
SECONDS = {"collect": 3.0, "claims": 14.0, "tables": 20.0, "macros": 3.0, "figure": 4.0,
           "paper_scale": 1.0, "paper": 6.0, "render_notebook": 15.0, "classifiers": 20.0}  # fmt: skip
REPORT_MIB = 700
NOTEBOOKS = ("01_tour", "02_read_the_results", "03_add_an_aggregator", "04_own_data")
TRUE_MODEL = ("bimodal", "multimodal")  # kinds of data whose true model is known, but not in closed form


def jobs(config: Config, kept: Kept, processes: int = 1) -> dict[str, Task]:
    """By name: rule, experiment and cell, data set, figure or notebook.

    Args:
        config: one run of the workflow.
        kept: what was counted and timed, from which its jobs are estimated.
        processes: that train the replicas of a cell side by side, a core each.
    """
    tasks: dict[str, Task] = {}
    for cell in config.cells:
        tasks |= _cell(cell, config, kept, processes)
    for dataset in config.datasets:
        tasks |= _dataset(dataset, max(tasks[f"train {_name(cell)}"].urgency for cell in _using(config, dataset)))
    return tasks | _report(tuple(name for name in tasks if not name.startswith("data ")))


def bundle(seconds: float) -> str | None:
    """The kind of short cells with which one of so many seconds shares a job of a cluster; None if it is on its own."""
    return "moments" if seconds < 300 else "minutes" if seconds < 3600 else None


def _name(cell: Cell) -> str:
    return f"{cell.experiment}/{cell.name}"


def _using(config: Config, dataset: DataSet) -> list[Cell]:
    return [cell for cell in config.of(dataset.experiment) if cell.dataset == dataset.name]


def _task(job: Job, after: tuple[str, ...], urgent: float, gpu: int = 0) -> Task:
    """The job as it should run; what is asked of a scheduler has another allowance for its start."""
    return Task(job.seconds - START + JOB, after, urgent, gpu, job.memory)


def _cell(cell: Cell, config: Config, kept: Kept, processes: int) -> dict[str, Task]:
    training, evaluation = kept.training(cell, config.device), kept.evaluation(cell, config.device)
    data, urgent = f"data {cell.experiment}/{cell.dataset}", kept.urgency(cell, config.device)
    classifiers = (f"classifiers {cell.experiment}/{cell.dataset}",) if cell.data.kind == "images" else ()
    train = _apart(_task(training, (data,), urgent, kept.gpu_share(cell, config)), len(cell.members), processes)
    # A trained cell is evaluated first, since Snakemake prefers larger inputs among jobs of equal priority.
    after = (data, f"train {_name(cell)}", *classifiers)
    evaluate = _task(evaluation, after, urgent + 0.5, kept.evaluation_share(cell, config))
    return {f"train {_name(cell)}": train, f"evaluate {_name(cell)}": evaluate}


def _apart(task: Task, members: int, processes: int) -> Task:
    """The training in as many processes as have something to do: as long as the largest part of the replicas takes."""
    largest = ceil(members / processes)
    cores = ceil(members / largest)
    seconds = JOB + (task.seconds - JOB) * largest / members
    return replace(task, seconds=seconds, cores=cores, memory=task.memory * cores)


def _dataset(dataset: DataSet, urgent: float) -> dict[str, Task]:
    """Drawing the data, and what is made of them once for all cells."""
    name = f"{dataset.experiment}/{dataset.name}"
    data = f"data {name}"
    tasks = {data: _task(data_job(dataset), (), urgent)}
    tasks[f"baselines {name}"] = _task(baselines_job(dataset), (data,), 0)
    if dataset.data.kind in TRUE_MODEL:
        tasks[f"ceiling {name}"] = _task(ceiling_job(dataset), (data,), 0)
    if dataset.data.kind == "images":
        tasks[f"classifiers {name}"] = replace(_fixed("classifiers", data), urgency=urgent)
    return tasks


def _fixed(rule: str, *after: str) -> Task:
    return Task(SECONDS[rule], after, memory=REPORT_MIB)


def _report(measured: tuple[str, ...]) -> dict[str, Task]:
    """From the cells to the paper."""
    tasks = {"collect": _fixed("collect", *measured), "paper_scale": _fixed("paper_scale")}
    tasks["claims"], judged = _fixed("claims", "collect"), ("collect", "claims")
    tasks |= {rule: _fixed(rule, *judged) for rule in ("tables", "macros")}
    figures = {f"figure {name}": _fixed("figure", *judged) for name in registry.names("report.figures")}
    read = {f"render_notebook {name}": judged if "results" in name else () for name in NOTEBOOKS}
    notebooks = {name: _fixed("render_notebook", *after) for name, after in read.items()}
    tasks |= figures | notebooks
    return tasks | {"paper": _fixed("paper", "tables", "macros", "paper_scale", *figures)}
