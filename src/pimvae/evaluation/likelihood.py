"""Importance-sampled log-likelihood, streamed over particles."""

__all__ = ["ImportanceEstimate", "importance_log_likelihood"]

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pimvae.models.mode import log_joint
from pimvae.models.vae import MultimodalVAE

CHUNK = 2**18  # numbers that one pass of the decoder produces; what fits the cache is four times faster than 2**22
GPU_CHUNK = 2**25


@dataclass(frozen=True)
class ImportanceEstimate:
    """Per-sample estimates of log p(x_O).

    Attributes:
        log_likelihood: log of the mean importance weight over the particles.
        error: its standard error (delta method): √((Σ w²/(Σ w)²) − 1/R).
        ess_fraction: (Σ w)² / (R Σ w²), 1 for a perfect proposal.
    """

    log_likelihood: Float[Tensor, " sample"]
    error: Float[Tensor, " sample"]
    ess_fraction: Float[Tensor, " sample"]


@torch.no_grad()
def importance_log_likelihood(
    model: MultimodalVAE,
    x: Float[Tensor, "modality sample dim"],
    mask: Bool[Tensor, "sample modality"],
    particles: int,
    generator: torch.Generator | None = None,
    proposal: Bool[Tensor, "sample modality"] | None = None,
) -> ImportanceEstimate:
    r"""log p(x_O) ≈ log 1/R Σ_r p(x_O|z_r) p(z_r) / q(z_r|x_O), z_r ~ q(z|x_O) (Burda et al., 2016).

    The mean is over particles, for each sample by itself. Weights are accumulated chunk by chunk, so memory depends
    neither on R nor on the number of samples.

    Args:
        model: the VAE.
        x: observations, missing entries 0.
        mask: O.
        particles: R.
        generator: source of the particles.
        proposal: modalities that the proposal q sees; default O.
    """
    width = x.shape[0] * x.shape[2]
    rows = max(1, min(x.shape[1], _chunk(x) // (8 * width)))
    parts = []
    for start in range(0, x.shape[1], rows):
        block = slice(start, start + rows)
        seen = mask[block] if proposal is None else proposal[block]
        parts.append(_block(model, x[:, block], mask[block], seen, particles, generator))
    log_sum, log_square = (torch.cat(values) for values in zip(*parts, strict=True))
    ratio = (log_square - 2 * log_sum).exp()  # Σ w² / (Σ w)²
    error = (ratio - 1 / particles).clamp(min=0).sqrt()
    return ImportanceEstimate(log_sum - math.log(particles), error, 1 / (particles * ratio))


def _chunk(x: Tensor) -> int:
    return CHUNK if x.device.type == "cpu" else GPU_CHUNK


def _block(
    model: MultimodalVAE, x: Tensor, mask: Tensor, seen: Tensor, particles: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """log Σ_r w_r and log Σ_r w_r² of a block of samples."""
    posterior = model.posterior(x, seen)
    at_once = max(1, _chunk(x) // x.numel())
    log_sum = log_square = x.new_full((x.shape[1],), -torch.inf)
    for done in range(0, particles, at_once):
        z = posterior.sample(min(at_once, particles - done), generator)
        log_weight = log_joint(model, x, mask, z) - posterior.log_prob(z)
        log_sum = torch.logaddexp(log_sum, log_weight.logsumexp(0))
        log_square = torch.logaddexp(log_square, (2 * log_weight).logsumexp(0))
    return log_sum, log_square
