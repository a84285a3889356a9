"""Importance-sampled log-likelihood with 1000 particles against a loop over samples, and a large matrix product."""

__all__ = ["run"]

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import Effort, Result, interleaved
from benchmarks.throughput import SIDE, SMALL, matrix_product
from benchmarks.trainings import cell, models_and_data
from pimvae.evaluation.likelihood import importance_log_likelihood
from pimvae.models.vae import MultimodalVAE
from pimvae.training.packing import PackedSplit

NAME = "complete-sum_pooling-masked"  # the aggregator hardly matters: particles only meet the decoder
BLOCK = 20  # samples in one call
BUDGET = 90.0


def run(effort: Effort) -> Iterator[Result]:
    """Samples/s in single and in double precision (the evaluation's), one replica of the publication's size.

    No budget for wide decoders in double precision: it would ask for more than a core multiplies.
    """
    for wide, dtype in itertools.product((True, False), (torch.float32, torch.float64)):
        product, product_flops = matrix_product(SMALL if effort.minimal else SIDE, effort.device, dtype)
        model, data = _evaluated(effort, dtype, wide)
        blocks, loop = (partial(action, model, data, effort.particles) for action in (_blocks, _loop))
        times = interleaved({"product": product, "blocks": blocks, "loop": loop}, effort)
        case = f"{NAME}{', decoders 2×256' if wide else ''}, {str(dtype).removeprefix('torch.')}"
        size, flops = len(data), _flops(partial(blocks, 1))
        least = None if wide and dtype == torch.float64 else BUDGET
        yield times["blocks"].result(case, "samples", "/s", lambda s, n=size: n / s, least=least)
        yield times["loop"].over(times["blocks"], case, "loop over samples / blocks", size)
        yield times["product"].over(times["blocks"], case, "rate / matrix product", flops / product_flops)
        if effort.minimal:
            break


def _evaluated(effort: Effort, dtype: torch.dtype, wide: bool) -> tuple[MultimodalVAE, PackedSplit]:
    """A model as it is evaluated (untrained: that makes no difference to the time) and a block of its data."""
    models, data = models_and_data(cell(effort, "paper", "multimodal", NAME), wide)
    part = data[0].spread(4 if effort.minimal else BLOCK).to(dtype)
    part = PackedSplit(part.x.to(effort.device), part.mask.to(effort.device), part.dims)
    return models[0].to(effort.device, dtype).requires_grad_(False).eval(), part


def _blocks(model: MultimodalVAE, data: PackedSplit, particles: int, count: int) -> None:
    generator = torch.Generator(data.x.device).manual_seed(0)
    for _ in range(count):
        importance_log_likelihood(model, data.x, data.mask, particles, generator)


@torch.no_grad()
def _loop(model: MultimodalVAE, data: PackedSplit, particles: int, count: int) -> None:
    """The usual way: sample by sample, all particles of it at once."""
    generator = torch.Generator(data.x.device).manual_seed(0)
    for row in range(count):
        i = row % len(data)
        _one(model, data.x[:, i : i + 1], data.mask[i : i + 1], particles, generator)


def _one(model: MultimodalVAE, x: Tensor, mask: Tensor, particles: int, generator: torch.Generator) -> Tensor:
    posterior = model.posterior(x, mask)
    z = posterior.sample(particles, generator)
    weight = model.log_likelihood(x, z).sum(-1) + model.log_prior(z) - posterior.log_prob(z)
    return weight.logsumexp(0)


def _flops(action: Callable[[], None]) -> int:
    with FlopCounterMode(display=False) as counter:
        action()
    return counter.get_total_flops()
