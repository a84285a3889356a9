"""Training of own data: all seeds as one stack, stopped where the bound of held-out samples is best."""

__all__ = ["Fitted", "fit"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm

from pimvae.config.schema import Cell
from pimvae.models.vae import MultimodalVAE
from pimvae.training.loop import Trainer
from pimvae.training.packing import PackedSplit
from pimvae.training.streams import Streams, derived_seed

ROWS = 1024  # validation samples × draws that one look at the bound is made of
VALIDATION = 3  # purpose of the random numbers, see `derived_seed`
Callback = Callable[[int, dict[str, list[float]]], bool | None]


@dataclass
class Fitted:
    """What a training leaves.

    Attributes:
        trainer: the stack after its last step.
        state: weights of every replica, name → [R, …]: the best ones by the validation bound, else the last.
        step: the step that each replica's weights are from.
        bound: their validation bound, nats per sample in the model's units; empty without validation.
        curve: (step, validation bounds of all replicas).
    """

    trainer: Trainer
    state: dict[str, Tensor]
    step: list[int]
    bound: list[float]
    curve: list[tuple[int, list[float]]] = field(default_factory=list)


def fit(
    cell: Cell,
    models: Sequence[MultimodalVAE],
    data: Sequence[PackedSplit],
    validation: Sequence[PackedSplit] | None,
    device: torch.device,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    patience: int = 10,
) -> Fitted:
    """Train one model per seed of the cell.

    Every ``history_every`` steps the bound of the validation samples is computed, with the same subsets and noise each
    time. Training ends when no replica has improved on its best one for ``patience`` looks in a row.

    Args:
        cell: the configuration.
        models: one per seed, changed in place.
        data: training samples of each seed.
        validation: held-out samples of each seed, or None: train to the last step.
        device: where to train.
        callbacks: called after every look with the step and the newest terms (name → one number per seed); one that
            returns True ends the training.
        progress: whether to show a bar.
        patience: see above.
    """
    trainer = Trainer(cell, models, data, cell.seeds, [cell.objective.betas[0]] * len(cell.seeds), device)
    look = _validation(trainer, validation) if validation else None
    replicas = range(len(models))
    best = _weights(trainer).clone()
    result = Fitted(trainer, {}, [0] * len(models), [-torch.inf] * len(models) if look else [])
    waited = 0
    with tqdm(total=cell.train.steps, desc="training", unit="step", mininterval=1, disable=not progress) as bar:
        while trainer.step < cell.train.steps and len(trainer.stopped) < len(models):
            trainer.advance(min(trainer.step + cell.train.history_every, cell.train.steps), lambda step: bar.update())
            terms = {name: values.tolist() for name, values in trainer.history.rows[-1][1].items()} \
                if trainer.history.rows else {}  # fmt: skip
            if look:
                bounds = look()
                result.curve.append((trainer.step, bounds))
                terms["validation_bound"] = bounds
                better = [r for r in replicas if bounds[r] > result.bound[r]]
                for r in better:
                    result.bound[r], result.step[r] = bounds[r], trainer.step
                    best[r] = _weights(trainer)[r]
                waited = 0 if better else waited + 1
                bar.set_postfix(validation=f"{sum(bounds) / len(bounds):.4g}", refresh=False)
            if any([callback(trainer.step, terms) for callback in callbacks]) or (look and waited >= patience):
                break
    if not look:
        best, result.step = _weights(trainer), [trainer.stopped.get(r, trainer.step) for r in replicas]
    result.state = {name: values.detach().cpu().clone() for name, values in trainer.stack.parameters(best).items()}
    return result


def _weights(trainer: Trainer) -> Tensor:
    """The weights that are evaluated and kept, [R, P]: the one place where averaged ones come in."""
    return trainer.stack.flat.detach()


def _validation(trainer: Trainer, validation: Sequence[PackedSplit]) -> Callable[[], list[float]]:
    """A function that gives the validation bound of every replica, on samples, subsets and noise that stay the same."""
    repeats = max(1, ROWS // len(validation[0]))
    device = trainer.stack.flat.device
    x = torch.stack([split.x.repeat(1, repeats, 1) for split in validation]).to(device)
    observed = torch.stack([split.mask.repeat(repeats, 1) for split in validation]).to(device)
    kept, trainer.streams = trainer.streams, Streams([derived_seed(s, VALIDATION) for s in trainer.cell.seeds], device)
    subsets, weights, noise = trainer._draw(observed)
    trainer.streams = kept

    @torch.no_grad()
    def look() -> list[float]:
        inputs = (x, observed, subsets, weights, noise, trainer.beta)
        losses, _ = trainer.stack.map(trainer._loss, *inputs, flat=_weights(trainer))
        return [-value if value == value else -torch.inf for value in losses.tolist()]

    return look
