"""Which scale and device ``auto`` stands for, found out without importing torch."""

__all__ = ["resolve_device", "resolve_scale", "resolve_shipped"]

import ctypes
import importlib.metadata
from collections.abc import Sequence
from functools import cache

from pimvae.errors import UserError


@cache
def _found_device() -> tuple[str, str]:
    """``cuda`` where it can be used, else ``cpu``, and a phrase that says why.

    Asks the driver itself, which also honours ``CUDA_VISIBLE_DEVICES``; importing torch would cost seconds.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "cpu", "no CUDA device found"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "cpu", "no CUDA device found"
    try:
        if importlib.metadata.version("torch").endswith("+cpu"):
            return "cpu", "a CUDA device, but the installed torch is for CPUs only"
    except importlib.metadata.PackageNotFoundError:
        return "cpu", "torch is not installed"
    return "cuda", "CUDA device found"


def resolve_device(device: str) -> tuple[str, str]:
    """``cpu`` or ``cuda``, and a phrase that says why."""
    return _found_device() if device == "auto" else (device, f"device {device} as set")


def resolve_scale(scale: str, device: str = "auto") -> tuple[str, str]:
    """The scale that ``auto`` stands for (``workstation`` on CUDA, else ``laptop``), and a phrase that says why.

    ``paper`` is for those who ask for it: nobody should start a week of computing by accident.
    """
    if scale != "auto":
        return scale, "as set"
    kind, reason = resolve_device(device)
    return ("workstation" if kind == "cuda" else "laptop"), reason


def resolve_shipped(scale: str, shipped: Sequence[str], device: str = "auto") -> tuple[str, str]:
    """The scale whose shipped results are meant: ``auto`` is that of a fresh run if it was shipped, else the first.

    Raises:
        UserError: if that scale, or none at all, was shipped.
    """
    if not shipped:
        raise UserError("results=shipped, but results/shipped is empty: 'pimvae ship' fills it from a run")
    wanted, _ = resolve_scale(scale, device)
    if wanted in shipped:
        return wanted, "shipped results"
    if scale != "auto":
        raise UserError(f"no results of scale '{scale}' are shipped (shipped: {', '.join(shipped)})")
    return shipped[0], f"shipped results; those of scale {wanted} are not shipped"
