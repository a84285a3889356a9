"""Kinds of modalities from their values: what is clear is taken, what is ambiguous is refused in one line."""

__all__ = ["understand"]

import numpy as np

from pimvae.data.modality import KINDS, Modality
from pimvae.data.raw import Raw, labelled, numbers, whole_rows
from pimvae.errors import UserError, did_you_mean

MOST_CLASSES = 20  # integers 0 … K − 1 are taken for classes up to this K; more may as well be counts
LARGEST = 1000  # classes that a modality can have
STATE = "say what it is with --kind NAME=KIND (in Python: kinds={NAME: KIND})"


def understand(raw: Raw, kind: str | None = None, standardise: bool = True, also: Raw | None = None) -> Modality:
    """The modality that training values show, of the stated kind or of the one that they leave no doubt about.

    Text and truth values are classes, unless these are many and have fewer than two samples each; integers 0 … K − 1 of
    which every one occurs, K ≤ 20, are classes (−1: missing); wide integers of 0 and 1 are binary; uint8 [n, c, h, w]
    is an image; other floats are Gaussian unless all of them are whole numbers. Everything else must be stated. Values
    that are missing do not count.

    Args:
        raw: training samples.
        kind: one of `pimvae.data.modality.KINDS`, or None.
        standardise: centre and scale of Gaussian columns from these samples; False: 0 and 1.
        also: held-out samples, which may have classes of their own.

    Raises:
        UserError: if the kind is ambiguous or unknown, nothing is observed, a column is constant, or there is none.
    """
    if raw.values.ndim > 1 and 0 in raw.values.shape[1:]:
        raise UserError(f"'{raw.name}' has no columns")
    if not len(raw):
        raise UserError(f"'{raw.name}' has no samples")
    if raw.values.dtype.kind not in "fiubOUST":
        raise UserError(f"'{raw.name}' has type {raw.values.dtype}, expected numbers, text or truth values")
    if kind is not None and kind not in KINDS:
        raise UserError(f"unknown kind '{kind}' of '{raw.name}' ({did_you_mean(kind, KINDS)})")
    stated, kind = kind, kind or _guess(raw)
    if kind == "categorical":
        return _categorical(raw, also, stated is not None)
    if kind == "image" and raw.values.ndim != 4:
        raise UserError(f"'{raw.name}' has shape {raw.values.shape}; images are [n, channels, rows, columns]")
    if kind != "image" and raw.values.ndim not in (1, 2):
        raise UserError(
            f"'{raw.name}' has shape {raw.values.shape}, expected (n, D) or (n,); images need a kind: {STATE}"
        )
    values = numbers(raw).reshape(len(raw), -1)
    seen = whole_rows(raw, values)
    if not seen.any():
        raise UserError(f"'{raw.name}' is never observed: leave it out")
    dim, shape = values.shape[1], raw.values.shape[1:] if kind == "image" else ()
    found = Modality(raw.name, kind, dim, raw.columns, shape=shape)
    if kind in ("gaussian", "image"):
        centre, scale = _moments(raw, values[seen], kind) if standardise else ([0.0] * dim, [1.0] * dim)
        return Modality(raw.name, kind, dim, raw.columns, (), tuple(centre), tuple(scale), shape)
    found.encode(raw)  # refuses values that are not of this kind
    return found


def _guess(raw: Raw) -> str:
    """The kind that there is no doubt about."""
    values, kind = raw.values, raw.values.dtype.kind
    if values.ndim == 4 and values.dtype == np.uint8:
        return "image"
    if kind in "OUST" or (kind == "b" and raw.single):
        if raw.single:
            return "categorical"
        raise UserError(f"'{raw.name}' has several columns of text: one label per sample is a modality")
    if kind == "b":
        return "binary"
    flat = values.reshape(len(values), -1)
    known = flat[raw.marked()]
    known = known[np.isfinite(known)] if kind == "f" else known
    if known.size == 0:
        raise UserError(f"'{raw.name}' is never observed: leave it out")
    whole = bool((known == np.round(known)).all())
    if kind == "f" and not whole:
        return "gaussian"
    if kind == "f":
        raise UserError(f"'{raw.name}' holds whole numbers as floats (classes, counts or measurements?): {STATE}")
    if raw.single:
        present = np.unique(known[known != -1])
        if 2 <= len(present) <= MOST_CLASSES and (present == np.arange(len(present))).all():
            return "categorical"
        raise UserError(
            f"'{raw.name}' holds integers that are not 0 … K − 1 (classes, counts or measurements?): {STATE}"
        )
    if ((known == 0) | (known == 1)).all():
        return "binary"
    raise UserError(f"'{raw.name}' holds integers in several columns (counts or measurements?): {STATE}")


def _categorical(raw: Raw, also: Raw | None, stated: bool) -> Modality:
    labels, seen = labelled(raw)
    if not seen.any():
        raise UserError(f"'{raw.name}' is never observed: leave it out")
    found = {label for label, there in zip(labels, seen, strict=True) if there}
    if also is not None:
        more, there = labelled(also)
        found |= {label for label, known in zip(more, there, strict=True) if known}
    if len(found) < 2:
        raise UserError(
            f"'{raw.name}' has one class only, '{next(iter(found))}': leave it out (−1 marks a missing label)"
        )
    if len(found) > LARGEST:
        raise UserError(
            f"'{raw.name}' has {len(found)} classes, at most {LARGEST} can be modelled: are they identifiers?"
        )
    if not stated and len(found) > MOST_CLASSES and 2 * len(found) > seen.sum():
        raise UserError(f"'{raw.name}' has {len(found)} classes among {seen.sum()} samples (identifiers?): {STATE}")
    if len({isinstance(label, str) for label in found}) > 1:
        raise UserError(f"'{raw.name}' mixes text and numbers as labels")
    classes = tuple(sorted(found))
    return Modality(raw.name, "categorical", len(classes), raw.columns, classes)


def _moments(raw: Raw, values: np.ndarray, kind: str) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of every column, or of all pixels."""
    if kind == "image":
        values = values.reshape(-1, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        centre, scale = values.mean(0), values.std(0)
    constant = "is constant: leave it out" if len(values) > 1 else "is observed in one sample, at least 2 are needed"
    for fault, where in (("has values that are too large", ~np.isfinite(scale)),
                         (constant, ~(scale > 1e-12 * np.abs(centre)))):  # fmt: skip
        if where.any():
            column = int(where.argmax())
            raise UserError(f"column '{raw.columns[column] if raw.columns else column}' of '{raw.name}' {fault}")
    return centre.tolist(), scale.tolist()
