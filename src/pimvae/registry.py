"""Flat registries: a folder is a registry, a file is an entry, and so is what a page beside the folder states.

``pimvae/aggregators/poe.py`` is the aggregator ``poe``; the first name in the file's ``__all__`` is its class (or, for
data sets, its function). Adding an entry is adding a file. Names can be listed without importing torch.

``pimvae/report/tables.yaml`` is a page of ``pimvae.report.tables``: its keys are entries, which have a ``summary`` and
which the function ``stated`` of that package makes.
"""

__all__ = ["add_folder", "lookup", "names", "page", "summary"]

import ast
import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pimvae.errors import UserError, did_you_mean


def names(package: str) -> list[str]:
    """Names of all entries of ``pimvae.<package>``, sorted; what starts with an underscore is a helper."""
    folder = importlib.import_module(f"pimvae.{package}").__path__
    found = {*(module.name for module in pkgutil.iter_modules(folder)), *page(package)}
    return sorted(name for name in found if not name.startswith("_"))


@cache
def page(package: str) -> dict[str, dict[str, Any]]:
    """What the page of ``pimvae.<package>`` states, by name; {} where there is none."""
    path = Path(importlib.import_module(f"pimvae.{package}").__path__[0]).with_suffix(".yaml")
    stated = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {name: entry for name, entry in stated.items() if not name.startswith("_")}


def lookup(package: str, name: str) -> Any:
    """The entry ``name`` of ``pimvae.<package>``.

    Raises:
        UserError: if there is no such entry; the message lists the known names.
    """
    if name not in names(package):
        raise UserError(f"unknown {package.rstrip('s')} '{name}' ({did_you_mean(name, names(package))})")
    if name in page(package):
        return importlib.import_module(f"pimvae.{package}").stated(page(package)[name])
    module = importlib.import_module(f"pimvae.{package}.{name}")
    return getattr(module, module.__all__[0])


def summary(package: str, name: str) -> str:
    """The first line of an entry's docstring, read without importing it, or the summary on the page."""
    if name in page(package):
        return page(package)[name]["summary"]
    for folder in importlib.import_module(f"pimvae.{package}").__path__:
        path = Path(folder) / f"{name}.py"
        if path.is_file():
            return (ast.get_docstring(ast.parse(path.read_bytes())) or name).splitlines()[0]
    raise UserError(f"unknown {package.rstrip('s')} '{name}' ({did_you_mean(name, names(package))})")


def add_folder(package: str, folder: Path | str) -> None:
    """Let the files of ``folder`` be entries of ``pimvae.<package>`` too, in this process: for notebooks and trials.

    The workflow does not see them: what it trains belongs into the package, where its sources are tracked.

    Raises:
        UserError: if ``folder`` is not a folder.
    """
    if not Path(folder).is_dir():
        raise UserError(f"no such folder: {folder}")
    path = importlib.import_module(f"pimvae.{package}").__path__
    if str(folder) not in path:
        path.append(str(folder))
    importlib.invalidate_caches()  # the folder may have been listed before its newest file was written
