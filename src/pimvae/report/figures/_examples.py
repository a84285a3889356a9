"""The examples that evaluations leave for figures: named arrays in one archive per cell."""

__all__ = ["read_examples"]

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from pimvae.errors import UserError


def read_examples(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays ``names`` of one cell; empty if every replica of it diverged. The file is never unpickled.

    Raises:
        UserError: if the file is missing, damaged or cut off, or an array is absent.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in names} if archive.files else {}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
