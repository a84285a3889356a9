"""What makes a recorded computation shorter without changing a bit of its results."""

__all__ = ["Layout", "merged", "overwriting", "read"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from pimvae.training.operations import Call, Register, replace

ALIASES = {"aten::detach", "aten::alias", "aten::lift_fresh"}  # without a graph: their input itself
FOREVER = 2**62  # when the memory of an output is read for the last time


@dataclass(frozen=True)
class Layout:
    """Where a tensor lies: in which storage, in which form, and whether it fills that storage, every place once."""

    storage: int
    form: tuple[Any, ...]
    whole: bool

    @classmethod
    def of(cls, tensor: Tensor) -> "Layout":
        """The layout of a tensor; a storage is told by its address as long as it lives."""
        memory = tensor.untyped_storage()
        form = (tensor.dtype, tuple(tensor.shape), tensor.stride())
        dense = torch.ops.aten.is_non_overlapping_and_dense(tensor)
        return cls(memory._cdata, form, dense and tensor.numel() * tensor.element_size() == memory.nbytes())


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


def overwriting(
    calls: Sequence[Call], layouts: Mapping[int, Layout], outputs: Sequence[int], kept: Sequence[int]
) -> list[Call]:
    """Elementwise operations write their result over an operand of the same form that nothing reads afterwards.

    That memory is in the processor's cache already, and new memory has to be fetched before it can be written.

    Args:
        calls: operations, none of which writes to memory that was there before it.
        layouts: of every register.
        outputs: registers that are read when all is done.
        kept: registers whose memory belongs to others (inputs and constants) and is never written.
    """
    memory = _Memory(layouts, calls, [*outputs, *kept])
    written = []
    for place, call in enumerate(calls):
        target = _target(call.function)
        operands = [argument.index for argument in call.arguments if isinstance(argument, Register)] if target else []
        found = next((register for register in operands if memory.free(register, call, place)), None)
        if target is None or found is None:
            written.append(call)
            continue
        function, name = target
        memory.give(found, call.results[0])
        written.append(Call(function, call.arguments, (*call.keywords, (name, Register(found))), call.results))
    return written


class _Memory:
    """Which registers share a storage, and when it is read for the last time."""

    def __init__(self, layouts: Mapping[int, Layout], calls: Sequence[Call], forever: Sequence[int]) -> None:
        self.layouts = layouts
        self.moved: dict[int, int] = {}  # a storage that is no longer made: the one that takes its place
        self.last: dict[int, int] = {}
        for place, call in enumerate(calls):
            self.last |= {layouts[register].storage: place for register in call.reads}
        self.last |= {layouts[register].storage: FOREVER for register in forever}

    def storage(self, register: int) -> int:
        """Where a register lies now."""
        found = self.layouts[register].storage
        while found in self.moved:
            found = self.moved[found]
        return found

    def free(self, register: int, call: Call, place: int) -> bool:
        """Whether the result of a call may be written over this operand: nobody looks at the storage any more."""
        mine, result = self.layouts[register], self.layouts[call.results[0]]
        alone = all(self.storage(other) != self.storage(register) for other in call.reads - {register})
        return mine.whole and mine.form == result.form and self.last[self.storage(register)] <= place and alone

    def give(self, register: int, result: int) -> None:
        """From now on the result lies where the register lay."""
        old, new = self.storage(result), self.storage(register)
        self.moved[old] = new
        self.last[new] = max(self.last[new], self.last.get(old, 0))


@cache
def _target(function: Any) -> tuple[Callable[..., Any], str] | None:
    """The overload of an elementwise operation that writes its result to a given tensor, and that argument's name."""
    if torch.Tag.pointwise not in function.tags or len(function._schema.returns) != 1:
        return None
    mine = [(argument.name, str(argument.type)) for argument in function._schema.arguments]
    for name in function.overloadpacket.overloads():
        overload = getattr(function.overloadpacket, name)
        *others, last = overload._schema.arguments
        if last.is_out and [(argument.name, str(argument.type)) for argument in others] == mine:
            return overload, last.name
    return None
