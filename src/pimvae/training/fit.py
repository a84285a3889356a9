"""Training of own data: the bound with all seeds as one stack, then better decoders, then encoders that fit these."""

__all__ = ["Fitted", "fit", "forget"]

import gc
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from tqdm import tqdm

from pimvae.config.schema import Cell
from pimvae.models.vae import MultimodalVAE
from pimvae.signals import Stop, deferred
from pimvae.training.checkpoint import Checkpoint, Resumable, leave_if_told
from pimvae.training.device import machine, set_precision
from pimvae.training.early_stopping import EarlyStopping
from pimvae.training.loop import Trainer
from pimvae.training.packing import PackedSplit
from pimvae.training.polish import ROUNDS, Decoders, EncoderTrainer, polish
from pimvae.training.prior_choice import preferred, take_prior, with_mixture
from pimvae.training.streams import Purpose, derived_seed

BOUND, DECODERS, PRIORS, ENCODERS = PARTS = "bound", "decoders", "priors", "encoders"  # with a checkpoint each
Callback = Callable[[int, dict[str, list[float]]], bool | None]


@dataclass(frozen=True)
class Part:
    """What one part of a training leaves; no data are in it.

    Attributes:
        steps: how many were taken.
        form: of a step, see `pimvae.training.program.Program`.
        rows: (step, {term: one number per replica}), means over windows of steps.
        entries: gradient entries of each replica.
        clipped: how many of them were clipped, per replica.
        nonfinite: how many of them were not finite, per replica.
        stopped: replica → the step after which it was stopped.
    """

    steps: int
    form: str | None
    rows: list[tuple[int, dict[str, list[float]]]]
    entries: int
    clipped: list[int]
    nonfinite: list[int]
    stopped: dict[int, int]

    @classmethod
    def of(cls, trainer: Trainer) -> "Part":
        rows = [(step, {name: values.tolist() for name, values in terms.items()})
                for step, terms in trainer.history.rows]  # fmt: skip
        optimiser = trainer.optimiser
        clipped, nonfinite = optimiser.clipped.tolist(), optimiser.nonfinite.tolist()
        return cls(trainer.step, trainer.program.form, rows, optimiser.entries, clipped, nonfinite,
                   dict(trainer.stopped))  # fmt: skip


@dataclass
class Fitted:
    """What a training leaves: numbers, so that a fitted model can be copied and pickled, and holds no data.

    Attributes:
        parts: the bound's training, and that of the encoders alone if there was one.
        machine: where it ran, see `pimvae.training.device.machine`.
        step: the step that each replica's weights are from, per part.
        bound: validation bound of the last part, nats per sample in the model's units; empty without validation.
        log_likelihood: of the validation samples before and after better decoders; empty without that part.
        priors: name → log-likelihoods of the validation samples with this prior, per replica; empty if none was chosen.
        curve: (step, validation bounds of all replicas), over both parts.
        diverged: whether there are no usable weights, per replica.
    """

    parts: list[Part] = field(default_factory=list)
    machine: dict[str, object] = field(default_factory=dict)
    step: list[list[int]] = field(default_factory=list)
    bound: list[float] = field(default_factory=list)
    log_likelihood: list[tuple[float, float]] = field(default_factory=list)
    priors: dict[str, list[float]] = field(default_factory=dict)
    curve: list[tuple[int, list[float]]] = field(default_factory=list)
    diverged: list[bool] = field(default_factory=list)


def fit(
    cell: Cell,
    models: Sequence[MultimodalVAE],
    data: Sequence[PackedSplit],
    validation: Sequence[PackedSplit] | None,
    device: torch.device,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    polished: bool = True,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Train one model per seed of the cell, in place.

    Every ``history_every`` steps the bound of the validation samples is computed, with the same subsets and noise each
    time; the weights with the best one are kept, and training ends when no replica has had a better one for a while.
    With ``polished``, the decoders then become better (`pimvae.training.polish`), with a mixture as prior where the
    validation samples of every replica prefer it, and the encoders are trained once more, for at most half of the
    steps, with decoders and prior fixed. Nothing more is done where every replica diverged.

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
        checkpoint: from where a training that was cut off goes on, to the same bits; `forget` removes its files. With
            one, SIGTERM and SIGINT end the training between two steps, with `pimvae.signals.Stopped`.

    Raises:
        UserError: TF32 on a CPU.
    """
    set_precision(device, cell.train.precision)
    with deferred(held=False) if checkpoint else nullcontext(Stop()) as stop:
        session = _Session(
            models, data, validation, device, callbacks, progress, checkpoint or Checkpoint(None, ""), stop
        )
        ended = session.train(Trainer, cell, BOUND)
        if polished and not ended and not all(session.result.diverged):
            session.polish(cell)
            shorter = cell.train.model_copy(update={"steps": max(1, cell.train.steps // 2)})
            shorter = shorter.model_copy(update={"history_every": min(shorter.history_every, shorter.steps)})
            session.train(EncoderTrainer, cell.model_copy(update={"train": shorter}), ENCODERS)
    session.result.machine = machine(device)
    gc.collect()  # trainers refer to themselves: without this their data stay for a while
    return session.result


def forget(checkpoint: Checkpoint) -> None:
    """Remove the files that trainings left at ``checkpoint``: what they were for is done."""
    for part in PARTS:
        checkpoint.part(part).remove()


@dataclass
class _Session:
    """One call of `fit`; its parts leave their results in ``result`` and in the models."""

    models: Sequence[MultimodalVAE]
    data: Sequence[PackedSplit]
    validation: Sequence[PackedSplit] | None
    device: torch.device
    callbacks: Sequence[Callback]
    progress: bool
    checkpoint: Checkpoint
    stop: Stop
    result: Fitted = field(default_factory=Fitted)

    def train(self, family: type[Trainer], cell: Cell, part: str) -> bool:
        """One part of the training, its weights written into the models; returns whether a callback ended it."""
        betas = [cell.objective.betas[0]] * len(cell.seeds)
        trainer = family(cell, self.models, self.data, cell.seeds, betas, self.device)
        watch, saved = EarlyStopping(trainer, self.validation), self.checkpoint.part(part)
        self._resume(watch, saved)
        ended = self._run(watch, saved, "training" if part == BOUND else part)
        self._settle(watch, saved)
        state = {name: values.detach().cpu().clone() for name, values in trainer.stack.parameters(watch.best).items()}
        for r, model in enumerate(self.models):
            model.load_state_dict({name: values[r] for name, values in state.items()})
        result, before = self.result, self._steps
        result.curve += [(before + step, bounds) for step, bounds in watch.curve]
        result.parts.append(Part.of(trainer))
        result.step.append(watch.best_step)
        result.bound = watch.bound if self.validation else []
        earlier = result.diverged or [False] * len(self.models)
        result.diverged = [was or watch.lost(r) for r, was in enumerate(earlier)]
        return ended

    def _run(self, watch: EarlyStopping, saved: Checkpoint, name: str) -> bool:
        """The loop of one part; signals are held from its first step on."""
        trainer, before, ended = watch.trainer, self._steps, False

        def after_step(step: int) -> None:
            self.stop.held = True
            bar.update()
            saved.after_step(watch)
            leave_if_told(self.stop, [(watch, saved)])

        with tqdm(total=trainer.config.steps, initial=trainer.step, desc=name, unit="step", mininterval=1,
                  disable=not self.progress) as bar:  # fmt: skip
            while not (watch.done or ended):
                trainer.advance(watch.next_look, after_step)
                found, rows = watch.look(), trainer.history.rows
                terms = {key: values.tolist() for key, values in rows[-1][1].items()} if rows else {}
                if found:
                    terms["validation_bound"] = found
                    bar.set_postfix(validation=f"{sum(found) / len(found):.4g}", refresh=False)
                told = [bool(callback(before + trainer.step, terms)) for callback in self.callbacks]  # all are told
                ended = any(told)
        return ended

    def polish(self, cell: Cell) -> None:
        """Better decoders of every replica that did not diverge, and another prior where that is the better one."""
        others: list[MultimodalVAE] = []
        if self.validation and cell.data.chooses_prior:  # from weights that no validation sample has touched
            rows = zip(self.models, self.data, cell.seeds, self.result.diverged, strict=True)
            others = [with_mixture(model, None if lost else train, derived_seed(seed, Purpose.VALIDATION))
                      for model, train, seed, lost in rows]  # fmt: skip
        self.result.log_likelihood = found = self._decoders(self.models, cell, DECODERS)
        if others:
            learned = self._decoders(others, cell, PRIORS)
            both = {"standard": found, "mixture": learned}
            self.result.priors = {name: [after for _, after in values] for name, values in both.items()}
            if preferred(*self.result.priors.values()):
                self.result.log_likelihood = learned
                for model, other in zip(self.models, others, strict=True):
                    take_prior(model, other)

    def _decoders(self, models: Sequence[MultimodalVAE], cell: Cell, part: str) -> list[tuple[float, float]]:
        """Better decoders in place; log-likelihoods of the validation samples before and after, NaN where diverged."""
        decoders, saved = Decoders(models), self.checkpoint.part(part)
        self._resume(decoders, saved)
        rounds, done = max(1, min(ROUNDS, cell.train.steps // 16)), len(decoders.found)
        validation = self.validation or [None] * len(models)
        rows = list(zip(models, self.data, validation, cell.seeds, self.result.diverged, strict=True))
        for model, train, held_out, seed, lost in tqdm(rows[done:], desc=part, unit="seed", disable=not self.progress):
            if lost:
                decoders.found.append((math.nan, math.nan))
                continue
            better = polish(model, train, held_out, derived_seed(seed, Purpose.VALIDATION), rounds)
            decoders.found.append(better)
            self._settle(decoders, saved)
        return decoders.found

    @property
    def _steps(self) -> int:
        """Steps of the parts that are done."""
        return sum(part.steps for part in self.result.parts)

    def _resume(self, subject: Resumable, saved: Checkpoint) -> None:
        if told := saved.resume(subject):
            print(f"pimvae: {told}", file=sys.stderr)

    def _settle(self, subject: Resumable, saved: Checkpoint) -> None:
        """Save what is done; a signal need not wait for the next one, whose first step may be slow."""
        self.stop.held = not saved.write(subject)
        leave_if_told(self.stop, [(subject, saved)])
