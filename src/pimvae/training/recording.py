"""A computation written down as a list of tensor operations, and run again from the list."""

__all__ = ["Operations", "Recording", "record"]

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

Operations = Callable[..., list[Tensor]]
ALIASES = {"aten::detach", "aten::alias", "aten::lift_fresh"}  # without a graph: their input itself
NOTHING = -1  # number of a result that an operation left out
READS_A_VALUE = {"aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero"}


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
        _map((self.arguments, self.keywords), Register, lambda register: found.add(register.index))
        return found


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
    """Operations in the order in which they were seen, without those whose result is already there or never read.

    Args:
        calls: the operations.
        constants: tensors that the computation read but was not given.
        inputs: registers of the inputs; outputs: registers of the results.
    """

    def __init__(
        self, calls: Sequence[Call], constants: dict[int, Tensor], inputs: Sequence[int], outputs: Sequence[int]
    ) -> None:
        if any(call.function._schema.is_mutable for call in calls):
            self.calls, self.outputs = list(calls), list(outputs)  # order and identity matter: leave all as it is
        else:
            self.calls, self.outputs = _read(*_merged(calls, outputs))
        self.constants, self.inputs = constants, list(inputs)
        self.last_reads = _last_reads(self.calls, set(self.outputs))

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Run the operations on new inputs of the recorded shapes."""
        values = self.constants | dict(zip(self.inputs, inputs, strict=True))
        for call, finished in zip(self.calls, self.last_reads, strict=True):
            arguments, keywords = _map((call.arguments, call.keywords), Register, lambda r: values[r.index])
            result = call.function(*arguments, **dict(keywords))
            results = result if isinstance(result, (tuple, list)) else (result,)
            values.update(zip(call.results, results, strict=True))
            for register in finished:
                values.pop(register, None)
        return [values[register] for register in self.outputs]

    def interpreted(self, *inputs: Tensor) -> Operations:
        """The same list in torch's own interpreter, which spends less time on an operation than Python does.

        Where it cannot take an operation (the backward of convolutions), Python goes on running the list.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the list at the output, and that it is no longer developed
            try:
                return torch.jit.trace(self.__call__, inputs, check_trace=False)
            except (RuntimeError, AttributeError):
                return self


def record(function: Operations, *inputs: Tensor) -> Recording:
    """What ``function`` does with ``inputs``; shapes, and the branches taken, are fixed from then on.

    Raises:
        RuntimeError: if the function reads the value of a tensor, or draws random numbers.
    """
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
        arguments = _map(_frozen(args), Tensor, register)
        keywords = _map(tuple(sorted(kwargs.items())), Tensor, register)
        results = result if isinstance(result, (tuple, list)) else (result,)
        calls.append(_readable(Call(operation, arguments, keywords, tuple(number(tensor) for tensor in results))))
    return Recording(calls, constants, given, [number(tensor) for tensor in outputs])


def _map(value: Any, kind: type, function: Callable[[Any], Any]) -> Any:
    """``function`` of every ``kind`` in nested tuples and lists."""
    if isinstance(value, kind):
        return function(value)
    if isinstance(value, (tuple, list)):
        return type(value)(_map(item, kind, function) for item in value)
    return value


def _frozen(value: Any) -> Any:
    """Lists as tuples, so that calls can be compared."""
    return tuple(_frozen(item) for item in value) if isinstance(value, (tuple, list)) else value


def _merged(calls: Sequence[Call], outputs: Sequence[int]) -> tuple[list[Call], list[int]]:
    """Equal operations on equal arguments become one, aliases become what they stand for."""
    same: dict[int, int] = {}
    known: dict[Any, tuple[int, ...]] = {}
    kept = []

    def rename(register: Register) -> Register:
        return Register(same.get(register.index, register.index))

    for call in calls:
        arguments, keywords = (_map(part, Register, rename) for part in (call.arguments, call.keywords))
        if call.function._schema.name in ALIASES or _is_identity(call, arguments):
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


def _read(calls: Sequence[Call], outputs: Sequence[int]) -> tuple[list[Call], list[int]]:
    """Only the operations on which an output depends."""
    needed, kept = set(outputs), []
    for call in reversed(calls):
        if needed.intersection(call.results):
            needed |= call.reads
            kept.append(call)
    return kept[::-1], list(outputs)


def _last_reads(calls: Sequence[Call], outputs: set[int]) -> list[set[int]]:
    """For every operation the registers that nothing reads after it."""
    later, finished = set(outputs), []
    for call in reversed(calls):
        used = call.reads | set(call.results)
        finished.append(used - later)
        later |= used
    return finished[::-1]


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
