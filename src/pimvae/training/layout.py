"""Memory for the results of a recorded computation, laid out once for all its runs."""

__all__ = ["Layout", "laid_out"]

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pimvae.training.operations import Call, Register, replace
from pimvae.training.targets import scalar_as_tensor, target

FOREVER = 2**62  # when the memory of an output is read for the last time
ALIGNMENT = 64  # bytes, as torch's own allocator
WASTE = 2  # a result takes no free memory of more than so many times its size
FACTORIES = {"aten::zeros", "aten::zeros_like", "aten::new_zeros", "aten::ones_like", "aten::scalar_tensor"}


@dataclass(frozen=True)
class Layout:
    """Where a tensor lies: in which storage, in which form, and whether it fills that storage, every place once."""

    storage: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    whole: bool

    @classmethod
    def of(cls, tensor: Tensor) -> "Layout":
        """The layout of a tensor; a storage is told by its address as long as it lives."""
        memory = tensor.untyped_storage()
        dense = torch.ops.aten.is_non_overlapping_and_dense(tensor)
        whole = dense and 0 < tensor.numel() * tensor.element_size() == memory.nbytes()
        return cls(memory._cdata, tensor.dtype, tuple(tensor.shape), tensor.stride(), whole)

    @property
    def form(self) -> tuple[torch.dtype, tuple[int, ...], tuple[int, ...]]:
        """All but the place."""
        return self.dtype, self.shape, self.stride

    @property
    def nbytes(self) -> int:
        """Of a tensor that fills its storage."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


def laid_out(
    calls: Sequence[Call], layouts: Mapping[int, Layout], outputs: Sequence[int], placed: Mapping[int, Tensor]
) -> tuple[list[Call], dict[int, Tensor]]:
    """Operations write to memory that is there already, and views of it are made now instead of in every run.

    A result takes the place of an operand where it is computed element by element, the operand has the same form and
    nothing reads it any more; else memory that was read for the last time shortly before, which is still in the
    processor's cache. What torch cannot write to given memory, views of it, and outputs, are made anew in every run.

    Args:
        calls: operations, none of which writes to memory that was there before it.
        layouts: of every register in a run in which all results were kept.
        outputs: registers that are read when all is done.
        placed: tensors that are at the same place in every run. They are not written.

    Returns:
        The operations that are left, and the tensors, ``placed`` among them, that they read and write.
    """
    plan = _Plan(calls, layouts, outputs, placed)
    written = [call for place, original in enumerate(calls) for call in plan.calls(original, place)]
    read = {register for call in written for register in (*call.reads, *call.results)}.union(outputs)
    return written, {register: tensor for register, tensor in plan.tensors.items() if register in read}


class _Plan:
    """Which registers have their place, and which storages are read for the last time when."""

    def __init__(
        self,
        calls: Sequence[Call],
        layouts: Mapping[int, Layout],
        outputs: Sequence[int],
        placed: Mapping[int, Tensor],
    ) -> None:
        self.layouts, self.tensors = layouts, dict(placed)
        self.free = _Free()
        self.blocks: dict[int, Tensor] = {}  # storage of the recorded run: the memory in its place
        self.next = max(layouts, default=0) + 1  # a register for a number that becomes a tensor
        self.last: dict[int, int] = {}
        for place, call in enumerate(calls):
            self.last |= {layouts[register].storage: place for register in call.reads}
        self.last |= {layouts[register].storage: FOREVER for register in outputs}

    def calls(self, call: Call, place: int) -> list[Call]:
        """What is left of an operation: nothing where its results are views of placed memory."""
        left = [] if self._is_made_now(call) else [self._written(call, place)]
        for storage in self._storages(call.reads):
            if self.last[storage] == place and storage in self.blocks:
                self.free.give(self.blocks.pop(storage))
        return left

    def _is_made_now(self, call: Call) -> bool:
        """Make views of placed tensors, and tensors of one number; whether that was done."""
        storages = self._storages(call.reads)
        view = self._storages(call.results) <= storages
        known = all(register in self.tensors for register in call.reads)
        same = call.name in FACTORIES and not self._is_output(call)
        if not known or not (view or same):
            return False
        arguments, keywords = self._values(call.arguments), self._values(call.keywords)
        results = call.function(*arguments, **dict(keywords))
        results = results if isinstance(results, (tuple, list)) else (results,)
        self.tensors.update(zip(call.results, results, strict=True))
        return True

    def _is_output(self, call: Call) -> bool:
        return any(self.last.get(storage) == FOREVER for storage in self._storages(call.results))

    def _storages(self, registers: Iterable[int]) -> set[int]:
        """Without the results that an operation left out."""
        return {self.layouts[register].storage for register in registers if register in self.layouts}

    def _values(self, part: tuple) -> tuple:
        return replace(part, Register, lambda register: self.tensors[register.index])

    def _written(self, call: Call, place: int) -> Call:
        """The operation as it writes to a place, if it can."""
        result = call.results[0]
        if len(call.results) != 1 or self._is_output(call) or not self.layouts[result].whole:
            return call
        layout, call = self.layouts[result], self._without_number(call)
        found = target(call.function)
        if found is None:
            return call
        block = self._over(call, layout, place) if found.elementwise else None
        if block is None:
            block = self.free.take(layout.nbytes)
        self.blocks[layout.storage] = block
        numbers = layout.nbytes // layout.dtype.itemsize
        self.tensors[result] = block.view(layout.dtype)[:numbers].as_strided(layout.shape, layout.stride)
        return found.call(call, Register(result))

    def _without_number(self, call: Call) -> Call:
        """Torch writes x + y to a place if y is a tensor, but not if it is a number."""
        tensors = scalar_as_tensor(call, self.layouts[call.results[0]].dtype)
        if tensors is None:
            return call
        function, number = tensors
        self.tensors[self.next] = number
        self.next += 1
        return Call(function, (call.arguments[0], Register(self.next - 1)), call.keywords, call.results)

    def _over(self, call: Call, layout: Layout, place: int) -> Tensor | None:
        """Memory of an operand of the same form that nothing else reads, now or later."""
        for register in call.arguments:
            mine = self.layouts.get(register.index) if isinstance(register, Register) else None
            if mine is None or not mine.whole or mine.form != layout.form or mine.storage not in self.blocks:
                continue
            others = self._storages(call.reads - {register.index})
            if self.last[mine.storage] == place and mine.storage not in others:
                return self.blocks.pop(mine.storage)
        return None


class _Free:
    """Memory that is free again."""

    def __init__(self) -> None:
        self.blocks: list[Tensor] = []  # in the order in which they became free

    def give(self, block: Tensor) -> None:
        self.blocks.append(block)

    def take(self, nbytes: int) -> Tensor:
        """The smallest that is large enough, of equal ones the one that was freed last; else new memory."""
        size = -(-nbytes // ALIGNMENT) * ALIGNMENT
        fitting = [i for i, block in enumerate(self.blocks) if size <= block.numel() <= WASTE * size]
        if not fitting:
            return torch.empty(size, dtype=torch.uint8)
        return self.blocks.pop(min(fitting, key=lambda i: (self.blocks[i].numel(), -i)))
