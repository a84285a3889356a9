"""Fixed buffers for the results of a graph, and the out= calls that write them there."""

__all__ = ["BufferAssignment", "OutCall", "out_call", "tensors"]

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

ATEN = torch.ops.aten
WASTE = 2  # a result takes no free storage of more than so many times its size
POINTWISE = {ATEN.leaky_relu_backward.default}  # that torch does not mark as such
FACTORIES = {  # they read the form of a tensor, not its values
    ATEN.full_like.default, ATEN.new_full.default, ATEN.new_ones.default, ATEN.new_zeros.default,
    ATEN.ones_like.default, ATEN.zeros_like.default,
}  # fmt: skip
# The same numbers; torch's own out= variants of these make a result, and then copy it.
WRITTEN: dict[Any, Callable[..., Any]] = {
    ATEN._to_copy.default: lambda out, x, **_: out.copy_(x),
    ATEN.clone.default: lambda out, x, **_: out.copy_(x),
    ATEN.relu.default: lambda out, x: torch.clamp_min(x, 0, out=out),
    ATEN.add.Scalar: lambda out, x, number, alpha=1: torch.add(x, number, alpha=alpha, out=out),
    ATEN.sub.Scalar: lambda out, x, number, alpha=1: torch.sub(x, number, alpha=alpha, out=out),
    ATEN.mul.Scalar: lambda out, x, number: torch.mul(x, number, out=out),
    ATEN.div.Scalar: lambda out, x, number: torch.div(x, number, out=out),
}


@dataclass(frozen=True)
class OutCall:
    """An operation as it writes its results to buffers.

    Attributes:
        operation: as recorded.
        buffers: of its results; None for one that it leaves out.
        run: does it again, on operands that lie where they lay.
    """

    operation: Any
    buffers: Sequence[Tensor | None]
    run: partial


class BufferAssignment(fx.Interpreter):
    """Runs a graph, gives every result a buffer, and lists the calls that write the results there again.

    Views are made now and never again, nor are tensors that depend on no value. Any other result takes the smallest
    storage that is large enough and that nothing reads any more, of equal ones the one that was taken last, which is
    still in the processor's cache; a pointwise operation may write over an operand of the same form. Outputs lie in
    buffers that no input, constant or later result shares.

    Args:
        constants: holds the attributes that the graph reads.
        graph: of operations that change nothing in place.
    """

    def __init__(self, constants: nn.Module, graph: fx.Graph) -> None:
        super().__init__(constants, graph=graph)
        self.calls: list[OutCall] = []
        self.pool: dict[int, torch.UntypedStorage] = {}  # address: storage, those taken last at the end
        self.readers: Counter[int] = Counter()  # of a storage: results that lie in it and are still to be read

    def run_node(self, n: fx.Node) -> Any:
        """The results of a node, in their buffers."""
        result = super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        for last in self.user_to_last_uses.get(n, ()):
            self.readers.subtract(_addresses(self.env[last]))
        if n.op == "output":
            result = self._outputs(result)
        elif n.op == "call_function" and not self._is_made_once(n.target, result, tensors(args, kwargs)):
            result = self._written(n.target, args, kwargs, result)
        self.readers.update(_addresses(result))
        return result

    def _is_made_once(self, operation: Any, result: Any, operands: Sequence[Tensor]) -> bool:
        """Whether it is a view of its operands, or depends on no value."""
        return not operands or operation in FACTORIES or _addresses(result) <= _addresses(operands)

    def _written(self, operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Any:
        """The results in buffers, to which a call of the operation writes from now on."""
        operands = tensors(args, kwargs)
        if isinstance(result, Tensor) and (torch.Tag.pointwise in operation.tags or operation in POINTWISE):
            operands = [tensor for tensor in operands if _form(tensor) != _form(result)]
        busy = _addresses(operands)
        buffered = map_aggregate(result, lambda part: self.buffer(part, busy) if isinstance(part, Tensor) else part)
        self.calls.append(out_call(operation, args, kwargs, _leaves(buffered)))
        return buffered

    def _outputs(self, results: Sequence[Tensor]) -> list[Tensor]:
        """The results; those that are (views of) inputs or constants are copied to buffers."""
        busy = _addresses(results)
        outputs = []
        for tensor in results:
            if _addresses(tensor) <= self.pool.keys():
                outputs.append(tensor)
            else:
                outputs.append(self.buffer(tensor, busy))
                self.calls.append(out_call(ATEN.clone.default, (tensor,), {}, outputs[-1:]))
        return outputs

    def buffer(self, result: Tensor, busy: set[int]) -> Tensor:
        """A copy of the result in a storage that is not busy, but is from now on."""
        size = result.numel() * result.element_size()
        free = [
            address
            for address, storage in self.pool.items()
            if size <= storage.nbytes() <= WASTE * size and not self.readers[address] and address not in busy
        ]
        found = min(reversed(free), key=lambda address: self.pool[address].nbytes(), default=None)
        storage = torch.UntypedStorage(size, device=result.device) if found is None else self.pool.pop(found)
        self.pool[storage.data_ptr()] = storage
        busy.add(storage.data_ptr())
        stride = torch.empty_like(result, device="meta").stride()  # the same where no two entries share a place
        return result.new_empty(0).set_(storage, 0, result.shape, stride).copy_(result)


def out_call(
    operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any], buffers: Sequence[Tensor | None]
) -> OutCall:
    """The operation with its results in buffers: by its out= variant, or else copied there."""
    variant, names = _out_variant(operation)
    if operation in WRITTEN:
        run = partial(WRITTEN[operation], *buffers)
    elif len(names) == len(buffers) and all(buffer is not None for buffer in buffers):
        run = partial(variant, **dict(zip(names, buffers, strict=True)))
    else:
        run = partial(_copied, operation, buffers)
    return OutCall(operation, buffers, partial(run, *args, **kwargs))


@cache
def _out_variant(operation: Any) -> tuple[Any, list[str]]:
    """The out= variant of an operation, and the names of the arguments that it writes to; none if there is none."""
    mine = [(argument.name, str(argument.type)) for argument in operation._schema.arguments]
    for name in operation.overloadpacket.overloads():
        overload = getattr(operation.overloadpacket, name)
        names = [argument.name for argument in overload._schema.arguments if argument.is_out]
        others = [(a.name, str(a.type)) for a in overload._schema.arguments if not a.is_out]
        if len(names) == len(operation._schema.returns) and others == mine:
            return overload, names
    return None, []


def _copied(operation: Any, buffers: Sequence[Tensor | None], *args: Any, **kwargs: Any) -> None:
    for buffer, result in zip(buffers, _leaves(operation(*args, **kwargs)), strict=True):
        if buffer is not None:
            buffer.copy_(result)


def tensors(*values: Any) -> list[Tensor]:
    """All tensors in nested tuples, lists and dictionaries."""
    return [leaf for leaf in _leaves(values) if isinstance(leaf, Tensor)]


def _leaves(value: Any) -> list[Any]:
    found: list[Any] = []
    map_aggregate(value, found.append)
    return found


def _addresses(values: Any) -> set[int]:
    """Of the storages; they tell storages apart that live at the same time."""
    return {tensor.untyped_storage().data_ptr() for tensor in tensors(values)}


def _form(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.dtype, tensor.shape, tensor.stride(), tensor.storage_offset()
