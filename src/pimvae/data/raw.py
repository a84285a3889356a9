"""One modality as it was read, before anybody says what it means: numbers or labels, and where they are missing."""

__all__ = ["MISSING_CLASS", "WHOLE", "Label", "Raw", "absent", "all_real", "labelled", "numbers", "others",
           "whole_rows"]  # fmt: skip

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from pimvae.errors import UserError, require

MISSING_CLASS = -1  # among labels that are numbers
WHOLE = "a modality is missing as a whole or not at all: fill it, or make its columns a modality of their own"
Label = str | int | float | bool


@dataclass(frozen=True)
class Raw:
    """One modality as it was read, before anybody says what it means.

    Args:
        name: any text.
        values: [n], [n, D] or [n, c, h, w]; numbers, truth values or labels.
        columns: names of the D columns, or empty.
        given: bool [n]; False where the source says that the modality is missing, whatever ``values`` holds there.
    """

    name: str
    values: np.ndarray
    columns: tuple[str, ...] = ()
    given: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def single(self) -> bool:
        """Whether there is one number or label per sample."""
        return self.values.ndim == 1 or self.values.shape[1:] == (1,)

    def select(self, rows: np.ndarray) -> "Raw":
        """Some of the samples."""
        given = None if self.given is None else self.given[rows]
        return Raw(self.name, self.values[rows], self.columns, given)

    def marked(self) -> np.ndarray:
        """bool [n], rows that the source does not call missing."""
        return np.ones(len(self), dtype=bool) if self.given is None else self.given


def numbers(raw: Raw) -> np.ndarray:
    """The values as float64.

    Raises:
        UserError: if they are not numbers.
    """
    values = raw.values
    if values.dtype.kind not in "fiub":
        raise UserError(f"'{raw.name}' holds text or objects where numbers are expected{_first(values)}")
    return values.astype(np.float64)


def whole_rows(raw: Raw, values: np.ndarray) -> np.ndarray:
    """bool [n], where the modality is observed: as a whole, and finite.

    Raises:
        UserError: for a row of which a part is missing, or that is infinite.
    """
    holes = np.isnan(values)
    seen = raw.marked() & ~holes.all(1)
    partly = np.flatnonzero(seen & holes.any(1))
    require(not partly.size, f"sample {partly[:1]} of '{raw.name}' is partly NaN{others(partly)}: {WHOLE}")
    infinite = np.flatnonzero(seen & np.isinf(values).any(1))
    require(not infinite.size, f"sample {infinite[:1]} of '{raw.name}' is not finite{others(infinite)}")
    return seen


def labelled(raw: Raw) -> tuple[list[Label | None], np.ndarray]:
    """The labels as plain Python values, and where there is one: not None, NaN, empty text or −1."""
    if not raw.single:
        raise UserError(f"'{raw.name}' has shape {raw.values.shape}; classes are one label per sample")
    labels = [_plain(label) for label in raw.values.reshape(-1).tolist()]
    seen = raw.marked() & np.array([label is not None for label in labels], dtype=bool)
    return labels, seen


def absent(value: Any) -> bool:
    """Whether an object says that there is no value: None, NaN or pandas' NA."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):  # NA neither is what it is nor is not; arrays say so by element
        return type(value).__name__ == "NAType"


def all_real(values: Iterable[Any]) -> bool:
    """Whether all of these objects are real numbers, of Python, numpy or `decimal`; truth values are none."""
    return all(isinstance(value, (Real, Decimal)) and not isinstance(value, bool) for value in values)


def _plain(label: Any) -> Label | None:
    """A label as text or number; None for the ways to say that there is none."""
    if absent(label) or label == "" or (label == MISSING_CLASS and not isinstance(label, bool)):
        return None
    if isinstance(label, bytes):
        return label.decode("utf-8", "replace") or None
    if isinstance(label, float) and label.is_integer():
        return int(label)  # 1.0 and 1 are one class
    return label if isinstance(label, (str, int, float, bool)) else str(label)


def _first(values: np.ndarray) -> str:
    """The first entry that is no number, and its sample."""
    for place, row in enumerate(values.reshape(len(values), -1).tolist()):
        for value in row:
            try:
                float(value)
            except (TypeError, ValueError):
                if value is not None:
                    return f": sample {place} has {value!r:.40}"
    return ""


def others(faulty: np.ndarray) -> str:
    """How many samples share a fault with the first one."""
    return f", and so are {len(faulty) - 1} more" if len(faulty) > 1 else ""
