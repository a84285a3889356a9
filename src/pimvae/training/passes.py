"""What makes a recorded computation shorter without changing a bit of its results."""

__all__ = ["merged", "read"]

from collections.abc import Sequence
from typing import Any

import torch

from pimvae.training.operations import Call, Register, replace

ALIASES = {"aten::detach", "aten::alias", "aten::lift_fresh"}  # without a graph: their input itself


def merged(calls: Sequence[Call], outputs: Sequence[int]) -> tuple[list[Call], list[int]]:
    """Equal operations on equal arguments become one, aliases become what they stand for."""
    same: dict[int, int] = {}
    known: dict[Any, tuple[int, ...]] = {}
    kept = []

    def rename(register: Register) -> Register:
        return Register(same.get(register.index, register.index))

    for call in calls:
        arguments, keywords = (replace(part, Register, rename) for part in (call.arguments, call.keywords))
        if call.name in ALIASES or _is_identity(call, arguments):
            same[call.results[0]] = arguments[0].index
            continue
        key = (call.function, repr((arguments, keywords)))  # by text: True, 1 and 1.0 are equal, but not the same
        if key in known:
            same.update(zip(call.results, known[key], strict=True))
            continue
        known[key] = call.results
        kept.append(Call(call.function, arguments, keywords, call.results))
    return kept, [same.get(register, register) for register in outputs]


def _is_identity(call: Call, arguments: tuple[Any, ...]) -> bool:
    """Whether it is a product with the number 1, of which vmap makes one for every bias."""
    return call.function is torch.ops.aten.mul.Scalar and type(arguments[1]) is int and arguments[1] == 1


def read(calls: Sequence[Call], outputs: Sequence[int]) -> list[Call]:
    """Only the operations on which an output depends."""
    needed, kept = set(outputs), []
    for call in reversed(calls):
        if needed.intersection(call.results):
            needed |= call.reads
            kept.append(call)
    return kept[::-1]
