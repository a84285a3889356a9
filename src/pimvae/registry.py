"""Flat registries: a folder is a registry, a file is an entry, and so is what a page beside the folder states.

``pimvae/aggregators/poe.py`` is the aggregator ``poe``; the first name in the file's ``__all__`` is its class (or, for
data sets, its function). Adding an entry is adding a file. Names can be listed without importing torch.

``pimvae/report/tables.yaml`` is a page of ``pimvae.report.tables``: its keys are entries, which have a ``summary`` and
which the function ``stated`` of that package makes.
"""

__all__ = ["add_folder", "check", "lookup", "names", "page", "source", "summary"]

import ast
import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pimvae.errors import UserError, check_known


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
    check(package, name)
    if name in page(package):
        return importlib.import_module(f"pimvae.{package}").stated(page(package)[name])
    module = importlib.import_module(f"pimvae.{package}.{name}")
    return getattr(module, module.__all__[0])


def check(package: str, *wanted: str) -> None:
    """Refuse names that are no entries of ``pimvae.<package>``.

    Raises:
        UserError: for the first one; the message lists the known names.
    """
    check_known(package.rpartition(".")[2].rstrip("s"), names(package), *wanted)


def source(package: str, name: str) -> ast.Module:
    """The file of an entry, parsed and not imported.

    Raises:
        UserError: if there is no such entry.
    """
    check(package, name)
    paths = (Path(folder, f"{name}.py") for folder in importlib.import_module(f"pimvae.{package}").__path__)
    return ast.parse(next(path for path in paths if path.is_file()).read_bytes())


def summary(package: str, name: str) -> str:
    """The first line of an entry's docstring, or the summary on the page."""
    if name in page(package):
        return page(package)[name]["summary"]
    return (ast.get_docstring(source(package, name)) or name).splitlines()[0]


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
