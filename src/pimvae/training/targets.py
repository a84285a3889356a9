"""Forms of torch's operations that write their result to a given tensor."""

__all__ = ["Target", "scalar_as_tensor", "target"]

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from pimvae.training.operations import Call, Register

ATEN = torch.ops.aten
ELEMENTWISE = {ATEN.leaky_relu_backward.default}  # that torch does not mark as such
WITH_TENSOR = {
    ATEN.add.Scalar: ATEN.add.Tensor,
    ATEN.sub.Scalar: ATEN.sub.Tensor,
    ATEN.mul.Scalar: ATEN.mul.Tensor,
    ATEN.div.Scalar: ATEN.div.Tensor,
}


@dataclass(frozen=True)
class Target:
    """The form of an operation that writes to a given tensor.

    Attributes:
        function: the operation.
        name: of the argument that is written to; None: it is the first one.
        more: arguments that this form has behind the others.
        elementwise: whether every number of the result depends on the numbers at its place alone.
    """

    function: Callable[..., Any]
    name: str | None
    more: tuple[Any, ...]
    elementwise: bool

    def call(self, call: Call, result: Register) -> Call:
        """The operation as it writes to ``result``."""
        if self.name is None:
            return Call(self.function, (result, *call.arguments), (), call.results)
        keywords = (*call.keywords, (self.name, result))
        return Call(self.function, (*call.arguments, *self.more), keywords, call.results)


@cache
def target(function: Any) -> Target | None:
    """How an operation with one result writes it to a given tensor; None if torch would only copy it there."""
    if function is ATEN.clone.default:
        return Target(ATEN.copy_.default, None, (), True)
    if function is ATEN.relu.default:  # what torch computes; its own form that writes to a tensor makes a copy
        return Target(ATEN.clamp_min.out, "out", (0,), True)
    elementwise = torch.Tag.pointwise in function.tags or function in ELEMENTWISE
    if len(function._schema.returns) != 1:
        return None
    mine = [(argument.name, str(argument.type)) for argument in function._schema.arguments]
    for name in function.overloadpacket.overloads():
        overload = getattr(function.overloadpacket, name)
        *others, last = overload._schema.arguments
        same = last.is_out and [(argument.name, str(argument.type)) for argument in others] == mine
        if same and torch.Tag.generated not in overload.tags:
            return Target(overload, last.name, (), elementwise)
    return None


def scalar_as_tensor(call: Call, result: torch.dtype) -> tuple[Any, Tensor] | None:
    """The same operation on two tensors, and its number as one; None where it has no number or another type results.

    Beside a tensor with axes, one without axes does not decide the type of the result, nor its rounding.
    """
    if call.function not in WITH_TENSOR or not result.is_floating_point or len(call.arguments) != 2:
        return None
    return WITH_TENSOR[call.function], torch.tensor(call.arguments[1], dtype=result)
