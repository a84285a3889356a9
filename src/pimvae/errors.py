"""The one exception that users see: its message is printed as a single line and the exit code is 1."""

__all__ = ["UserError", "check_known", "did_you_mean", "require"]

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input (a config key, a file, a device), told in one sentence that names the fault and the remedy."""


def require(rule: object, message: str) -> None:
    """Refuse input that breaks a rule.

    Raises:
        UserError: with the message.
    """
    if not rule:
        raise UserError(message)


def check_known(what: str, known: Iterable[str], *wanted: str, place: object = None) -> None:
    """Refuse names of something, ``what``, that are not among the known ones.

    Raises:
        UserError: for the first one, with the known names; it starts with the ``place`` of the name, if there is one.
    """
    known = list(known)
    for name in wanted:
        if name not in known:
            start = "" if place is None else f"{place}: "
            raise UserError(f"{start}unknown {what} '{name}' ({did_you_mean(name, known)})")


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Sentence that lists the known names and, if one is close (at least ``cutoff``, of 1), points at it.

    In calls from Python a name may be anything, such as a number.
    """
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=cutoff)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"known: {', '.join(known)}{hint}"
