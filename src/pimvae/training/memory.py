"""Memory of a training."""

__all__ = ["peak_memory"]

import resource
import sys

import torch


def peak_memory(device: torch.device) -> float:
    """Largest memory so far in MiB: of the device's tensors on CUDA, else of a process, its libraries included.

    A process is this one, or one of those that it has started and waited for.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    seen = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(seen) * unit / 2**20
