"""Configuration: ``load(scale, root)`` reads the YAML files below ``config/`` into a list of typed cells.

The names below are resolved on first use, so that a training job, which needs only ``pimvae.config.schema``, neither
imports the loader nor depends on it: a change of the loader retrains nothing unless it changes a cell.
"""

__all__ = ["Config", "find_cell", "find_dataset", "load"]

import importlib
from typing import Any

HOMES = dict.fromkeys(__all__, "experiments")


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{HOMES[name]}"), name)
