"""Arguments of calls in Python, which nobody has checked: each is what it should be, or is refused in one line."""

__all__ = ["mapping", "number", "path", "sequence", "several", "text", "whole"]

import operator
import os
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from pimvae.errors import UserError

BITS = 64  # libraries say strange things of larger numbers


def whole(name: str, value: Any, least: int | None = None) -> int:
    """A whole number, also one of numpy's; a truth value is none.

    Raises:
        UserError: for anything else, for a number below ``least``, and for one that needs more than 64 bits.
    """
    try:
        found = operator.index(value)
    except TypeError:
        raise UserError(f"{name} is {_short(value)}, must be a whole number") from None
    if isinstance(value, bool):
        raise UserError(f"{name} is {value}, must be a whole number")
    if least is not None and found < least:
        raise UserError(f"{name} is {found}, must be at least {least}")
    if abs(found) >= 2 ** (BITS - 1):
        raise UserError(f"{name} is {_short(found)}, must fit into {BITS} bits")
    return found


def number(name: str, value: Any) -> float:
    """A real number; a truth value is none.

    Raises:
        UserError: for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UserError(f"{name} is {_short(value)}, must be a number")
    return float(value)


def text(name: str, value: Any) -> str:
    """A text.

    Raises:
        UserError: for anything else.
    """
    if not isinstance(value, str):
        raise UserError(f"{name} is {_short(value)}, must be a text")
    return value


def mapping(name: str, value: Any, example: str) -> Mapping[str, Any]:
    """A dict or the like, whose keys are texts.

    Raises:
        UserError: for anything else, with an example.
    """
    if not isinstance(value, Mapping):
        raise UserError(f"{name} is {_short(value)}, must be a dict, for example {example}")
    for key in value:
        text(f"a key of {name}", key)
    return value


def sequence(name: str, value: Any, of: str) -> tuple[Any, ...]:
    """A list or the like; a text is none, although Python goes through it letter by letter.

    Raises:
        UserError: for anything else; ``of`` says what it should hold.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise UserError(f"{name} is {_short(value)}, must be a list of {of}")
    try:
        return tuple(value)
    except TypeError:  # an array without axes says that it is iterable
        raise UserError(f"{name} is {_short(value)}, must be a list of {of}") from None


def several(name: str, value: Any, of: str) -> tuple[Any, ...]:
    """A list, or one text or path, which stands for a list of itself.

    Raises:
        UserError: for anything else.
    """
    return (value,) if isinstance(value, str | os.PathLike) else sequence(name, value, of)


def path(name: str, value: Any) -> Path:
    """A path.

    Raises:
        UserError: if it is neither a text nor a path.
    """
    if not isinstance(value, str | os.PathLike):
        raise UserError(f"{name} is {_short(value)}, must be a path")
    return Path(value)


def _short(value: Any) -> str:
    """What was given, in one line of bounded length."""
    shown = " ".join(repr(value).split())
    return shown if len(shown) <= 80 else f"{shown[:80]} …"
