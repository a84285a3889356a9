"""Replicas in one program: parameters stacked on a leading axis, the step vectorised over it."""

__all__ = ["Stack"]

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap


class Stack:
    """R models of one architecture, their parameters in one flat tensor [R, P].

    A flat tensor makes the optimiser a handful of elementwise operations, whatever the number of layers. Modules are
    written for one model; `map` runs a function of a module over all replicas at once. No operation mixes replicas, so
    a replica's result does not depend on the others.

    Args:
        models: R modules with equal names and shapes of parameters and buffers.
    """

    def __init__(self, models: Sequence[nn.Module], device: torch.device | str = "cpu") -> None:
        self.template = models[0]
        self.names = [name for name, _ in models[0].named_parameters()]
        self.shapes = [parameter.shape for parameter in models[0].parameters()]
        rows = [torch.cat([parameter.detach().flatten() for parameter in model.parameters()]) for model in models]
        self.flat = torch.stack(rows).to(device).requires_grad_()
        buffers = [dict(model.named_buffers()) for model in models]
        self.buffers = {name: torch.stack([b[name] for b in buffers]).to(device) for name in buffers[0]}

    def __len__(self) -> int:
        return self.flat.shape[0]

    def parameters(self, flat: Tensor | None = None) -> dict[str, Tensor]:
        """Views of the flat tensor by name, [R, *shape]; one split, so that its gradient is one concatenation."""
        parts = (self.flat if flat is None else flat).split([shape.numel() for shape in self.shapes], dim=1)
        return {name: part.view(-1, *shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)}

    def map(self, function: Callable[..., object], *arguments: object, flat: Tensor | None = None) -> object:
        """``function(module, *arguments)`` of every replica; arguments and results carry a leading axis R.

        ``flat`` takes the place of the stack's own parameters.
        """
        caller = _Caller(self.template, function)

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *rest: object) -> object:
            state = {f"module.{name}": tensor for name, tensor in (parameters | buffers).items()}
            return functional_call(caller, state, rest)

        return vmap(one)(self.parameters(flat), self.buffers, *arguments)


class _Caller(nn.Module):
    """A module whose forward is a function of another module: `functional_call` only calls forward."""

    def __init__(self, module: nn.Module, function: Callable[..., object]) -> None:
        super().__init__()
        self.module = module
        self.function = function

    def forward(self, *arguments: object) -> object:
        return self.function(self.module, *arguments)
