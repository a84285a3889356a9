"""Training of own data: the bound with all seeds as one stack, then better decoders, then encoders that fit these."""

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
from pimvae.training.polish import ROUNDS, polish
from pimvae.training.streams import Streams, derived_seed

ROWS_LOOKED_AT = 1024  # validation samples × draws that one look at the bound is made of
VALIDATION = 3  # purpose of the random numbers, see `derived_seed`
PATIENCE = 8  # looks at the validation bound without a better one, after which training ends
Callback = Callable[[int, dict[str, list[float]]], bool | None]


@dataclass
class Fitted:
    """What a training leaves.

    Attributes:
        trainers: the stack after the bound's training, and after that of the encoders alone if there was one.
        step: the step that each replica's weights are from, per part.
        bound: validation bound of the last part, nats per sample in the model's units; empty without validation.
        log_likelihood: of the validation samples before and after better decoders; empty without that part.
        curve: (step, validation bounds of all replicas), over both parts.
    """

    trainers: list[Trainer] = field(default_factory=list)
    step: list[list[int]] = field(default_factory=list)
    bound: list[float] = field(default_factory=list)
    log_likelihood: list[tuple[float, float]] = field(default_factory=list)
    curve: list[tuple[int, list[float]]] = field(default_factory=list)


class EncoderTrainer(Trainer):
    """Trains everything but decoders and prior: their gradients are 0, and Adam leaves them where they are."""

    def _losses(self, flat: Tensor, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        free = torch.cat([
            torch.full((shape.numel(),), not name.startswith(("decoder.", "prior.")))
            for name, shape in zip(self.stack.names, self.stack.shapes, strict=True)
        ]).to(flat.device)  # fmt: skip
        return super()._losses(torch.where(free, flat, flat.detach()), *inputs)


def fit(
    cell: Cell,
    models: Sequence[MultimodalVAE],
    data: Sequence[PackedSplit],
    validation: Sequence[PackedSplit] | None,
    device: torch.device,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    polished: bool = True,
) -> Fitted:
    """Train one model per seed of the cell, in place.

    Every ``history_every`` steps the bound of the validation samples is computed, with the same subsets and noise each
    time; the weights with the best one are kept, and training ends when no replica has had a better one for a while.
    With ``polished``, the decoders then become better (`pimvae.training.polish`), and the encoders are trained once
    more, for at most half of the steps, with the decoders fixed.

    Args:
        cell: the configuration.
        models: one per seed.
        data: training samples of each seed.
        validation: held-out samples of each seed, or None: train to the last step.
        device: where to train.
        callbacks: called after every look with the step and the newest terms (name → one number per seed); one that
            returns True ends the training.
        progress: whether to show a bar.
        polished: see above.
    """
    result = Fitted()
    stopped = _train(Trainer, cell, models, data, validation, device, callbacks, progress, result)
    if not polished or stopped:
        return result
    rounds = max(1, min(ROUNDS, cell.train.steps // 16))
    bar = tqdm(zip(models, data, validation or [None] * len(models), cell.seeds, strict=True), total=len(models),
               desc="decoders", unit="seed", disable=not progress)  # fmt: skip
    for model, train, held_out, seed in bar:
        found = polish(model, train, held_out, derived_seed(seed, VALIDATION), rounds)
        model.load_state_dict(found.model.state_dict())
        result.log_likelihood.append((found.before, found.after))
    shorter = cell.train.model_copy(update={"steps": max(1, cell.train.steps // 2)})
    shorter = shorter.model_copy(update={"history_every": min(shorter.history_every, shorter.steps)})
    cell = cell.model_copy(update={"train": shorter})
    _train(EncoderTrainer, cell, models, data, validation, device, callbacks, progress, result)
    return result


def _train(
    family: type[Trainer],
    cell: Cell,
    models: Sequence[MultimodalVAE],
    data: Sequence[PackedSplit],
    validation: Sequence[PackedSplit] | None,
    device: torch.device,
    callbacks: Sequence[Callback],
    progress: bool,
    result: Fitted,
) -> bool:
    """One part of the training, its weights written into the models; returns whether a callback ended it."""
    betas = [cell.objective.betas[0]] * len(cell.seeds)
    trainer = family(cell, models, data, cell.seeds, betas, device)
    look = _validation(trainer, validation) if validation else None
    before = result.trainers[-1].step if result.trainers else 0
    best, bound = _weights(trainer).clone(), [-torch.inf] * len(models)
    step, waited, ended = [0] * len(models), 0, False
    with tqdm(total=cell.train.steps, desc="training" if family is Trainer else "encoders", unit="step", mininterval=1,
              disable=not progress) as bar:  # fmt: skip
        while (
            trainer.step < cell.train.steps and len(trainer.stopped) < len(models) and waited < PATIENCE and not ended
        ):
            trainer.advance(min(trainer.step + cell.train.history_every, cell.train.steps), lambda step: bar.update())
            rows = trainer.history.rows
            terms = {name: values.tolist() for name, values in rows[-1][1].items()} if rows else {}
            if look:
                terms["validation_bound"] = found = look()
                result.curve.append((before + trainer.step, found))
                better = [r for r in range(len(models)) if found[r] > bound[r]]
                for r in better:
                    bound[r], step[r], best[r] = found[r], trainer.step, _weights(trainer)[r]
                waited = 0 if better else waited + 1
                bar.set_postfix(validation=f"{sum(found) / len(found):.4g}", refresh=False)
            ended = bool(sum(bool(callback(before + trainer.step, terms)) for callback in callbacks))  # all are told
    if look is None:
        best, step = _weights(trainer), [trainer.stopped.get(r, trainer.step) for r in range(len(models))]
    state = {name: values.detach().cpu().clone() for name, values in trainer.stack.parameters(best).items()}
    for r, model in enumerate(models):
        model.load_state_dict({name: values[r] for name, values in state.items()})
    result.trainers.append(trainer)
    result.step.append(step)
    result.bound = bound if look else []
    return ended


def _weights(trainer: Trainer) -> Tensor:
    """The weights that are evaluated and kept, [R, P]: averaged ones, where ``train.averaging`` says so."""
    return trainer.average.value


def _validation(trainer: Trainer, validation: Sequence[PackedSplit]) -> Callable[[], list[float]]:
    """A function that gives the validation bound of every replica, on samples, subsets and noise that stay the same."""
    repeats = max(1, ROWS_LOOKED_AT // len(validation[0]))
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
