"""The device of a training: which, how much of it a stack may fill, what a record says of it."""

__all__ = ["Clock", "choose_device", "decisive", "machine", "peak_memory", "set_precision", "stack_width"]

import os
import platform
import resource
import sys
import time
from collections.abc import Sequence

import numpy as np
import torch

from pimvae import __version__
from pimvae.config.schema import Cell
from pimvae.errors import UserError
from pimvae.models.vae import MultimodalVAE
from pimvae.training.loop import Trainer
from pimvae.training.origin import blas, commit, cpu_model
from pimvae.training.packing import IndexedSplit, PackedSplit

SHARE = 0.8  # of the free memory that a stack may fill: the allocator needs room


def choose_device(name: str) -> torch.device:
    """The device called ``auto`` (CUDA if there is one), ``cpu`` or ``cuda``.

    Products of matrices stay in full single precision, unless `set_precision` says otherwise.

    Raises:
        UserError: an unknown name, or CUDA asked for where there is none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"unknown device '{name}' (known: auto, cpu, cuda)")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device 'cuda' was asked for, but torch finds no CUDA device; use --device cpu")
    cuda = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    if cuda:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda" if cuda else "cpu")


def set_precision(device: torch.device, precision: str) -> None:
    """Let CUDA round the factors of products to TF32 if ``precision`` is ``tf32``, and not otherwise.

    Not by default: the bounds are differences of large numbers, and TF32 keeps 10 bits of each factor. run.json says
    what was taken.

    Raises:
        UserError: TF32 on a CPU.
    """
    if precision == "tf32" and device.type != "cuda":
        raise UserError("train.precision 'tf32' is for CUDA devices; on a CPU take 'full' or 'bf16'")
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"


def machine(device: torch.device) -> dict[str, object]:
    """Device, threads and versions: what decides the bits of a result beside configuration and data.

    Commit, processor and linear algebra are for readers: a training that was cut off may go on under another
    commit, as long as its sources are the same.
    """
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    return {
        "device": device.type,
        "device_name": name,
        "threads": torch.get_num_threads(),
        "cpu_count": os.cpu_count(),
        "cpu_model": cpu_model(),
        "blas": blas(),
        "numpy": np.__version__,
        "commit": commit(),
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "versions": {"pimvae": __version__, "python": platform.python_version(), "torch": torch.__version__},
    }


def decisive(device: torch.device) -> dict[str, object]:
    """What of `machine` a training that was cut off must find again to go on to the same bits."""
    about = machine(device)
    return {key: about[key] for key in ("device", "threads", "tf32", "versions")}


def stack_width(
    cell: Cell, models: Sequence[MultimodalVAE], data: Sequence[PackedSplit | IndexedSplit], device: torch.device
) -> int:
    """How many replicas fit on the device at once: all of them on a CPU, measured with a step of one on a GPU."""
    if device.type == "cpu" or len(models) == 1:
        return len(models)
    free, _ = torch.cuda.mem_get_info()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    probe = Trainer(cell, models[:1], data[:1], [cell.seeds[0]], [1.0], device, trace=False)
    probe.advance(1)
    needed = torch.cuda.max_memory_allocated() - before
    del probe
    torch.cuda.empty_cache()
    return largest_stack(len(models), free, needed)


def largest_stack(replicas: int, free: int, needed: int) -> int:
    """Equal stacks as wide as ``free`` bytes allow when one replica needs ``needed``.

    Raises:
        UserError: if not even one fits.
    """
    fitting = int(SHARE * free / max(needed, 1))
    if fitting < 1:
        gigabytes = (value / 2**30 for value in (needed, free))
        raise UserError("one replica needs {:.1f} GiB of device memory, {:.1f} GiB are free".format(*gigabytes))
    stacks = -(-replicas // fitting)
    return -(-replicas // stacks)


def peak_memory(device: torch.device) -> float:
    """Largest memory so far in MiB: of the device's tensors on CUDA, else of a process, its libraries included.

    A process is this one, or one of those that it has started and waited for.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    seen = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(seen) * unit / 2**20


def _now() -> tuple[float, float]:
    """Wall seconds, and CPU seconds of this process and of those that it has started and that have ended."""
    times = os.times()
    return time.perf_counter(), time.process_time() + times.children_user + times.children_system


class Clock:
    """Wall and CPU seconds of a process, its children included, and of its training loop."""

    def __init__(self) -> None:
        self.start = self.loop = _now()

    def start_loop(self) -> None:
        self.loop = _now()

    def read(self, device: torch.device) -> dict[str, float]:
        """The seconds so far, after all work on the device is done."""
        if device.type == "cuda":
            torch.cuda.synchronize()
        now = _now()
        names = ("seconds", "cpu_seconds", "loop_seconds", "loop_cpu_seconds")
        return dict(zip(names, (*(n - s for n, s in zip(now, self.start, strict=True)),
                                *(n - s for n, s in zip(now, self.loop, strict=True))), strict=True))  # fmt: skip
