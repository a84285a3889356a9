"""The last parts of a training on own data: decoders by expectation-maximisation, then encoders that fit these.

Posteriors are refined per sample.
"""

__all__ = ["ROUNDS", "Decoders", "EncoderTrainer", "polish"]

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pimvae.models.layers import Dense
from pimvae.models.mode import at_mode, at_modes, draw, log_joint
from pimvae.models.vae import MultimodalVAE
from pimvae.training.loop import Trainer
from pimvae.training.packing import PackedSplit

ROUNDS, UPDATES, DRAWS, ROWS = 60, 10, 8, 1024
LEARNING_RATE = 0.005  # more gains likelihood, and loses accuracy where some columns are almost functions of others
PATIENCE = 5  # looks without a better one
LOOK_EVERY, LOOK_DRAWS = 5, 64
LOOK_ROWS = 256  # validation samples that are looked at at once


def polish(
    model: MultimodalVAE, train: PackedSplit, validation: PackedSplit | None, seed: int, rounds: int = ROUNDS
) -> tuple[float, float]:
    r"""Ascend Σ_i log p(x_i) in the decoders (and a learned prior), in place, the encoders left alone.

    By Fisher's identity ∇ log p(x) = E_{p(z|x)} ∇ log p(x, z). Each round finds p(z | x) of every sample by Newton's
    method, draws from it, weights the draws, and makes some steps of Adam. No encoder has a part in this, so that none
    trained on few samples leaves a gap. Newton's posterior is exact for linear-Gaussian decoders; elsewhere the ascent
    is biased as a few self-normalised draws are. The weights with the best importance-sampled
    log-likelihood of the validation samples are kept; then some rounds at a lower rate see the validation samples too.
    In the end the axes of z are turned so that posteriors of whole samples are as diagonal as those of encoders.

    Returns:
        Mean log-likelihood of the validation samples before and after; NaN without any.
    """
    generator = torch.Generator().manual_seed(seed)
    work = copy.deepcopy(model).to(torch.float64)
    before = best = _held_out(work, validation)
    kept, waited, taken = copy.deepcopy(work.state_dict()), 0, 0
    for number, _ in enumerate(_rounds(work, train, rounds, LEARNING_RATE, generator), start=1):
        if number % LOOK_EVERY and number != rounds:
            continue
        found = _held_out(work, validation)
        if validation is None or found > best:
            best, taken, waited, kept = found, number, 0, copy.deepcopy(work.state_dict())
        else:
            waited += 1
        if waited >= PATIENCE:
            break
    work.load_state_dict(kept)
    if validation is not None and taken:
        train = _joined(train, validation)
        for _ in _rounds(work, train, max(1, taken // 3), LEARNING_RATE / 3, generator):
            pass
    _turn(work, train)
    model.load_state_dict(work.state_dict())
    return before, best


def _rounds(
    work: MultimodalVAE, train: PackedSplit, rounds: int, learning_rate: float, generator: torch.Generator
) -> Iterator[None]:
    """Rounds of expectation-maximisation, the rate falling to 0 by a cosine."""
    optimiser = torch.optim.Adam([*work.decoder.parameters(), *work.prior.parameters()], learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, rounds * UPDATES)
    x, mask = train.x.double(), train.mask
    with torch.no_grad():
        modes = torch.cat([work.posterior(*part).mean() for part in _blocks(train, ROWS)])
    for _ in range(rounds):
        rows = torch.randperm(len(train), generator=generator)[:ROWS]
        part_x, part_mask = x[:, rows], mask[rows]
        posterior = at_modes(work, part_x, part_mask, modes[rows], steps=3)
        modes[rows] = posterior.mean
        drawn = draw(work, part_x, part_mask, posterior, DRAWS, generator)
        for _ in range(UPDATES):
            optimiser.zero_grad()
            loss = -(drawn.weight * log_joint(work, part_x, part_mask, drawn.z)).sum(0).mean()
            loss.backward()
            optimiser.step()
            schedule.step()
        yield


def _joined(first: PackedSplit, second: PackedSplit) -> PackedSplit:
    return PackedSplit(torch.cat([first.x, second.x], 1), torch.cat([first.mask, second.mask]), first.dims)


@torch.no_grad()
def _turn(model: MultimodalVAE, data: PackedSplit) -> None:
    """Rotate z: under a standard Gaussian prior p(x) stays the same; the mean precision of p(z|x) gets diagonal."""
    config = model.config
    if config.private_latent or config.prior != "standard" or config.family != "gaussian":
        return
    part = data.spread(ROWS)
    x, mask = part.x.double(), part.mask
    posterior = at_mode(model, x, mask, model.posterior(x, mask).mean())
    _, axes = torch.linalg.eigh(torch.linalg.inv(posterior.covariance).mean(0))
    for network in model.decoder.networks:
        first = next((layer for layer in network.modules() if isinstance(layer, Dense)), None)
        if first is not None:
            first.weight.copy_(axes.T @ first.weight)  # z W = (z A) (Aᵀ W)


@torch.no_grad()
def _held_out(model: MultimodalVAE, validation: PackedSplit | None) -> float:
    """Mean log-likelihood of the validation samples, always with the same noise; NaN without any."""
    if validation is None:
        return float("nan")
    generator, found = torch.Generator().manual_seed(0), []
    for x, mask in _blocks(validation, LOOK_ROWS):
        posterior = at_modes(model, x, mask, model.posterior(x, mask).mean())
        found.append(draw(model, x, mask, posterior, LOOK_DRAWS, generator).log_likelihood)
    return float(torch.cat(found).mean())


def _blocks(data: PackedSplit, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """x in double precision and mask of so many samples at once: memory does not grow with their number."""
    for x, mask in zip(data.x.split(size, 1), data.mask.split(size), strict=True):
        yield x.double(), mask


class Decoders:
    """The models as far as their decoders are better, and what was found of each."""

    def __init__(self, models: Sequence[MultimodalVAE]) -> None:
        self.models = models
        self.found: list[tuple[float, float]] = []  # log-likelihood before and after, NaN for a replica that diverged

    @property
    def where(self) -> str:
        """How far it has come, for messages."""
        return f"the decoders of {len(self.found)} of {len(self.models)} replicas"

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights of the models that are done."""
        done = list(enumerate(self.models[: len(self.found)]))
        tensors = {f"{r}/{name}": values for r, model in done for name, values in model.state_dict().items()}
        return tensors, {"found": self.found}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Put them into the models."""
        self.found = [(before, after) for before, after in facts["found"]]
        for r, model in enumerate(self.models[: len(self.found)]):
            model.load_state_dict({name: tensors[f"{r}/{name}"] for name in model.state_dict()})


class EncoderTrainer(Trainer):
    """Trains everything but decoders and prior: their gradients are 0, and Adam leaves them where they are."""

    def _losses(self, flat: Tensor, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        free = torch.cat([
            torch.full((shape.numel(),), not name.startswith(("decoder.", "prior.")))
            for name, shape in zip(self.stack.names, self.stack.shapes, strict=True)
        ]).to(flat.device)  # fmt: skip
        return super()._losses(torch.where(free, flat, flat.detach()), *inputs)
