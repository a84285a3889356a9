"""Adam on the flat parameters of a stack, with the publication's treatment of gradient entries."""

__all__ = ["StackOptimiser"]

import math

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam  # the class imports torch's compiler, which takes most of a short job

from pimvae.config.schema import TrainConfig

MEAN_DECAY, SQUARE_DECAY, EPS = 0.9, 0.999, 1e-8  # the usual constants of Adam
CHUNK = 2**17  # entries that are looked through at once


class StackOptimiser:
    r"""Non-finite gradient entries become 0, then entries are clipped, then Adam; both events are counted per replica.

    m ← β₁ m + (1−β₁) g, v ← β₂ v + (1−β₂) g², θ ← θ − η_t (m / (1−β₁ᵗ)) / (√(v / (1−β₂ᵗ)) + ε), in place and entry by
    entry, so replicas do not meet. The publication clips the gradient of the *summed* batch loss at ``clip``; the loss
    here is a mean, so its entries are clipped at clip / (size of the batch).

    Args:
        flat: parameters [R, P], updated in place.
        config: learning rate, schedule, clip and number of steps.
        batch_size: samples that the mean loss averages.

    References:
        Adam (Kingma & Ba, 2015), https://arxiv.org/abs/1412.6980
    """

    def __init__(self, flat: Tensor, config: TrainConfig, batch_size: int) -> None:
        self.flat, self.config = flat, config
        self.limit = None if config.clip is None else config.clip / batch_size
        self.mean, self.square = torch.zeros_like(flat), torch.zeros_like(flat)
        self.nonfinite = torch.zeros(len(flat), dtype=torch.int64, device=flat.device)
        self.clipped = torch.zeros_like(self.nonfinite)
        self.entries = 0
        self.alive = torch.ones(len(flat), dtype=torch.bool, device=flat.device)  # False: the replica stands still
        self._moving = list(range(len(flat)))  # the same, where the host can read it without waiting for a GPU
        self._steps = torch.zeros(len(flat), device=flat.device)
        # Every replica is a tensor of its own to the kernel, whose last few entries are rounded in another order than
        # the others: they are the same ones whoever is in the stack.
        self._rows = [tensor.unbind() for tensor in (flat.detach(), self.mean, self.square, self._steps)]

    def step(self, gradient: Tensor, index: int) -> None:
        """Update number ``index`` (0, 1, …) by the gradients [R, P] of the replicas' losses, which are overwritten."""
        self.entries += self.flat.shape[1]
        self._move(self._clean(gradient), index)

    def stop(self, replicas: Tensor) -> None:
        """Freeze the replicas whose entry of ``replicas`` [R] is True; their gradients are no longer counted."""
        self.alive &= ~replicas
        self._moving = torch.nonzero(self.alive).flatten().tolist()

    @torch.no_grad()
    def _move(self, gradient: Tensor, index: int) -> None:
        """Adam's update in torch's fused kernel: one pass over parameters and moments."""
        self._steps.fill_(index)
        rows = [[each[replica] for replica in self._moving] for each in (gradient.unbind(), *self._rows)]
        gradients, parameters, means, squares, steps = rows
        adam(parameters, gradients, means, squares, [], steps, fused=True, amsgrad=False, beta1=MEAN_DECAY,
             beta2=SQUARE_DECAY, lr=self.learning_rate(index), weight_decay=0.0, eps=EPS, maximize=False)  # fmt: skip

    def _clean(self, gradient: Tensor) -> Tensor:
        """The gradient without non-finite entries and clipped; on most steps one pass tells that there is no need."""
        limit = math.inf if self.limit is None else self.limit
        # On a GPU the host does not wait to look: everything is done at every step.
        largest = math.nan if gradient.is_cuda else _largest(gradient)
        if not math.isfinite(largest):
            finite = gradient.isfinite()
            self.nonfinite += self._counted((~finite).sum(1))
            gradient = torch.where(finite, gradient, torch.zeros_like(gradient))
        if not largest <= limit:
            self.clipped += self._counted(_above(gradient, limit))
            gradient.clamp_(-limit, limit)
        return gradient

    def _counted(self, entries: Tensor) -> Tensor:
        return entries.to(torch.int64) * self.alive

    def learning_rate(self, index: int) -> float:
        """The rate of update ``index``: constant, or η (1 + cos(π index/steps)) / 2."""
        if self.config.schedule == "constant":
            return self.config.learning_rate
        return 0.5 * self.config.learning_rate * (1 + math.cos(math.pi * index / self.config.steps))


def _largest(values: Tensor) -> float:
    """The largest absolute value; NaN if there is one."""
    low, high = torch.aminmax(values)
    return max(-float(low), float(high))  # both are NaN or none


def _above(values: Tensor, limit: float) -> Tensor:
    """How many absolute values of each row exceed the limit."""
    if values.is_cuda:  # few launches
        return (values.abs() > limit).sum(1)
    # In chunks that fit a cache; numpy counts without a tensor of the numbers that it counts.
    rows = values.numpy()
    starts = range(0, rows.shape[1], CHUNK)
    return torch.tensor([sum(np.count_nonzero(np.abs(row[i : i + CHUNK]) > limit) for i in starts) for row in rows])
