"""log p(x_O) of models with one or two latents by adaptive quadrature."""

__all__ = ["quadrature"]

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from pimvae.evaluation.refinement import LogJoint, value_and_slope

SIDE = {1: 512, 2: 64}  # cells along each axis of the coarsest grid, by the number of latents
WIDENINGS = 6  # of the box, each to twice its size, while a point has its largest value at the rim
NEGLIGIBLE = 12.0  # nats below the largest cell of a point from which on a cell is divided no further
LEVELS = 14  # of divisions, at most
MOST = 100_000  # cells that are divided at a time: a decoder with absurd slopes leaves none out, and memory is finite
TOLERANCE = 1e-3  # nats that a division may change before it is the last one


@torch.no_grad()
def quadrature(
    target: Callable[[Tensor], LogJoint], points: int, low: Float[Tensor, " latent"], high: Float[Tensor, " latent"]
) -> tuple[Float[Tensor, " point"], Float[Tensor, " point"]]:
    r"""log ∫ p(x_O, z) dz by the midpoint rule on a grid that is halved where the mass is.

    All points share the coarsest grid, and the decoder's passes on it. Then every cell that can hold mass is halved
    along each axis, again and again, until that changes the integral of its point by less than ``TOLERANCE``. What a
    cell can hold is told by its value and its slope, for posteriors may be much narrower than a cell. Where mass is,
    the grid is thus uniform, and on uniform grids of side h the midpoint rule is exact up to exp(−2π²σ²/h²), σ the
    least width of the posterior: when a halving changes little, what is left is far less than that.

    Args:
        target: log p(x_O, z) of points by their numbers [m]: z [draw, m, D] (or [draw, 1, D]) -> [draw, m].
        points: how many there are.
        low: the lower corner of a box; it is widened while a point has its largest value at the rim.
        high: the upper one; both of one or two dimensions.

    Where more than ``MOST`` cells could hold mass, those that can hold least are divided no further.

    Returns:
        The log-integral, and by how much the last halving changed it.
    """
    latent = len(low)
    owner, z, size, total = _coarse(target(torch.arange(points, device=low.device)), low, high, SIDE[latent])
    gone = torch.full_like(total, -math.inf)  # mass of the cells that are divided no further
    change = torch.full_like(total, math.inf)
    corners = torch.cartesian_prod(*[low.new_tensor([-0.25, 0.25])] * latent).reshape(-1, 1, latent)
    for _ in range(LEVELS):
        z, owner, size = (z + size * corners).flatten(0, 1), owner.repeat(len(corners)), size / 2
        value, slope = (part[0] for part in value_and_slope(target(owner), z.unsqueeze(0)))
        mass = value + size.log().sum()
        found = torch.logaddexp(gone, _log_sum(mass, owner, points))
        here = torch.zeros_like(total, dtype=torch.bool).index_fill(0, owner, True)
        change = torch.where(here, (found - total).abs(), change)
        total = torch.where(here, found, total)
        possible = mass + (size * slope.abs()).sum(-1)
        divided = _largest(possible, _worth(mass, possible, owner, points), owner, points)
        gone = torch.logaddexp(gone, _log_sum(mass[~divided], owner[~divided], points))
        divided &= change[owner] > TOLERANCE
        if not divided.any():
            break
        z, owner = z[divided], owner[divided]
    return total, change


def _coarse(log_joint: LogJoint, low: Tensor, high: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Owners [c] and centres [c, D] of the cells that can hold mass, their sides [D], log-integrals [n]."""
    latent = len(low)
    index = torch.cartesian_prod(*[torch.arange(side, device=low.device)] * latent).reshape(-1, latent)
    rim = ((index == 0) | (index == side - 1)).any(-1)
    for _ in range(WIDENINGS):
        size = (high - low) / side
        centres = low + size * (index + 0.5)
        mass = log_joint(centres.unsqueeze(1)) + size.log().sum()
        if not rim[mass.argmax(0)].any():
            break
        low, high = 1.5 * low - 0.5 * high, 1.5 * high - 0.5 * low
    possible = mass.unflatten(0, [side] * latent)
    for axis in range(latent):  # the largest difference to a neighbour stands in for the slope
        step = possible.diff(dim=axis).abs()
        edge = torch.zeros_like(step.narrow(axis, 0, 1))
        possible = possible + torch.maximum(torch.cat([step, edge], axis), torch.cat([edge, step], axis))
    possible = possible.flatten(0, latent - 1)
    cell, owner = (possible > mass.amax(0) - NEGLIGIBLE).nonzero().unbind(-1)
    kept = _largest(possible[cell, owner], torch.ones_like(owner, dtype=torch.bool), owner, mass.shape[1])
    return owner[kept], centres[cell[kept]], size, mass.logsumexp(0)


def _worth(mass: Tensor, possible: Tensor, owner: Tensor, points: int) -> Tensor:
    """Which cells can hold mass that is not negligible beside the largest of their point."""
    largest = torch.full((points,), -math.inf, dtype=mass.dtype, device=mass.device)
    largest = largest.scatter_reduce(0, owner, mass, "amax")
    return possible > largest[owner] - NEGLIGIBLE


def _largest(possible: Tensor, chosen: Tensor, owner: Tensor, points: int) -> Tensor:
    """Of the chosen cells, each point's equal share of ``MOST``: those that can hold most."""
    if int(chosen.sum()) <= MOST:
        return chosen
    ranked = torch.where(chosen, possible, -math.inf).argsort(descending=True, stable=True)
    ranked = ranked[owner[ranked].argsort(stable=True)]  # point by point
    first = torch.searchsorted(owner[ranked].contiguous(), torch.arange(points, device=owner.device))
    place = torch.arange(len(ranked), device=owner.device) - first[owner[ranked]]
    return chosen & torch.zeros_like(chosen).index_fill(0, ranked[place < MOST // points], True)


def _log_sum(values: Tensor, owner: Tensor, points: int) -> Tensor:
    """log Σ exp of the values of every owner, [points]; −∞ without any."""
    largest = torch.full((points,), -math.inf, dtype=values.dtype, device=values.device)
    largest = largest.scatter_reduce(0, owner, values, "amax")
    sums = torch.zeros_like(largest).index_add_(0, owner, (values - largest[owner]).exp())
    return torch.where(largest.isfinite(), largest + sums.log(), largest)
