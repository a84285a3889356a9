"""Arrays as callers hold them: of numpy, masked or of objects, sparse ones, tensors of torch."""

__all__ = ["as_array", "raw_of"]

import sys
from numbers import Integral
from typing import Any

import numpy as np

from pimvae.data.raw import MISSING_CLASS, WHOLE, Raw, absent, all_real, others
from pimvae.errors import UserError

LARGEST = 2**53  # integers up to which every one has a float of its own


def raw_of(name: str, values: Any) -> Raw:
    """One modality; what an array masks, and None, NaN or NA among objects, is missing.

    Objects that are real numbers become numbers: integers if all of them are, else floats.

    Raises:
        UserError: if there is a single value, rows differ in length, or one that is not of floats is missing in part.
    """
    array = as_array(f"'{name}'", values)
    if array.ndim == 0:
        raise UserError(f"'{name}' is a single value, expected one row per sample")
    missing = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else np.zeros(array.shape, dtype=bool)
    if array.dtype.kind == "O":
        missing = missing | np.frompyfunc(absent, 1, 1)(array).astype(bool)
        array = _unboxed(array, missing)
    if not missing.any():
        return Raw(name, array)
    if array.dtype.kind == "f":
        return Raw(name, np.where(missing, np.nan, array))
    rows = missing.reshape(len(array), -1)
    partly = np.flatnonzero(rows.any(1) & ~rows.all(1))
    if partly.size:
        raise UserError(f"sample {partly[:1]} of '{name}' is partly missing{others(partly)}: {WHOLE}")
    return Raw(name, array, (), ~rows.all(1))


def as_array(what: str, values: Any) -> np.ndarray:
    """What is given as an array; sparse ones become dense.

    Raises:
        UserError: if it cannot be one, as its rows differ in length.
    """
    try:
        if hasattr(values, "toarray"):  # of scipy
            return np.asarray(values.toarray())
        return np.asarray(_from_tensor(values) if _is_tensor(values) else values)
    except ValueError:  # numpy's word for it is "inhomogeneous"
        raise UserError(f"{what} is no array: its rows differ in length") from None
    except (TypeError, RuntimeError) as error:  # types that numpy lacks, tensors without values
        raise UserError(f"{what} is no array: {error}") from None


def _is_tensor(values: Any) -> bool:
    """Whether this is a torch tensor; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def _from_tensor(values: Any) -> np.ndarray:
    dense = values.detach().cpu().to_dense()
    return (dense.float() if str(dense.dtype) == "torch.bfloat16" else dense).numpy()  # numpy has no such type


def _unboxed(array: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Objects as numbers if all that are there are real ones, without loss; labels as they are."""
    known = array[~missing]
    whole = all(isinstance(value, Integral) for value in known)
    if not known.size or not all_real(known) or (whole and any(abs(value) > LARGEST for value in known)):
        return array
    found = np.full(array.shape, MISSING_CLASS if whole else np.nan, dtype=np.int64 if whole else np.float64)
    found[~missing] = known.astype(found.dtype)
    return found
