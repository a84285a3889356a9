"""Where a result comes from, beside its configuration: commit of the sources, model of the CPU, linear algebra."""

__all__ = ["blas", "commit", "cpu_model"]

import platform
import re
import subprocess
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[3]
UNKNOWN = "unknown"


def commit(root: Path = ROOT) -> str | None:
    """The commit that these sources are of, with ``+`` where ``src`` or ``config`` was changed since.

    None without git, outside of a checkout (an installed package, a downloaded archive) or where git refuses to read
    the folder of another user.
    """
    if not (root / ".git").exists():  # a repository further up is not this one
        return None
    git = ("git", "-C", str(root))
    head = _ask(*git, "rev-parse", "HEAD")
    changed = _ask(*git, "status", "--porcelain", "--untracked-files=no", "--", "src", "config")
    return head and head + ("+" if changed else "")


def cpu_model() -> str:
    """The name that the processor gives itself."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _ask("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or UNKNOWN  # macOS
    found = re.search(r"^(?:model name|Hardware|cpu model)\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def blas() -> dict[str, str]:
    """The libraries that multiply matrices for torch and for numpy."""
    found = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    built = getattr(np.__config__, "CONFIG", {}).get("Build Dependencies", {}).get("blas", {})
    name = " ".join(str(built[key]) for key in ("name", "version") if built.get(key))
    return {"torch": found[1] if found else UNKNOWN, "numpy": name or UNKNOWN}


def _ask(*command: str) -> str | None:
    """What a program prints; None where there is no such program, or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
