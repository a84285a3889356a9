"""Averaged weights: the running mean of a training's weights over the last share of its steps."""

__all__ = ["AveragedWeights"]

import torch
from torch import Tensor

EVERY = 8  # steps between two updates: neighbours hardly differ, and a pass over all weights would cost up to a tenth


class AveragedWeights:
    r"""w̄ ← w̄ + min(1, k / (a t)) (w − w̄) after step t, k steps after the update before; the horizon a·t grows with t.

    The weights of step s count as (s/t)^{1/a − 1}: the mean looks back over about the last share a of all steps done so
    far, so it is good at *every* t, and one run gives results for every budget. While a·t ≤ k it is the weights
    themselves. A constant learning rate with averaged weights needs no schedule that knows the last step.

    Args:
        weights: parameters [R, P] of all replicas, which change in place.
        horizon: a in (0, 1); None keeps no mean, and `value` is the weights themselves.

    References:
        Acceleration of stochastic approximation by averaging (Polyak & Juditsky, 1992); polynomial-decay averaging:
        Shamir & Zhang (2013), https://arxiv.org/abs/1212.1824, section 4.
    """

    def __init__(self, weights: Tensor, horizon: float | None) -> None:
        self.weights, self.horizon = weights, horizon
        self.mean: Tensor | None = None if horizon is None else weights.detach().clone()
        self.updated = 0  # the step of the last update

    @property
    def value(self) -> Tensor:
        """What is evaluated and saved, [R, P]: the mean, as of the last update, or the weights."""
        return self.weights.detach() if self.mean is None else self.mean

    @torch.no_grad()
    def after_step(self, step: int, now: bool = False) -> None:
        """Take in the weights after step ``step`` (1, 2, …), if an update is due or wanted ``now``."""
        if self.mean is None or not (now or step % EVERY == 0) or step == self.updated:
            return
        self.mean.lerp_(self.weights, min(1.0, (step - self.updated) / (self.horizon * step)))
        self.updated = step
