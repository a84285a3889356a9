"""Flat registries: a folder is a registry, a file is an entry.

``pimvae/aggregators/poe.py`` is the aggregator ``poe``; the first name in the file's ``__all__`` is its class (or, for
data sets, its function). Adding an entry is adding a file. Names can be listed without importing torch.
"""

__all__ = ["lookup", "names"]

import importlib
import pkgutil
from typing import Any

from pimvae.errors import UserError, did_you_mean


def names(package: str) -> list[str]:
    """Names of all entries of ``pimvae.<package>``, sorted; files that start with an underscore are helpers."""
    folder = importlib.import_module(f"pimvae.{package}").__path__
    return sorted(module.name for module in pkgutil.iter_modules(folder) if not module.name.startswith("_"))


def lookup(package: str, name: str) -> Any:
    """The entry ``name`` of ``pimvae.<package>``.

    Raises:
        UserError: if there is no such entry; the message lists the known names.
    """
    if name not in names(package):
        raise UserError(f"unknown {package.rstrip('s')} '{name}' ({did_you_mean(name, names(package))})")
    module = importlib.import_module(f"pimvae.{package}.{name}")
    return getattr(module, module.__all__[0])
