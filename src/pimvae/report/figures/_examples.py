"""The examples that evaluations leave for figures: named arrays in one archive per cell."""

__all__ = ["Arrays", "cells_with_examples", "read_examples"]

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from pimvae.errors import UserError
from pimvae.results.files import Results, cell_folder

Arrays = dict[str, np.ndarray]


def cells_with_examples(
    results: Results, runs: pd.DataFrame, names: Sequence[str]
) -> Iterator[tuple[dict[str, Any], Arrays]]:
    """The cells among ``runs`` that have examples, sorted by scheme, with the arrays ``names`` of each.

    Raises:
        UserError: see `read_examples`.
    """
    for cell in runs.sort_values(["aggregator", "objective", "prior"]).to_dict("records"):
        path = cell_folder(results.folder, cell) / "examples.npz"
        found = read_examples(path, names) if path.is_file() else {}
        if found:
            yield cell, found


def read_examples(path: Path, names: Sequence[str]) -> Arrays:
    """The arrays ``names`` of one cell; empty if every replica of it diverged. The file is never unpickled.

    Raises:
        UserError: if the file is missing, damaged or cut off, or an array is absent.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in names} if archive.files else {}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
