"""What collected results were collected from: checksums by which tables and cells can be held together later."""

__all__ = ["check_collected", "seal_collected"]

import os
from collections.abc import Iterable
from pathlib import Path

from pimvae.errors import UserError
from pimvae.files import read_json, sha256, write_json

SEAL = "collected.json"
TABLES = ("metrics.csv", "history.csv", "runs.csv", "settings.csv")
OF_CELL = ("run.json", "metrics.csv", "examples.npz")  # the last of some cells only


def seal_collected(folder: Path, cells: Iterable[Path]) -> None:
    """Write ``collected.json``: sha256 of the tables in ``folder``, and of what was read of every cell.

    Cells are named by their paths from ``folder``, so that a project can be moved.
    """
    named = {Path(os.path.relpath(cell, folder)).as_posix(): _digests(cell, OF_CELL) for cell in cells}
    write_json(folder / SEAL, {"tables": _digests(folder, TABLES), "cells": named})


def check_collected(folder: Path) -> None:
    """Hold collected tables to their seal, and the cells as they are now to what was collected.

    Tables without a seal, which an earlier version wrote, pass.

    Raises:
        UserError: if a table was changed, or a cell was trained or evaluated again since.
    """
    path = folder / SEAL
    if not path.is_file():
        return
    try:
        found = read_json(path)
        tables, cells = dict(found["tables"]), {name: dict(digests) for name, digests in found["cells"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged: collect the cells again ({error!r})") from None
    changed = _first_difference(folder, tables, TABLES)
    if changed:
        raise UserError(f"{folder / changed} is not what was collected (its sha256 differs): collect the cells again")
    for name, digests in cells.items():
        changed = _first_difference(folder / name, digests, OF_CELL)
        if changed:
            raise UserError(f"{folder / name / changed} has changed since it was collected: collect the cells again")


def _first_difference(folder: Path, before: dict[str, str], names: Iterable[str]) -> str | None:
    now = _digests(folder, names)
    return next((name for name in names if now.get(name) != before.get(name)), None)


def _digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Of those files that are there."""
    paths = ((name, folder / name) for name in names)
    return {name: sha256(path) for name, path in paths if path.is_file()}
