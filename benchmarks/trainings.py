"""What is timed: cells of the configuration trained by the stacked trainer, and by a plain loop over single models."""

__all__ = [
    "PlainLoop",
    "Steps",
    "cell",
    "draw",
    "models_and_data",
    "one_after_another",
    "plain_loops",
    "stacked",
    "step_flops",
]

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import Effort
from pimvae import registry
from pimvae.config import find_cell, load
from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset
from pimvae.models.layers import ModalityDense
from pimvae.models.vae import MultimodalVAE, build_model
from pimvae.objectives._base import Draws
from pimvae.posteriors import standard_noise
from pimvae.subsets import sample_subsets
from pimvae.training.loop import Trainer
from pimvae.training.packing import PackedSplit, pack

ROOT = Path(__file__).resolve().parents[1]
SAMPLES, FEW = 2000, 64  # of a data set: enough for several batches
FOREVER = 10**9  # steps: a training that is timed does not end by itself


def cell(effort: Effort, scale: str, experiment: str, name: str, seeds: int = 1, **data: Any) -> Cell:
    """A cell of the configuration with so many seeds and β = 1; ``data`` overrides settings of its data set."""
    found = find_cell(load(scale, ROOT, [experiment]), experiment, name)
    samples, narrow = (FEW, {"encoder_widths": (8,), "pooling_width": 8}) if effort.minimal else (SAMPLES, {})
    size = min(found.train.batch_size, samples // 4)
    return found.model_copy(
        update={
            "data": found.data.model_copy(update={"samples": samples} | data),
            "model": found.model.model_copy(update=narrow),
            "objective": found.objective.model_copy(update={"betas": (1.0,)}),
            "train": found.train.model_copy(update={"steps": FOREVER, "batch_size": size}),
            "seeds": tuple(range(seeds)),
        }
    )


@cache
def draw(kind: str, config: Any, seed: int) -> Dataset:
    """A data set of this kind."""
    return registry.lookup("data", kind)(config, seed)


def models_and_data(cell: Cell, wide: bool = False) -> tuple[list[MultimodalVAE], list[PackedSplit]]:
    """A fresh model and packed training data for every seed.

    ``wide`` gives the decoders hidden layers as wide as the encoders': the publication's decoders are a good deal
    smaller, but general-purpose libraries are timed with networks of one size on both sides.
    """
    datasets = [draw(cell.data.kind, cell.data, seed) for seed in cell.seeds]
    models = [
        build_model(cell.model, data.train.dims, data.max_dim, data.likelihoods, data.noise_scale, seed)
        for seed, data in zip(cell.seeds, datasets, strict=True)
    ]
    for model, data in zip(models, datasets, strict=True):
        if wide:
            widths = [cell.model.latent, *cell.model.encoder_widths, data.max_dim]
            layers = (ModalityDense([i] * model.modalities, [o] * model.modalities) for i, o in pairwise(widths))
            model.decoder.layers = nn.ModuleList(layers)
    return models, [pack(data.train, data.max_dim) for data in datasets]


class _EnoughError(Exception):
    """Leaves the trainer's loop between two steps."""


class Steps:
    """Makes a trainer do so many further steps at each call."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def __call__(self, count: int) -> None:
        left = count

        def progress(step: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise _EnoughError

        with suppress(_EnoughError):
            self.trainer.run(progress)


def stacked(cell: Cell, device: str, wide: bool = False) -> Steps:
    """All seeds of the cell as one stack."""
    models, data = models_and_data(cell, wide)
    return Steps(Trainer(cell, models, data, cell.seeds, [1.0] * len(models), torch.device(device)))


class PlainLoop:
    """The training of one seed in a loop over batches: one model, ``backward``, clipping, torch.optim.Adam."""

    def __init__(self, cell: Cell, model: MultimodalVAE, data: PackedSplit, seed: int, device: str) -> None:
        self.cell, self.model = cell, model.to(device)
        self.x, self.mask = data.x.to(device), data.mask.to(device)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.bound = registry.lookup("objectives", cell.objective.name)
        self.adam = torch.optim.Adam(model.parameters(), lr=cell.train.learning_rate)
        self.latent = model.latent_size
        with torch.no_grad():
            self.components = model.posterior(self.x[:, :1], self.mask[:1]).components
        self.order: list[torch.Tensor] = []

    def __call__(self, count: int) -> None:
        for _ in range(count):
            self.step()

    def step(self) -> None:
        """One update."""
        self.adam.zero_grad()
        (-self._value()).backward()
        limit = self.cell.train.clip / self.cell.train.batch_size
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        for parameter in trained:
            parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
        torch.nn.utils.clip_grad_value_(trained, limit)
        self.adam.step()

    def _value(self) -> torch.Tensor:
        """The bound on the next batch."""
        x, observed, subset, noise = self._inputs()
        draws = Draws(noise[:, None, :1], noise[:, None, 1:])
        return self.bound(self.model, x, observed, subset.unsqueeze(0), draws).value.mean()

    def _inputs(self) -> tuple[torch.Tensor, ...]:
        """The next batch x [M, batch, dim] and O [batch, M], S, and noise [K, 2, batch, latent] of z_S and z_O."""
        size, modalities, device = self.cell.train.batch_size, self.mask.shape[1], self.mask.device
        if not self.order:
            order = torch.randperm(len(self.mask), generator=self.generator, device=device)
            self.order = [rows for rows in order.split(size) if len(rows) == size]
        rows = self.order.pop()
        uniform = torch.rand(size, 1 + modalities, generator=self.generator, device=device)
        subset = sample_subsets(self.mask[rows], uniform, self.cell.objective.subset_law)
        shape = (self.components, 2, size, self.latent)
        noise = standard_noise(shape, self.cell.model.family, self.generator, torch.float32, device)
        return self.x[:, rows], self.mask[rows], subset, noise


def plain_loops(cell: Cell, device: str, wide: bool = False) -> list[PlainLoop]:
    """One loop per seed."""
    models, data = models_and_data(cell, wide)
    pairs = zip(cell.seeds, models, data, strict=True)
    return [PlainLoop(cell, model, split, seed, device) for seed, model, split in pairs]


def one_after_another(loops: Sequence[PlainLoop], count: int) -> None:
    """So many steps of every loop."""
    for loop in loops:
        loop(count)


def step_flops(cell: Cell, wide: bool = False) -> int:
    """Floating-point operations of the matrix products in one step of one replica, forward and backward."""
    loop = plain_loops(cell, "cpu", wide)[0]
    with FlopCounterMode(display=False) as counter:
        loop.step()
    return counter.get_total_flops()
