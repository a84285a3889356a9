"""List scheduling: when the jobs of a graph run on so many cores and one GPU."""

__all__ = ["GPU", "Schedule", "Task", "schedule"]

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

GPU = 1000  # a whole one: jobs ask for thousandths


@dataclass(frozen=True)
class Task:
    """One job.

    Args:
        seconds: from its start to its end.
        after: names of the jobs that end before it starts.
        urgency: of the jobs that could start, those with more of it do so first; equal ones in the order of the graph.
        gpu: thousandths of the GPU, at most 1000.
        memory: MiB.
        cores: that it keeps busy.
    """

    seconds: float
    after: tuple[str, ...] = ()
    urgency: float = 0.0
    gpu: int = 0
    memory: int = 0
    cores: int = 1


@dataclass(frozen=True)
class Schedule:
    """How a graph ran: start of every job and end of the last one, in seconds.

    Args:
        starts: by job.
        elapsed: from the first start to the last end.
        critical: the chain of jobs, each after the one before, that takes longest: no number of cores goes below it.
        idle: share of the core seconds in which a core has no job.
        memory: MiB, the largest sum over jobs that run at once.
    """

    starts: Mapping[str, float]
    elapsed: float
    critical: float
    idle: float
    memory: int


def schedule(tasks: Mapping[str, Task], cores: int) -> Schedule:
    """Whenever a job ends, start the most urgent ones whose needs are free (Graham's list scheduling).

    Args:
        tasks: by name; every name in an ``after`` is among them, and none waits for itself.
        cores: that there are; none of the tasks needs more.
    """
    graph = TopologicalSorter({name: task.after for name, task in tasks.items()})
    graph.prepare()
    order = {name: (-task.urgency, place) for place, (name, task) in enumerate(tasks.items())}
    ready = sorted(graph.get_ready(), key=order.__getitem__)
    running: list[tuple[float, str]] = []
    starts: dict[str, float] = {}
    now, free, gpu, memory, peak = 0.0, cores, GPU, 0, 0
    while ready or running:
        held = []
        for name in ready:
            task = tasks[name]
            if task.cores > free or task.gpu > gpu:
                held.append(name)
                continue
            starts[name] = now
            heapq.heappush(running, (now + task.seconds, name))
            free, gpu, memory = free - task.cores, gpu - task.gpu, memory + task.memory
        peak = max(peak, memory)
        now = running[0][0]
        while running and running[0][0] == now:  # all that end at once, before anything starts
            name = heapq.heappop(running)[-1]
            free, gpu, memory = free + tasks[name].cores, gpu + tasks[name].gpu, memory - tasks[name].memory
            graph.done(name)
        ready = sorted([*held, *graph.get_ready()], key=order.__getitem__)
    work = sum(task.seconds * task.cores for task in tasks.values())
    idle = max(0.0, 1 - work / (cores * now)) if now else 0.0  # sums are rounded
    return Schedule(starts, now, _longest(tasks, starts), idle, peak)


def _longest(tasks: Mapping[str, Task], starts: Mapping[str, float]) -> float:
    """Seconds of the longest chain."""
    ends: dict[str, float] = {}
    for name in starts:  # in the order in which they started
        ends[name] = tasks[name].seconds + max((ends[before] for before in tasks[name].after), default=0.0)
    return max(ends.values(), default=0.0)
