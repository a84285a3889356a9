"""log p(x_O) of models with one or two latents by adaptive quadrature."""

__all__ = ["quadrature"]

import math

import torch
from jaxtyping import Float
from torch import Tensor

from pimvae.evaluation.refinement import LogJoint

SIDE = {1: 4096, 2: 48}  # cells along each axis of the coarsest grid, by the number of latents
SPLIT = 4  # cells along each axis into which a cell is divided
KEPT = 128  # cells of every point that are divided further: where most of the mass is
LEVELS = 3


@torch.no_grad()
def quadrature(
    log_joint: LogJoint, low: Float[Tensor, "n latent"], high: Float[Tensor, "n latent"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    r"""log ∫ p(x_O, z) dz over a box per point, by the midpoint rule on cells that are divided where the mass is.

    Of every grid the ``KEPT`` cells with the largest density are divided into ``SPLIT``^D, ``LEVELS`` times; the others
    count as they are. For a smooth density that a few cells resolve, the midpoint rule is exact up to exp(−2π²σ²/h²).

    Args:
        log_joint: z [draw, n, D] -> log p(x_O, z) [draw, n].
        low: the lower corner of every point's box, which must hold the posterior.
        high: the upper one.

    Returns:
        The log-integral, and by how much the last division changed it (a bound on what is left).

    Raises:
        ValueError: for more than two latents.
    """
    latent = low.shape[-1]
    if latent not in SIDE:
        raise ValueError(f"quadrature is for one or two latents, not {latent}")
    side = SIDE[latent]
    unit = (torch.arange(side, dtype=low.dtype, device=low.device) + 0.5) / side
    centres = torch.cartesian_prod(*[unit] * latent).reshape(-1, 1, latent)
    z = low + (high - low) * centres
    size = (high - low) / side  # of a cell, [n, D]
    value = log_joint(z) + size.log().sum(-1)
    settled = value.new_full((0, value.shape[1]), -math.inf)  # log masses of cells that are divided no further
    total = before = value.logsumexp(0)
    offsets = (torch.arange(SPLIT, dtype=low.dtype, device=low.device) + 0.5) / SPLIT - 0.5
    offsets = torch.cartesian_prod(*[offsets] * latent).reshape(-1, 1, 1, latent)
    for _ in range(LEVELS):
        kept = min(KEPT, len(value))
        order = value.argsort(0, descending=True)
        settled = torch.cat([settled, value.gather(0, order[kept:])])
        chosen = z.gather(0, order[:kept].unsqueeze(-1).expand(-1, -1, latent))
        z = (chosen + size * offsets).flatten(0, 1)
        size = size / SPLIT
        value = log_joint(z) + size.log().sum(-1)
        before, total = total, torch.cat([settled, value]).logsumexp(0)
    return total, (total - before).abs()
