"""The arithmetic of a training step as one program: losses and gradients of all replicas from the inputs of a step."""

__all__ = ["Program", "StepResult"]

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pimvae.training.captured import Captured
from pimvae.training.choice import Choice, choose
from pimvae.training.compiled import Compiled
from pimvae.training.replay import Operations, Replay, replayed

Losses = Callable[..., tuple[Tensor, dict[str, Tensor]]]  # (flat, *inputs) -> losses [R], named terms
FORMS = {Replay: "replayed", Captured: "captured", Compiled: "compiled"}


@dataclass(frozen=True)
class StepResult:
    """Loss [R] and terms {name: [R]} of a step (no graph), gradient [R, P] of the sum of the losses.

    They are valid until the next step, which may write to the same buffers.
    """

    loss: Tensor
    terms: dict[str, Tensor]
    gradient: Tensor


class Program:
    """Losses and gradients of a stack, recorded once and then replayed without autograd, modules or vmap.

    Small networks spend a good part of a step in Python: dispatch of vmap, modules, autograd. Here the first call
    records the plain tensor operations of forward *and* backward as a graph; common subexpressions and dead code are
    eliminated, every result gets a buffer, and from then on the operations run on these (`pimvae.training.replay`).
    They are the same, in the same order, so the result is the same bit for bit. On a GPU the step is captured in a CUDA
    graph instead. Parameters stay where they are and change in place; for others, which lie somewhere else, the step is
    recorded anew. By choice it is compiled instead (`pimvae.training.compiled`), to nearly the same numbers.

    Args:
        losses: (flat parameters [R, P], *inputs) -> losses [R] and named terms; the shapes of inputs never change.
        trace: False runs ``losses`` and autograd at every call.
        choice: whether the step is compiled, see `pimvae.training.choice.choose`.
        calls: how many are to come, by which ``auto`` decides.

    Attributes:
        operations: what a call runs; None before the first one.
        form: ``replayed``, ``captured`` (in a CUDA graph), ``compiled`` or ``autograd``; None before the first call.
    """

    def __init__(self, losses: Losses, trace: bool = True, choice: Choice = "never", calls: int = 1) -> None:
        self.losses, self.trace, self.choice, self.calls = losses, trace, choice, calls
        self.form: str | None = None
        self.names: tuple[str, ...] = ()
        self.operations: Operations | None = None
        self._address = 0  # of the parameters: what was prepared reads them there

    def __call__(self, flat: Tensor, *inputs: Tensor) -> StepResult:
        """The step at parameters ``flat``."""
        flat = flat.detach()
        if self.operations is None or flat.data_ptr() != self._address:
            self._address = flat.data_ptr()
            self.operations = self._step
            if self.trace:
                self.operations = choose(self.choice, self.calls, self._plain, self._step, (flat, *inputs))
            self.form = FORMS.get(type(self.operations), "autograd")
        with torch.no_grad():
            gradient, loss, *terms = self.operations(flat, *inputs)
        return StepResult(loss, dict(zip(self.names, terms, strict=True)), gradient)

    def _plain(self, *inputs: Tensor) -> Operations:
        """The very operations of the step."""
        if inputs[0].is_cuda:
            return Captured(self._step, *inputs)
        return replayed(self._step, *inputs, fixed=1)

    def _step(self, flat: Tensor, *inputs: Tensor) -> list[Tensor]:
        """Gradient, losses and terms, in this order."""
        with torch.enable_grad():
            flat = flat.detach().requires_grad_()
            loss, terms = self.losses(flat, *inputs)
            (gradient,) = torch.autograd.grad(loss.sum(), flat)
        self.names = tuple(terms)
        return [gradient, loss.detach(), *(term.detach() for term in terms.values())]
