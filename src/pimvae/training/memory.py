"""Memory of a training."""

__all__ = ["peak_memory"]

import resource
import sys

import torch


def peak_memory(device: torch.device) -> float:
    """Largest memory so far in MiB: of the device's tensors on CUDA, else of this process, its libraries included."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
