"""One modality of own data: its kind, its columns, and the way from values of a file to the model's numbers."""

__all__ = ["COUNTED", "KINDS", "Modality", "Raw", "describe"]

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pimvae.data.raw import Label, Raw, labelled, numbers, whole_rows
from pimvae.errors import UserError, require

KINDS = ("gaussian", "categorical", "binary", "counts", "poisson", "image")  # counts: negative binomial
COUNTED = ("counts", "poisson")


@dataclass(frozen=True)
class Modality:
    """A modality as a model sees it.

    Values of the file become numbers of the model: (x − centre) / scale for ``gaussian`` and ``image``, one-hot rows
    for ``categorical``, the numbers themselves for the other kinds. log p of the file's values is that of the
    model's plus `log_jacobian`.

    Attributes:
        name: any text.
        kind: one of `KINDS`.
        dim: numbers per sample, D_s; for ``categorical`` the number of classes.
        columns: names of the columns, empty where the file has none (or one).
        classes: labels of a categorical modality, in the order of the one-hot rows.
        centre: per column (one number for an image).
        scale: standard deviations, positive.
        shape: (c, h, w) of an image.
    """

    name: str
    kind: str
    dim: int
    columns: tuple[str, ...] = ()
    classes: tuple[Label, ...] = ()
    centre: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    shape: tuple[int, ...] = ()

    @property
    def likelihood(self) -> str:
        """Name of the decoder's likelihood."""
        return {"counts": "negative_binomial", "image": "gaussian"}.get(self.kind, self.kind)

    @property
    def log_jacobian(self) -> float:
        """log |d(model's values) / d(file's values)|, in nats per sample."""
        if not self.scale:
            return 0.0
        repeats = self.dim // len(self.scale)
        return -float(np.log(self.scale).sum()) * repeats

    def encode(self, raw: Raw) -> tuple[np.ndarray, np.ndarray]:
        """float32 [n, D] in the model's numbers, zeros where missing, and bool [n], where it is not.

        Raises:
            UserError: if the values are not of this kind, size or range; the message names modality and sample.
        """
        if self.kind == "categorical":
            return self._encode_labels(raw)
        values = numbers(self.ordered(raw)).reshape(len(raw), -1)
        count = f"{values.shape[1]} number{'s' if values.shape[1] != 1 else ''}"
        width = f"'{self.name}' has {count} per sample, expected {self.dim}"
        require(values.shape[1] == self.dim, width)
        seen = whole_rows(raw, values)
        self._check_range(values, seen)
        if self.scale:
            values = (values - np.array(self.centre)) / np.array(self.scale)
        with np.errstate(over="ignore"):
            found = np.where(seen[:, None], values, 0.0).astype(np.float32)
        large = np.flatnonzero(~np.isfinite(found).all(1))
        require(not large.size, f"sample {large[:1]} of '{self.name}' has values that are too large")
        return found, seen

    def ordered(self, raw: Raw) -> Raw:
        """The values in the order of the training's columns, where both have names."""
        if not (self.columns and raw.columns) or raw.columns == self.columns:
            return raw
        if sorted(raw.columns) != sorted(self.columns):
            found, known = (", ".join(columns[:10]) for columns in (raw.columns, self.columns))
            raise UserError(f"'{self.name}' has the columns {found}; training had {known}")
        twice = next((column for column in self.columns if self.columns.count(column) > 1), None)
        fault = f"'{self.name}' has the column '{twice}' twice, in another order than training: rename one of them"
        require(twice is None, fault)
        order = [raw.columns.index(column) for column in self.columns]
        return Raw(raw.name, raw.values[:, order], self.columns, raw.given)

    def _check_range(self, values: np.ndarray, seen: np.ndarray) -> None:
        rules = {
            "binary": ("0 and 1", lambda x: (x == 0) | (x == 1)),
            "counts": ("counts 0, 1, 2, …", lambda x: (x >= 0) & (x == np.round(x))),
        }
        rules["poisson"] = rules["counts"]
        if self.kind in rules:
            words, rule = rules[self.kind]
            wrong = np.flatnonzero(seen & ~rule(np.where(seen[:, None], values, 0)).all(1))
            require(not wrong.size, f"sample {wrong[:1]} of '{self.name}' holds other values than {words}")

    def _encode_labels(self, raw: Raw) -> tuple[np.ndarray, np.ndarray]:
        labels, seen = labelled(raw)
        place = {label: k for k, label in enumerate(self.classes)}
        unknown = [label for label, there in zip(labels, seen, strict=True) if there and label not in place]
        if unknown:
            shown = ", ".join(map(str, self.classes[:10]))
            raise UserError(f"'{self.name}' has the class '{unknown[0]}', which training did not have (known: {shown})")
        values = np.zeros((len(labels), self.dim), np.float32)
        for i in np.flatnonzero(seen):
            values[i, place[labels[i]]] = 1
        return values, seen

    def decode(self, values: np.ndarray) -> np.ndarray:
        """The file's values [*sample, D] (images [*sample, c, h, w]) from the model's; labels [*sample] of classes."""
        if self.kind == "categorical":
            return self.labels(values.argmax(-1))
        if self.scale:
            values = values * np.array(self.scale) + np.array(self.centre)
        return values.reshape(*values.shape[:-1], *self.shape) if self.shape else values

    def labels(self, index: np.ndarray) -> np.ndarray:
        """Labels of classes by number."""
        kind = object if any(isinstance(label, str) for label in self.classes) else None
        return np.array(self.classes, dtype=kind)[index]

    def spread(self, deviations: np.ndarray) -> np.ndarray:
        """Standard deviations in the file's units."""
        if self.scale:
            deviations = deviations * np.array(self.scale)
        return deviations.reshape(*deviations.shape[:-1], *self.shape) if self.shape else deviations

    def column_names(self) -> tuple[str, ...]:
        """One name per number: the file's, else the modality's with a number behind it."""
        if self.kind == "categorical":
            return (self.columns or (self.name,))[:1]
        if self.columns:
            return self.columns
        return (self.name,) if self.dim == 1 else tuple(f"{self.name}[{d}]" for d in range(self.dim))

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Modality":
        """From what `record` gave.

        Raises:
            UserError: if it is no record of a modality.
        """
        try:
            return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in record.items()})
        except (TypeError, AttributeError):
            raise UserError("the description of a modality in run.json is damaged") from None


def describe(modalities: Sequence[Modality], masks: np.ndarray) -> list[str]:
    """One line per modality: what it was understood as; masks [n, M] say where it is observed."""
    width = max(len(m.name) for m in modalities)
    lines = []
    for s, modality in enumerate(modalities):
        missing = int((~masks[:, s]).sum())
        lines.append(
            f"{modality.name:{width}}  {modality.kind:11} {_size(modality)}; {missing} of {len(masks)} missing"
        )
    return lines


def _size(modality: Modality) -> str:
    if modality.kind == "categorical":
        shown = ", ".join(map(str, modality.classes[:6])) + (", …" if modality.dim > 6 else "")
        return f"{modality.dim} classes: {shown}"
    if modality.kind == "image":
        size = "×".join(map(str, modality.shape))
        scaled = any(modality.centre) and f"; mean {modality.centre[0]:.4g}, sd {modality.scale[0]:.4g}"
        return f"{size}{scaled or ', taken as they are'}"
    columns = f"{modality.dim} column{'s' if modality.dim > 1 else ''}"
    if modality.kind != "gaussian":
        return columns
    if not any(modality.centre) and all(scale == 1 for scale in modality.scale):
        return f"{columns}, taken as they are"
    return f"{columns}; means {_range(modality.centre)}, sd {_range(modality.scale)}"


def _range(values: Iterable[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.4g}" if low == high else f"{low:.4g} … {high:.4g}"
