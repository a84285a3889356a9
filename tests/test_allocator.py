"""Freed memory is kept: the same arrays again need no new pages."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from pimvae.allocator import keep_freed_memory
if {kept}:
    keep_freed_memory()
def touch():
    np.ones(6_000_000 // 8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
first = touch()
for _ in range(50):
    last = touch()
print(last - first)
"""


def faults(kept: bool) -> int:
    """Pages that fifty arrays of 6 MB needed after the first one."""
    plain = {"MALLOC_MMAP_THRESHOLD_": "131072"}  # as for a process that has freed no such array yet
    code = FAULTS.format(kept=kept)
    return int(subprocess.run([sys.executable, "-c", code], env=plain, capture_output=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_arrays_of_one_size_take_the_same_pages():
    assert faults(kept=True) < 1500 < 20_000 < faults(kept=False)


def test_another_c_library_is_left_alone(monkeypatch):
    from pimvae import allocator

    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: object())
    allocator.keep_freed_memory()
