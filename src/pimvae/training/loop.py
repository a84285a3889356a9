"""The training loop of a stack."""

__all__ = ["History", "Trainer"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pimvae import registry
from pimvae.config.schema import Cell
from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Draws, as_objective
from pimvae.subsets import all_subsets, sample_subsets, subset_weights
from pimvae.training.averaging import AveragedWeights
from pimvae.training.batches import batches
from pimvae.training.optimiser import StackOptimiser
from pimvae.training.packing import IndexedSplit, PackedSplit
from pimvae.training.precision import products
from pimvae.training.program import Program
from pimvae.training.stack import Stack
from pimvae.training.state import restored, state_of
from pimvae.training.streams import Streams


@dataclass
class History:
    """Training terms averaged over windows of steps: rows (step, {term: [R]})."""

    every: int
    rows: list[tuple[int, dict[str, Tensor]]] = field(default_factory=list)
    sums: dict[str, Tensor] = field(default_factory=dict)

    def add(self, step: int, terms: dict[str, Tensor]) -> bool:
        """Take the terms of step ``step`` (1, 2, …); every ``every`` steps a row is closed, and True returned."""
        for name, value in terms.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
        closed = step % self.every == 0
        if closed:
            self.rows.append((step, {name: (total / self.every).cpu() for name, total in self.sums.items()}))
            self.sums.clear()
        return closed


class Trainer:
    """Trains the replicas of a cell (seeds × β values) as one program.

    A replica whose loss was not finite for ``train.patience`` steps in a row is stopped; the others go on.

    Args:
        cell: the configuration.
        models: one model per replica.
        data: one training split per replica, all of one size; indexed ones lie on the device already.
        seeds: seed of each replica; betas: β of each replica.
        device: where everything lives.
        trace: False runs every step through autograd instead of replaying the first one (for tests and debugging).
    """

    def __init__(
        self,
        cell: Cell,
        models: Sequence[MultimodalVAE],
        data: Sequence[PackedSplit] | Sequence[IndexedSplit],
        seeds: Sequence[int],
        betas: Sequence[float],
        device: torch.device | str = "cpu",
        trace: bool = True,
    ) -> None:
        self.cell, self.config = cell, cell.train
        self.objective = as_objective(registry.lookup("objectives", cell.objective.name))
        self.subset_law = self.objective.subset_law or cell.objective.subset_law
        self.stack = Stack(models, device)
        self.data = batches(data, device)
        self.components = self._components(models[0])
        self.latent = models[0].latent_size
        self.beta = torch.tensor(list(betas), device=device)
        self.streams = Streams(seeds, device)
        self.history = History(cell.train.history_every)
        self.batch_size = min(cell.train.batch_size, self.data.size)
        self.optimiser = StackOptimiser(self.stack.flat, cell.train, self.batch_size)
        self.program = Program(self._losses, trace, cell.train.compile, cell.train.steps)
        self.batches = self.data.size // self.batch_size
        self.average = AveragedWeights(self.stack.flat, cell.train.averaging)
        self.marks = cell.train.marks
        self.kept: dict[float, Tensor] = {}  # averaged weights [R, P] after a share of the steps
        self.step = 0
        self.failures = torch.zeros(len(models), dtype=torch.int64, device=device)  # non-finite losses in a row
        self.stopped: dict[int, int] = {}  # replica: the step after which it was stopped
        self.order: Tensor | None = None  # of the samples in this epoch, [R, n]
        self.epoch: dict[str, Tensor] = {}  # random numbers of an epoch that keeps them
        self._subsets = (
            all_subsets(models[0].modalities).to(device) if cell.objective.subset_law == "all_subsets" else None
        )

    def diverged(self, replica: int) -> bool:
        """Whether the replica was stopped, or its parameters or its last loss are not finite."""
        weights = self.stack.flat[replica], self.average.value[replica]
        sound = all(bool(part.isfinite().all()) for part in weights) and int(self.failures[replica]) == 0
        return replica in self.stopped or not sound

    @property
    def where(self) -> str:
        return f"step {self.step}"

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that decides how it goes on, see `pimvae.training.state`."""
        return state_of(self)

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take the state of another trainer of the same cell; this one is freshly made."""
        restored(self, tensors, facts)

    def _components(self, model: MultimodalVAE) -> int:
        """K of the model's posterior: asked of the model itself, with one sample."""
        self.data.start(torch.zeros(len(self.stack), self.data.size, dtype=torch.int64, device=self.stack.flat.device))
        x, mask = (tensor[0].cpu() for tensor in self.data.batch(slice(0, 1)))
        with torch.no_grad():
            return model.posterior(x, mask).components

    def run(self, progress: Callable[[int], None] = lambda step: None) -> None:
        """Train up to the configured number of steps; ``progress`` is told each step that is done."""
        self.advance(self.config.steps, progress)

    def advance(self, last: int, progress: Callable[[int], None] = lambda step: None) -> None:
        """Train up to step ``last``, or until every replica has been stopped."""
        while self.step < last and len(self.stopped) < len(self.stack):
            if self.step % self.batches == 0:
                self.start_epoch(self.streams.permutation(self.data.size))
            self._train_step()
            progress(self.step)

    def start_epoch(self, order: Tensor) -> None:
        """Begin an epoch with the samples of each replica in the given order [R, n]."""
        self.order = order
        self.data.start(order)
        self.epoch.clear()

    def _train_step(self) -> None:
        start = self.step % self.batches * self.batch_size
        x, observed = self.data.batch(slice(start, start + self.batch_size))
        result = self.program(self.stack.flat, x, observed, *self._draw(observed), self.beta)
        self.optimiser.step(result.gradient, self.step)
        self.step += 1
        self._keep()
        self.failures = torch.where(result.loss.isfinite(), torch.zeros_like(self.failures), self.failures + 1)
        if self.history.add(self.step, result.terms | {"loss": result.loss}):
            self._stop_diverged()

    def _keep(self) -> None:
        """Average the weights, and keep the average where a share of the steps is done."""
        share = self.marks.get(self.step)
        self.average.after_step(self.step, now=share is not None)
        if share is not None:
            self.kept[share] = self.average.value.clone()

    def weights(self, share: float = 1.0) -> dict[str, Tensor]:
        """What is evaluated after a share of the steps, by name, [R, *shape].

        Of a training that ended before, because all replicas were stopped, the last ones.
        """
        return self.stack.parameters(self.kept.get(share, self.average.value))

    def _stop_diverged(self) -> None:
        """Stop the replicas whose loss stays non-finite (looked at once per window: looking makes a GPU wait)."""
        lost = self.failures >= self.config.patience
        for replica in torch.nonzero(lost).flatten().tolist():
            self.stopped.setdefault(replica, self.step)
        self.optimiser.stop(lost)

    def _losses(self, flat: Tensor, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Losses [R] and terms of all replicas."""
        return self.stack.map(self._loss, *inputs, flat=flat)

    def _draw(self, observed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Subsets [R, n, batch, M], their weights [R, n, batch] and the noise of this step.

        The noise is that of z_S for every subset and of z_O, [R, K, samples, n + 1, batch, latent].
        """
        replicas, batch, modalities = observed.shape
        if self._subsets is not None:
            subsets = self._subsets.unsqueeze(1).expand(replicas, -1, batch, -1) & observed.unsqueeze(1)
            weights = torch.stack([subset_weights(self._subsets, row, self.subset_law) for row in observed])
        else:
            uniforms = self._numbers("uniforms", self.streams.uniform, batch, 1 + modalities)
            subsets = sample_subsets(observed, uniforms, self.subset_law).unsqueeze(1)
            weights = torch.ones(replicas, 1, batch, device=observed.device)
        shape = (self.components, self.cell.objective.importance_samples, subsets.shape[1] + 1, batch, self.latent)
        noise = self._numbers("noise", partial(self.streams.noise, self.cell.model.family), *shape)
        return subsets, weights, noise

    def _numbers(self, name: str, draw: Callable[..., Tensor], *shape: int) -> Tensor:
        """Random numbers of this step, [R, *shape]; with ``noise_reuse``, those of the epoch's first one."""
        if name in self.epoch:
            return self.epoch[name]
        numbers = draw(*shape)
        if self.config.noise_reuse:
            self.epoch[name] = numbers
        return numbers

    def _loss(
        self,
        model: MultimodalVAE,
        x: Tensor,
        observed: Tensor,
        subset: Tensor,
        weight: Tensor,
        noise: Tensor,
        beta: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over the batch of the negative bound of one replica, and the means of its terms."""
        draws = Draws(noise[:, :, :-1], noise[:, :, -1:])
        sticking_the_landing = self.cell.objective.sticking_the_landing
        with products(model, self.config.precision):
            bound = self.objective(model, x, observed, subset, draws, beta, sticking_the_landing)
        terms = {name: (weight * value).sum(0).mean() for name, value in bound.terms.items()}
        return -(weight * bound.value).sum(0).mean(), terms
