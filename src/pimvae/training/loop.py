"""The training loop of a stack."""

__all__ = ["History", "Trainer"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pimvae import registry
from pimvae.config.schema import Cell
from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Draws
from pimvae.subsets import all_subsets, sample_subsets, subset_weights
from pimvae.training.optimiser import StackOptimiser
from pimvae.training.packing import PackedSplit
from pimvae.training.program import Program
from pimvae.training.stack import Stack
from pimvae.training.streams import Streams


@dataclass
class History:
    """Training terms averaged over windows of steps: rows (step, {term: [R]})."""

    every: int
    rows: list[tuple[int, dict[str, Tensor]]] = field(default_factory=list)
    sums: dict[str, Tensor] = field(default_factory=dict)

    def add(self, step: int, terms: dict[str, Tensor]) -> None:
        """Take the terms of step ``step`` (1, 2, …); every ``every`` steps a row is closed."""
        for name, value in terms.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
        if step % self.every == 0:
            self.rows.append((step, {name: (total / self.every).cpu() for name, total in self.sums.items()}))
            self.sums.clear()


class Trainer:
    """Trains the replicas of a cell (seeds × β values) as one program.

    Args:
        cell: the configuration.
        models: one model per replica.
        data: one packed training split per replica, all of one size.
        seeds: seed of each replica; betas: β of each replica.
        device: where everything lives.
    """

    def __init__(
        self,
        cell: Cell,
        models: Sequence[MultimodalVAE],
        data: Sequence[PackedSplit],
        seeds: Sequence[int],
        betas: Sequence[float],
        device: torch.device | str = "cpu",
        trace: bool = True,
    ) -> None:
        self.cell, self.config = cell, cell.train
        self.objective = registry.lookup("objectives", cell.objective.name)
        self.stack = Stack(models, device)
        self.components = self._components(models[0], data[0])
        self.latent = models[0].latent_size
        self.x = torch.stack([split.x for split in data]).to(device)
        self.mask = torch.stack([split.mask for split in data]).to(device)
        self.beta = torch.tensor(list(betas), device=device)
        self.streams = Streams(seeds, device)
        self.history = History(cell.train.history_every)
        self.batch_size = min(cell.train.batch_size, self.mask.shape[1])
        self.optimiser = StackOptimiser(self.stack.flat, cell.train, self.batch_size)
        self.program = Program(self._losses, trace)
        self.batches = self.mask.shape[1] // self.batch_size
        self.step = 0
        self._subsets = (
            all_subsets(models[0].modalities).to(device) if cell.objective.subset_law == "all_subsets" else None
        )
        self._epoch_noise: Tensor | None = None

    def diverged(self, replica: int) -> bool:
        """Whether the replica's parameters or its loss in the last window are not finite."""
        losses = [terms["loss"][replica] for _, terms in self.history.rows[-1:]]
        return not all(bool(torch.isfinite(v).all()) for v in [self.stack.flat[replica], *losses])

    @staticmethod
    def _components(model: MultimodalVAE, data: PackedSplit) -> int:
        """K of the model's posterior: asked of the model itself."""
        with torch.no_grad():
            return model.posterior(data.x[:, :1], data.mask[:1]).components

    def run(self, progress: Callable[[int], None] = lambda step: None) -> None:
        """Train up to the configured number of steps; ``progress`` is told each step that is done."""
        while self.step < self.config.steps:
            if self.step % self.batches == 0:
                self._start_epoch()
            self._train_step()
            progress(self.step)

    def _start_epoch(self) -> None:
        """Reorder the data of each replica once, so that the batches of the epoch are views."""
        order = self.streams.permutation(self.mask.shape[1])
        self.epoch_x = torch.stack([x[:, rows] for x, rows in zip(self.x, order, strict=True)])
        self.epoch_mask = torch.stack([mask[rows] for mask, rows in zip(self.mask, order, strict=True)])
        self._epoch_noise = None

    def _train_step(self) -> None:
        start = self.step % self.batches * self.batch_size
        rows = slice(start, start + self.batch_size)
        x, observed = self.epoch_x[:, :, rows], self.epoch_mask[:, rows]
        result = self.program(self.stack.flat, x, observed, *self._draw(observed), self.beta)
        self.optimiser.step(result.gradient, self.step)
        self.step += 1
        self.history.add(self.step, result.terms | {"loss": result.loss})

    def _losses(self, flat: Tensor, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Losses [R] and terms of all replicas."""
        return self.stack.map(self._loss, *inputs, flat=flat)

    def _draw(self, observed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Subsets [R, n, batch, M], their weights [R, n, batch] and the noise of this step."""
        law, (replicas, batch, modalities) = self.cell.objective.subset_law, observed.shape
        if law == "all_subsets":
            subsets = self._subsets.unsqueeze(1).expand(replicas, -1, batch, -1) & observed.unsqueeze(1)
            weights = torch.stack([subset_weights(self._subsets, row) for row in observed])
        else:
            subsets = sample_subsets(observed, self.streams.uniform(batch, 1 + modalities), law).unsqueeze(1)
            weights = torch.ones(replicas, 1, batch, device=observed.device)
        return subsets, weights, self._noise(subsets.shape[1], batch)

    def _noise(self, subsets: int, batch: int) -> Tensor:
        """Noise of z_S for every subset and of z_O, [R, K, samples, subsets + 1, batch, latent]."""
        if self._epoch_noise is not None:
            return self._epoch_noise
        shape = (self.components, self.cell.objective.importance_samples, subsets + 1, batch, self.latent)
        noise = self.streams.noise(self.cell.model.family, *shape)
        if self.config.noise_reuse:
            self._epoch_noise = noise
        return noise

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
        stl = self.cell.objective.sticking_the_landing
        bound = self.objective(model, x, observed, subset, draws, beta, stl)
        terms = {name: (weight * value).sum(0).mean() for name, value in bound.terms.items()}
        return -(weight * bound.value).sum(0).mean(), terms
