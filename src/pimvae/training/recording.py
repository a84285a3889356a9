"""A computation written down as a list of tensor operations, and run again from the list."""

__all__ = ["Operations", "Recording", "record"]

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pimvae.training.layout import Layout, laid_out
from pimvae.training.operations import Call, Register, last_reads, replace
from pimvae.training.passes import merged, read

Operations = Callable[..., list[Tensor]]
NOTHING = -1  # number of a result that an operation left out
READS_A_VALUE = {"aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero"}


class _Recorder(TorchDispatchMode):
    """Sees every operation below autograd and vmap. Holds all tensors, so that no two share an identity."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch would import its compiler, a second of work, to keep it from compiling this method

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function._schema.name
        if name in READS_A_VALUE:
            raise RuntimeError(f"a step must not depend on the values of tensors, but it calls {name}")
        # Merged with its like, a draw would be made only once.
        if torch.Tag.nondeterministic_seeded in function.tags:
            raise RuntimeError(f"a step must be given its random numbers, but it calls {name}")
        result = function(*args, **(kwargs or {}))
        self.seen.append((function, args, kwargs or {}, result))
        return result


class Recording:
    """A list of operations that can be run again.

    Args:
        calls: the operations.
        constants: tensors that the computation reads or writes, but is not given: the same in all runs.
        inputs: registers of the inputs; outputs: registers of the results.
    """

    def __init__(
        self, calls: Sequence[Call], constants: dict[int, Tensor], inputs: Sequence[int], outputs: Sequence[int]
    ) -> None:
        self.calls, self.constants, self.inputs, self.outputs = list(calls), constants, list(inputs), list(outputs)
        self.last_reads = last_reads(self.calls, set(self.outputs))

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Run the operations on new inputs of the recorded shapes."""
        return self._from(*inputs, *self.constants.values())

    def shortened(self, *inputs: Tensor, fixed: int = 0) -> "Recording":
        """The same results from fewer operations, in memory that is laid out once.

        Results that are there already are not computed again, nor those that nobody reads. Where the computation itself
        writes to memory, it stays as it is.

        Args:
            inputs: any.
            fixed: so many of them, the first ones, are these very tensors in all runs; only their content changes.
        """
        if any(call.function._schema.is_mutable for call in self.calls):
            return self
        calls, outputs = merged(self.calls, self.outputs)
        calls = read(calls, outputs)
        layouts = self._layouts(calls, inputs)
        placed = self.constants | dict(zip(self.inputs[:fixed], inputs[:fixed], strict=True))
        calls, tensors = laid_out(calls, layouts, outputs, placed)
        return Recording(calls, tensors, self.inputs, outputs)

    def _layouts(self, calls: Sequence[Call], inputs: Sequence[Tensor]) -> dict[int, Layout]:
        """Of all registers, from a run in which all results are held, so that no two storages share an address."""
        values = self.constants | dict(zip(self.inputs, inputs, strict=True))
        for call in calls:
            _run(call, values)
        return {register: Layout.of(value) for register, value in values.items() if value is not None}

    def interpreted(self, *inputs: Tensor) -> Operations:
        """The same list in torch's own interpreter, which spends less time on an operation than Python does.

        Where it cannot take an operation (the backward of convolutions), Python goes on running the list.
        """
        # Handed over like inputs: of a tensor that it holds itself, the interpreter may think that it never changes.
        tensors = tuple(self.constants.values())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the list at the output, and that it is no longer developed
            try:
                traced = torch.jit.trace(self._from, (*inputs, *tensors), check_trace=False)
            except (RuntimeError, AttributeError):
                return self
        return lambda *inputs: traced(*inputs, *tensors)

    def _from(self, *tensors: Tensor) -> list[Tensor]:
        """Run the operations on new inputs, and on these tensors in the place of the constants."""
        values = dict(zip((*self.inputs, *self.constants), tensors, strict=True))
        for call, finished in zip(self.calls, self.last_reads, strict=True):
            _run(call, values)
            for register in finished:
                values.pop(register, None)
        return [values[register] for register in self.outputs]


def _run(call: Call, values: dict[int, Any]) -> None:
    """Add the results of an operation to the values of the registers."""
    arguments, keywords = replace((call.arguments, call.keywords), Register, lambda register: values[register.index])
    result = call.function(*arguments, **dict(keywords))
    values.update(zip(call.results, result if isinstance(result, (tuple, list)) else (result,), strict=True))


def record(function: Operations, *inputs: Tensor, fixed: int = 0) -> Recording:
    """What ``function`` does with ``inputs``; shapes, and the branches taken, are fixed from then on.

    Args:
        function: tensors -> list of tensors.
        inputs: its arguments.
        fixed: so many of them, the first ones, are these very tensors in all runs; only their content changes.

    Raises:
        RuntimeError: if the function reads the value of a tensor, or draws random numbers.
    """
    return _recorded(function, *inputs).shortened(*inputs, fixed=fixed)


def _recorded(function: Operations, *inputs: Tensor) -> Recording:
    """All operations as they were seen; the tensors of that run are let go on return."""
    with _Recorder() as recorder:
        outputs = function(*inputs)
    numbers: dict[int, int] = {}
    constants: dict[int, Tensor] = {}

    def number(tensor: Tensor | None) -> int:
        return NOTHING if tensor is None else numbers.setdefault(id(tensor), len(numbers))

    def register(tensor: Tensor) -> Register:
        if id(tensor) not in numbers:
            constants[number(tensor)] = tensor
        return Register(number(tensor))

    given = [number(tensor) for tensor in inputs]
    calls = []
    for operation, args, kwargs, result in recorder.seen:
        arguments = replace(_frozen(args), Tensor, register)
        keywords = replace(tuple(sorted(kwargs.items())), Tensor, register)
        results = result if isinstance(result, (tuple, list)) else (result,)
        calls.append(_readable(Call(operation, arguments, keywords, tuple(number(tensor) for tensor in results))))
    return Recording(calls, constants, given, [number(tensor) for tensor in outputs])


def _frozen(value: Any) -> Any:
    """Lists as tuples, so that calls can be compared."""
    return tuple(_frozen(item) for item in value) if isinstance(value, (tuple, list)) else value


_library = torch.library.Library("pimvae", "FRAGMENT")
_library.define("layer_norm_backward(Tensor gradient, Tensor x, int[] shape, Tensor mean, Tensor rstd) -> Tensor")


def _layer_norm_backward(gradient: Tensor, x: Tensor, shape: list[int], mean: Tensor, rstd: Tensor) -> Tensor:
    """Gradient of the input of a layer normalisation without weights."""
    operation = torch.ops.aten.native_layer_norm_backward
    return operation(gradient, x, shape, mean, rstd, None, None, [True, False, False])[0]


_library.impl("layer_norm_backward", _layer_norm_backward, "CompositeExplicitAutograd")


def _readable(call: Call) -> Call:
    """Torch's interpreter cannot read the mask argument of this operation: call one of ours that has none."""
    if call.function is not torch.ops.aten.native_layer_norm_backward.default:
        return call
    *arguments, weight, bias, wanted = call.arguments
    if weight is not None or bias is not None or wanted != (True, False, False):
        return call
    return Call(torch.ops.pimvae.layer_norm_backward.default, tuple(arguments), (), call.results[:1])
