"""Which scale and device ``auto`` stands for, found out without importing torch."""

__all__ = ["find_cuda", "resolve_device", "resolve_scale"]

import ctypes
import importlib.metadata
from functools import cache


@cache
def find_cuda() -> tuple[bool, str]:
    """Whether CUDA can be used, and a phrase that says why or why not.

    Asks the driver itself, which also honours ``CUDA_VISIBLE_DEVICES``; importing torch would cost seconds.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False, "no CUDA device found"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return False, "no CUDA device found"
    try:
        if importlib.metadata.version("torch").endswith("+cpu"):
            return False, "a CUDA device, but the installed torch is for CPUs only"
    except importlib.metadata.PackageNotFoundError:
        return False, "torch is not installed"
    return True, "CUDA device found"


def resolve_device(device: str) -> tuple[str, str]:
    """``cpu`` or ``cuda``, and a phrase that says why."""
    if device != "auto":
        return device, f"device {device} as set"
    found, reason = find_cuda()
    return ("cuda" if found else "cpu"), reason


def resolve_scale(scale: str, device: str = "auto") -> tuple[str, str]:
    """The scale that ``auto`` stands for (``paper`` on CUDA, else ``laptop``), and a phrase that says why."""
    if scale != "auto":
        return scale, "as set"
    kind, reason = resolve_device(device)
    return ("paper" if kind == "cuda" else "laptop"), reason
