"""A computation recorded as a graph of tensor operations and replayed as out= calls on fixed buffers."""

__all__ = ["Operations", "Replay", "buffer_for", "recorded", "replayed"]

import operator
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.utils._python_dispatch import TorchDispatchMode

from pimvae.training.buffers import BufferAssignment, OutCall, tensors

Operations = Callable[..., list[Tensor]]
ATEN = torch.ops.aten
ALIASES = {ATEN.detach.default, ATEN.alias.default, ATEN.lift_fresh.default}  # without autograd: their input itself
READS_A_VALUE = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
INDEXED = {ATEN.index.Tensor, ATEN.index_put.default}  # have a shape that depends on values if indexed by a mask


def replayed(function: Operations, *inputs: Tensor, fixed: int = 0) -> Operations:
    """``function`` as the list of tensor operations that it does now, without autograd, modules or vmap.

    The operations are recorded as a graph, from which common subexpressions and dead code are eliminated; the rest is
    done in the same order, so that results are the same bit for bit. As with a CUDA graph, inputs are copied to their
    buffers before a run, and the results of a run are overwritten by the next one.

    Args:
        function: tensors -> list of tensors; shapes, and the branches taken, are fixed from now on.
        inputs: its arguments.
        fixed: so many of them, the first ones, are these very tensors in all runs; only their content changes.

    Returns:
        A `Replay`; ``function`` itself, with a warning, if it changes tensors in place.

    Raises:
        RuntimeError: if the function reads the value of a tensor, or draws random numbers.
    """
    buffers = [*inputs[:fixed], *(buffer_for(tensor) for tensor in inputs[fixed:])]
    graph, constants, in_place = recorded(function, buffers)
    if in_place:
        warnings.warn(f"a step that changes tensors in place ({in_place[0]}) is not replayed: it is slow", stacklevel=2)
        return function
    return Replay(graph, constants, buffers, fixed)


class Replay:
    """A graph as out= calls on fixed buffers, most of which `torch.jit.trace` turns into one call.

    Args:
        graph: of operations that change nothing in place.
        constants: the attributes that it reads.
        inputs: one tensor per placeholder; it reads them where they lie.
        fixed: so many of them, the first ones, are not copied there before a run.

    Attributes:
        inputs: those that are copied.
        calls: the operations that are done in a run; views and constants are made once, before.
        parts: the same calls, consecutive ones traced into one.
        outputs: the results of the latest run.
    """

    def __init__(self, graph: fx.Graph, constants: nn.Module, inputs: Sequence[Tensor], fixed: int) -> None:
        self.graph, self.inputs, self.fixed = graph, list(inputs[fixed:]), fixed
        with torch.no_grad():
            assignment = BufferAssignment(constants, graph)
            self.outputs: list[Tensor] = list(assignment.run(*inputs))
            self.calls = assignment.calls
            self.parts: list[Callable[[], Any]] = []
            for traceable, group in groupby(self.calls, _is_traceable):
                calls = list(group)
                self.parts += [_traced(calls)] if traceable else [call.run for call in calls]

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """The results for new inputs of the recorded shapes; they are valid until the next call."""
        for buffer, tensor in zip(self.inputs, inputs[self.fixed :], strict=True):
            buffer.copy_(tensor)
        for part in self.parts:
            part()
        return self.outputs


class _Recorder(TorchDispatchMode):
    """Writes the operations below autograd and vmap to a graph. Holds all tensors, so that no two share an id."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.graph, self.constants = fx.Graph(), nn.Module()
        self.nodes = {id(tensor): self.graph.placeholder(f"input{i}") for i, tensor in enumerate(inputs)}
        self.held: list[Any] = [inputs]
        self.in_place: list[Any] = []  # operations that change a tensor

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch would import its compiler, a second of work, to keep it from compiling this method

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _reads_a_value(function, args):
            raise RuntimeError(f"a step must not depend on the values of tensors, but it calls {function}")
        # Merged with its like, a draw would be made only once.
        if torch.Tag.nondeterministic_seeded in function.tags:
            raise RuntimeError(f"a step must be given its random numbers, but it calls {function}")
        if function._schema.is_mutable:
            self.in_place.append(function)
        result = function(*args, **(kwargs or {}))
        node = self.graph.call_function(function, *map_aggregate((tuple(args), kwargs or {}), self.node))
        self.held.append(result)
        self.nodes[id(result)] = node
        for i, part in enumerate(result if isinstance(result, (tuple, list)) else ()):
            self.nodes[id(part)] = self.graph.call_function(operator.getitem, (node, i))
        return result

    def node(self, value: Any) -> Any:
        """The node of a tensor: of one that was not seen before, a constant. Anything else is returned as it is."""
        if not isinstance(value, Tensor):
            return value
        if id(value) not in self.nodes:
            name = f"constant{len(self.nodes)}"
            self.constants.register_buffer(name, value)
            self.nodes[id(value)] = self.graph.get_attr(name)
        return self.nodes[id(value)]


def recorded(function: Operations, inputs: Sequence[Tensor]) -> tuple[fx.Graph, nn.Module, list[Any]]:
    """Graph, its constants, and the operations that change tensors. The tensors of this run are let go on return.

    Where no operation changes a tensor, common subexpressions and dead code are eliminated.
    """
    with _Recorder(inputs) as recorder:
        results = function(*inputs)
    recorder.graph.output([recorder.node(tensor) for tensor in results])
    if not recorder.in_place:
        eliminate_common_subexpressions(recorder.graph)
        recorder.graph.eliminate_dead_code()
    return recorder.graph, recorder.constants, recorder.in_place


def buffer_for(tensor: Tensor) -> Tensor:
    """A copy, its entries in the same order in memory: the order of a sum decides its rounding."""
    if 0 in tensor.stride():  # expanded: one entry would be several
        return tensor.clone()
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def _reads_a_value(function: Any, args: Sequence[Any]) -> bool:
    """Whether the operation looks at values: for a number to the host, or for the shape of its result."""
    if function in INDEXED:
        return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1])
    return not READS_A_VALUE.isdisjoint(function.tags)


def eliminate_common_subexpressions(graph: fx.Graph) -> None:
    """Equal operations on equal arguments become one; aliases, and products with the 1 of vmap, their operand."""
    known: dict[tuple[Any, str], fx.Node] = {}
    for node in graph.nodes:
        same = node
        if node.target in ALIASES or (node.target is ATEN.mul.Scalar and repr(node.args[1]) == "1"):
            same = node.args[0]
        elif node.op == "call_function":  # by text: True, 1 and 1.0 are equal, but not the same
            same = known.setdefault((node.target, repr((node.args, node.kwargs))), node)
        if same is not node:
            node.replace_all_uses_with(same)
            graph.erase_node(node)


def _is_traceable(call: OutCall) -> bool:
    """Torch's tracer takes no mask among the arguments, as backward of convolutions and normalisations have."""
    return all(str(argument.type) != "List[bool]" for argument in call.operation._schema.arguments)


def _traced(calls: Sequence[OutCall]) -> Callable[[], Any]:
    """All calls as one in torch's own interpreter, which spends less time on an operation than Python does."""

    def run(*held: Tensor) -> Any:
        for call in calls:
            call.run()
        return held[:1]

    # Handed over: of a tensor that it holds itself, the interpreter may think that it never changes.
    operands = tensors(*((call.run.args, call.run.keywords) for call in calls))
    held = tuple({id(tensor): tensor for tensor in operands}.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is no longer developed
        return partial(torch.jit.trace(run, held, check_trace=False), *held)
