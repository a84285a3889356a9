"""Early stopping: the bound of validation samples is looked at from time to time, and the best weights are kept."""

__all__ = ["EarlyStopping"]

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pimvae.training.loop import Trainer
from pimvae.training.packing import PackedSplit
from pimvae.training.streams import Purpose, Streams, derived_seed

ROWS_LOOKED_AT = 1024  # validation samples × draws that one look at the bound is made of
PATIENCE = 8  # looks at the validation bound without a better one, after which training ends


class EarlyStopping:
    """A trainer, looked at every ``history_every`` steps.

    Args:
        trainer: freshly made.
        validation: held-out samples of each replica; None: the last weights are kept, and training goes to its end.

    Attributes:
        best: the weights that are kept, [R, P]: averaged ones, where ``train.averaging`` says so.
        bound: the best validation bound of each replica, −∞ before a finite one; nats per sample in the model's units.
        best_step: the step that the weights of each replica are from.
        curve: (step, validation bounds of all replicas).
    """

    def __init__(self, trainer: Trainer, validation: Sequence[PackedSplit] | None) -> None:
        replicas = len(trainer.stack)
        self.trainer = trainer
        self._bounds = _validation_bounds(trainer, validation) if validation else None
        self.best = trainer.average.value.clone()
        self.bound = [-math.inf] * replicas
        self.best_step = [0] * replicas
        self.curve: list[tuple[int, list[float]]] = []
        self._looked, self._waited = 0, 0  # step of the last look, looks since a better bound

    @property
    def done(self) -> bool:
        """Whether training ends here: no steps are left, no replica is, or the bounds have stopped rising."""
        trainer = self.trainer
        if self._looked < trainer.step:  # cut off before it was looked at
            return False
        left = trainer.step < trainer.config.steps and len(trainer.stopped) < len(trainer.stack)
        return not left or self._waited >= PATIENCE

    @property
    def next_look(self) -> int:
        every = self.trainer.config.history_every
        return min((self._looked // every + 1) * every, self.trainer.config.steps)

    def look(self) -> list[float]:
        """The bounds of the validation samples now; keeps the weights where they are better. Empty without samples."""
        trainer, self._looked = self.trainer, self.trainer.step
        if self._bounds is None:
            self.best = trainer.average.value
            self.best_step = [trainer.stopped.get(r, trainer.step) for r in range(len(trainer.stack))]
            return []
        found = self._bounds()
        self.curve.append((trainer.step, found))
        better = [r for r, value in enumerate(found) if value > self.bound[r]]
        for r in better:
            self.bound[r], self.best_step[r], self.best[r] = found[r], trainer.step, trainer.average.value[r]
        self._waited = 0 if better else self._waited + 1
        return found

    def lost(self, replica: int) -> bool:
        """Whether there are no usable weights of a replica."""
        return self.trainer.diverged(replica) if self._bounds is None else self.bound[replica] == -math.inf

    @property
    def where(self) -> str:
        return self.trainer.where

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, facts = self.trainer.state()
        seen = {"bound": self.bound, "best_step": self.best_step, "curve": self.curve}
        return tensors | {"best": self.best}, facts | seen | {"looked": self._looked, "waited": self._waited}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        self.trainer.restore(tensors, facts)
        self.best = tensors["best"].to(self.best.device)
        self.bound, self.best_step = list(facts["bound"]), list(facts["best_step"])
        self.curve = [(step, list(bounds)) for step, bounds in facts["curve"]]
        self._looked, self._waited = facts["looked"], facts["waited"]


def _validation_bounds(trainer: Trainer, validation: Sequence[PackedSplit]) -> Callable[[], list[float]]:
    """A function that gives the validation bound of every replica, on samples, subsets and noise that stay the same."""
    repeats = max(1, ROWS_LOOKED_AT // len(validation[0]))
    device = trainer.stack.flat.device
    x = torch.stack([split.x.repeat(1, repeats, 1) for split in validation]).to(device)
    observed = torch.stack([split.mask.repeat(repeats, 1) for split in validation]).to(device)
    seeds = [derived_seed(seed, Purpose.VALIDATION) for seed in trainer.cell.seeds]
    kept, trainer.streams = trainer.streams, Streams(seeds, device)
    chunks = list(zip(x.split(ROWS_LOOKED_AT, 2), observed.split(ROWS_LOOKED_AT, 1), strict=True))
    inputs = [(*chunk, *trainer._draw(chunk[1])) for chunk in chunks]
    trainer.streams = kept

    @torch.no_grad()
    def bounds() -> list[float]:
        total = torch.zeros(len(trainer.stack), device=device)
        for chunk in inputs:  # a step's memory does not grow with the number of samples
            losses, _ = trainer.stack.map(trainer._loss, *chunk, trainer.beta, flat=trainer.average.value)
            total += losses * (chunk[1].shape[1] / observed.shape[1])
        return [-value if value == value else -math.inf for value in total.tolist()]

    return bounds
