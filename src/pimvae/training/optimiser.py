"""Adam on the flat parameters of a stack, with the publication's treatment of gradient entries."""

__all__ = ["StackOptimiser"]

import math

import torch
from torch import Tensor

from pimvae.config.schema import TrainConfig

MEAN_DECAY, SQUARE_DECAY, EPS = 0.9, 0.999, 1e-8  # the usual constants of Adam


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
        # What changes from step to step are two numbers on the device, so that a captured update can read them.
        self.factors = torch.zeros(2, dtype=flat.dtype, device=flat.device)

    def step(self, gradient: Tensor, index: int) -> None:
        """Update number ``index`` (0, 1, …) by the gradients [R, P] of the replicas' losses."""
        self.prepare(index)
        self.update(gradient)

    def prepare(self, index: int) -> None:
        """Set the step size η_t / (1−β₁ᵗ) and the factor 1/√(1−β₂ᵗ) of update number ``index``."""
        t = index + 1
        size = self.learning_rate(index) / (1 - MEAN_DECAY**t)
        self.factors.copy_(torch.tensor([size, (1 - SQUARE_DECAY**t) ** -0.5]))
        self.entries += self.flat.shape[1]

    @torch.no_grad()
    def update(self, gradient: Tensor) -> None:
        """Clean, clip, move: device operations alone."""
        gradient = self._clean(gradient)
        self.mean.lerp_(gradient, 1 - MEAN_DECAY)
        self.square.mul_(SQUARE_DECAY).addcmul_(gradient, gradient, value=1 - SQUARE_DECAY)
        size, correction = self.factors
        denominator = self.square.sqrt().mul_(correction).add_(EPS)
        self.flat.sub_(torch.div(self.mean, denominator, out=denominator).mul_(size))

    def _clean(self, gradient: Tensor) -> Tensor:
        """The gradient without non-finite entries and clipped; on most steps one pass tells that there is no need."""
        limit = math.inf if self.limit is None else self.limit
        size = gradient.abs()
        # On a GPU the host does not wait to look: everything is done at every step.
        largest = math.nan if size.is_cuda else float(size.amax())
        if not math.isfinite(largest):
            finite = gradient.isfinite()
            self.nonfinite += (~finite).sum(1)
            gradient = torch.where(finite, gradient, torch.zeros_like(gradient))
            size = gradient.abs()
        if not largest <= limit:
            self.clipped += size.gt_(limit).sum(1, dtype=torch.float64).to(torch.int64)  # in place: half the time
            gradient = gradient.clamp(-limit, limit)
        return gradient

    def learning_rate(self, index: int) -> float:
        """The rate of update ``index``: constant, or η (1 + cos(π index/steps)) / 2."""
        if self.config.schedule == "constant":
            return self.config.learning_rate
        return 0.5 * self.config.learning_rate * (1 + math.cos(math.pi * index / self.config.steps))
