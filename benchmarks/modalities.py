"""Time and memory of a step against the number of modalities M, with a straight line fitted."""

__all__ = ["run"]

from collections.abc import Iterator

from benchmarks.measure import Effort, Result, interleaved, linear_fit, peak_bytes
from benchmarks.trainings import cell, stacked

NAMES = ("complete-poe-masked", "complete-sum_pooling-masked")
LEAST_R2 = 0.98


def run(effort: Effort) -> Iterator[Result]:
    """One replica of the publication's size with M views of 25 numbers each."""
    sizes = effort.modalities
    for name in NAMES:
        trainings = {
            m: stacked(cell(effort, "paper", "multimodal", name, modalities=m, test_samples=1), effort.device)
            for m in sizes
        }
        times = interleaved({str(m): training for m, training in trainings.items()}, effort)
        memory = [peak_bytes(training, effort.device) / 2**20 for training in trainings.values()]
        for m, amount in zip(sizes, memory, strict=True):
            yield times[str(m)].result(f"{name}, M = {m}", "step", "ms", lambda s: 1e3 * s)
            yield Result(f"{name}, M = {m}", "memory of a step", amount, "MiB")
        yield from _fit(name, "step", "ms", sizes, [1e3 * times[str(m)].median for m in sizes])
        yield from _fit(name, "memory", "MiB", sizes, memory)


def _fit(name: str, quantity: str, unit: str, sizes: tuple[int, ...], values: list[float]) -> Iterator[Result]:
    intercept, slope, r2 = linear_fit(sizes, values)
    yield Result(name, f"{quantity} = a + b·M, a", intercept, unit)
    yield Result(name, f"{quantity} = a + b·M, b", slope, f"{unit} per modality")
    yield Result(name, f"{quantity}: R² of the line", r2, least=LEAST_R2)
    yield Result(name, f"{quantity}: M = {sizes[-1]} over M = {sizes[-2]}", values[-1] / values[-2], "×")
