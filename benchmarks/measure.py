"""Timing and memory: interleaved repetitions, median and spread, what one quantity is called and should be."""

__all__ = ["FULL", "MINIMAL", "Effort", "Result", "Timing", "interleaved", "linear_fit", "peak_bytes"]

import gc
import statistics
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

LEAST = 1e-9  # seconds; a clock may stand still


@dataclass(frozen=True)
class Effort:
    """How much a benchmark does: repetitions, least seconds of one timing, the sizes that it goes through."""

    repetitions: int
    seconds: float
    modalities: tuple[int, ...]
    seeds: tuple[int, ...]
    particles: int
    device: str = "cpu"
    minimal: bool = False  # narrow networks and few samples: does the benchmark run at all?


FULL = Effort(7, 0.3, (2, 4, 8, 16, 32), (1, 2, 3, 5), 1000)
MINIMAL = Effort(1, 0.0, (2, 3), (1, 2), 8, minimal=True)


@dataclass(frozen=True)
class Result:
    """One number: what was measured (case), which quantity, the value; the spread and the budget where there are any.

    ``spread`` is half the range between the quartiles of the repetitions. ``least`` and ``most`` are budgets.
    """

    case: str
    quantity: str
    value: float
    unit: str = ""
    spread: float | None = None
    least: float | None = None
    most: float | None = None

    @property
    def verdict(self) -> str:
        """``kept`` or ``missed``; empty where there is no budget."""
        if self.least is None and self.most is None:
            return ""
        kept = (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)
        return "kept" if kept else "missed"


@dataclass(frozen=True)
class Timing:
    """Seconds of one call, a number per repetition."""

    seconds: tuple[float, ...]

    def result(self, case: str, quantity: str, unit: str, convert: Callable[[float], float], **budget: Any) -> Result:
        """The median over repetitions of ``convert(seconds)``."""
        return _summary([convert(value) for value in self.seconds], case, quantity, unit, **budget)

    def over(self, other: "Timing", case: str, quantity: str, factor: float = 1.0, **budget: Any) -> Result:
        """The median over repetitions of ``factor`` times the ratio of two timings that were made side by side."""
        ratios = [factor * mine / its for mine, its in zip(self.seconds, other.seconds, strict=True)]
        return _summary(ratios, case, quantity, "×", **budget)

    @property
    def median(self) -> float:
        """The median of the repetitions."""
        return statistics.median(self.seconds)


def _summary(values: Sequence[float], case: str, quantity: str, unit: str, **budget: Any) -> Result:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return Result(case, quantity, float(middle), unit, float(high - low) / 2, **budget)


def clock(device: str) -> float:
    """CPU seconds of this process; on CUDA seconds since some moment, with everything that was launched finished.

    Processor time is what other programs of a shared machine distort least.
    """
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def interleaved(actions: Mapping[str, Callable[[int], object]], effort: Effort) -> dict[str, Timing]:
    """Time actions in turn, repetition by repetition, so that what disturbs the machine meets all of them alike.

    Args:
        actions: by name; each is told how many times to do what it does.
        effort: repetitions, and the least time of one of them, from which the number of times follows.
    """
    counts = {name: _count(action, effort) for name, action in actions.items()}
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(effort.repetitions):
        for name, action in actions.items():
            seconds[name].append(_timed(action, counts[name], effort.device) / counts[name])
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def _count(action: Callable[[int], object], effort: Effort) -> int:
    """How many times fill the least time; this also warms up."""
    action(1)
    return max(1, round(effort.seconds / _timed(action, 1, effort.device)))


def _timed(action: Callable[[int], object], count: int, device: str) -> float:
    gc.collect()
    start = clock(device)
    action(count)
    return max(clock(device) - start, LEAST)


def linear_fit(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Intercept, slope and R² of the least-squares line."""
    slope, intercept = np.polyfit(x, y, 1)
    residual = np.asarray(y) - (intercept + slope * np.asarray(x))
    return float(intercept), float(slope), float(1 - residual.var() / np.var(y))


class LiveBytes(TorchDispatchMode):
    """Follows the memory of what operations return, from the first time to release; ``peak`` is the largest sum."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._follow(leaf.untyped_storage())
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        address, size = storage._cdata, storage.nbytes()
        if address in self.known:
            return
        self.known.add(address)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._release, address, size)

    def _release(self, address: int, size: int) -> None:
        self.known.discard(address)
        self.live -= size


def peak_bytes(action: Callable[[int], object], device: str) -> int:
    """The largest memory of the action's tensors: on a GPU those made in it, else also older ones that it works on."""
    action(1)
    if device == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        action(1)
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with LiveBytes() as memory:
        action(1)
    return memory.peak
