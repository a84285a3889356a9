"""A computation as a list: operations, and the numbered tensors that they read and fill."""

__all__ = ["Call", "Register", "last_reads", "replace"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Register:
    """Stands for a tensor of the recorded run."""

    index: int


@dataclass(frozen=True)
class Call:
    """One operation; tensors among its arguments are registers, results lists the registers it fills."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]
    results: tuple[int, ...]

    @property
    def reads(self) -> set[int]:
        """Registers among the arguments."""
        found: set[int] = set()
        replace((self.arguments, self.keywords), Register, lambda register: found.add(register.index))
        return found

    @property
    def name(self) -> str:
        """Of the operation, whichever its overload: ``aten::add``."""
        return self.function._schema.name


def replace(value: Any, kind: type, function: Callable[[Any], Any]) -> Any:
    """``function`` of every ``kind`` in nested tuples and lists, all else as it is."""
    if isinstance(value, kind):
        return function(value)
    if isinstance(value, (tuple, list)):
        return type(value)(replace(item, kind, function) for item in value)
    return value


def last_reads(calls: Sequence[Call], outputs: set[int]) -> list[set[int]]:
    """For every operation the registers that nothing reads after it."""
    later, finished = set(outputs), []
    for call in reversed(calls):
        used = call.reads | set(call.results)
        finished.append(used - later)
        later |= used
    return finished[::-1]
