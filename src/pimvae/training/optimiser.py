"""Adam on the flat parameters of a stack, with the publication's treatment of gradient entries."""

__all__ = ["StackOptimiser"]

import math

import torch
from torch import Tensor

from pimvae.config.schema import TrainConfig


class StackOptimiser:
    """Non-finite gradient entries become 0, then entries are clipped, then Adam; both events are counted per replica.

    The publication clips the gradient of the *summed* batch loss at ``clip``; the loss here is a mean, so its entries
    are clipped at clip / (size of the batch). Adam and clipping act entry by entry, so replicas do not meet.
    """

    def __init__(self, flat: Tensor, config: TrainConfig, batch_size: int) -> None:
        self.flat, self.config = flat, config
        self.limit = None if config.clip is None else config.clip / batch_size
        self.adam = torch.optim.Adam([flat], lr=config.learning_rate, fused=True)
        self.nonfinite = torch.zeros(len(flat), dtype=torch.int64, device=flat.device)
        self.clipped = torch.zeros_like(self.nonfinite)
        self.entries = 0

    def step(self, loss: Tensor, index: int) -> None:
        """Update number ``index`` (0, 1, …) from the replicas' losses [R]."""
        self.adam.param_groups[0]["lr"] = self.learning_rate(index)
        (gradient,) = torch.autograd.grad(loss.sum(), self.flat)
        finite = gradient.isfinite()
        self.nonfinite += (~finite).sum(1)
        gradient = torch.where(finite, gradient, torch.zeros_like(gradient))
        if self.limit is not None:
            self.clipped += (gradient.abs() > self.limit).sum(1)
            gradient = gradient.clamp_(-self.limit, self.limit)
        self.entries += gradient.shape[1]
        self.flat.grad = gradient
        self.adam.step()

    def learning_rate(self, index: int) -> float:
        """The rate of update ``index``: constant, or η (1 + cos(π index/steps)) / 2."""
        if self.config.schedule == "constant":
            return self.config.learning_rate
        return 0.5 * self.config.learning_rate * (1 + math.cos(math.pi * index / self.config.steps))
