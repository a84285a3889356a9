"""How busy a GPU is and how much of its memory is taken, as nvidia-smi tells it while something else runs."""

__all__ = ["Watch"]

import statistics
import subprocess
import threading
from types import TracebackType

QUERY = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "--id=0"]


class Watch:
    """``with Watch() as watch``: afterwards ``watch.busy`` [%], the mean, and ``watch.memory`` [MiB], the most.

    Both are None where there is no nvidia-smi. ``busy`` counts the time in which some kernel runs, however small.
    """

    def __init__(self, every: float = 0.5) -> None:
        self.every = every
        self.samples: list[tuple[float, float]] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.over.set()
        self.thread.join()

    @property
    def busy(self) -> float | None:
        """Mean over the samples."""
        return statistics.fmean(busy for busy, _ in self.samples) if self.samples else None

    @property
    def memory(self) -> float | None:
        """Largest of the samples."""
        return max((memory for _, memory in self.samples), default=None)

    def _sample(self) -> None:
        while not self.over.wait(self.every):
            try:
                line = subprocess.run(QUERY, capture_output=True, text=True, timeout=10, check=True).stdout
                busy, memory = map(float, line.split(","))
            except (OSError, ValueError, subprocess.SubprocessError):
                return
            self.samples.append((busy, memory))
