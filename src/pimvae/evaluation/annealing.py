"""Annealed importance sampling from a Gaussian to the posterior, where importance weights are heavy-tailed."""

__all__ = ["annealed_log_weights"]

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from pimvae.evaluation.refinement import DenseGaussian, LogJoint, value_and_slope

Path = Callable[[Tensor], tuple[Tensor, Tensor]]  # e -> log p(x_O, z(e)) and its gradient in e
LEAPS = 3  # steps of the leapfrog integrator in a transition
STEP = 1.2  # of the integrator at one latent, in units of the Gaussian; it falls with D^{1/4}


@torch.no_grad()
def annealed_log_weights(
    log_joint: LogJoint,
    start: DenseGaussian,
    chains: int = 12,
    temperatures: int = 20,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "chain n"]:
    r"""Unbiased log weights of p(x_O) along f_t ∝ N^{1−t} p(x_O, ·)^t, t from 0 to 1.

    A chain starts at a draw of the Gaussian and moves by one Hamiltonian transition per temperature, accepted or not;
    its weight is Π_t f_{t+1}(z_t)/f_t(z_t). Coordinates e = L⁻¹(z − μ) are those in which the Gaussian is standard, so
    that one size of steps suits all directions.

    References:
        Annealed importance sampling (Neal, 2001); for decoders: Wu et al. (2017), https://arxiv.org/abs/1611.04273
    """
    log_determinant = start.log_determinant()  # of the Jacobian of z = μ + L e

    def path(e: Tensor) -> tuple[Tensor, Tensor]:
        value, slope = value_and_slope(log_joint, start.at(e))
        return value + log_determinant, start.pulled_back(slope)

    e = torch.randn((chains, *start.loc.shape), generator=generator, dtype=start.loc.dtype, device=start.loc.device)
    value, force = path(e)
    log_weight = torch.zeros_like(value)
    # Dense near both ends, where the path bends.
    places = [0.5 - 0.5 * math.cos(math.pi * i / temperatures) for i in range(temperatures + 1)]
    for before, t in pairwise(places):
        log_weight += (t - before) * (value - _standard(e))
        if t < 1:
            e, value, force = _transition(path, e, value, force, t, generator)
    return log_weight


def _standard(e: Tensor) -> Tensor:
    return -0.5 * e.square().sum(-1) - 0.5 * e.shape[-1] * math.log(2 * math.pi)


def _transition(
    path: Path, e: Tensor, value: Tensor, force: Tensor, t: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    """One Hamiltonian transition that leaves f_t invariant: positions, their log p(x_O, z) and its gradient.

    The gradient of the last leap is that of the next transition's start: ``LEAPS`` passes of the decoder in all.
    """
    size = STEP / e.shape[-1] ** 0.25
    momentum = torch.randn(e.shape, generator=generator, dtype=e.dtype, device=e.device)
    uniform = torch.rand(value.shape, generator=generator, dtype=value.dtype, device=value.device)
    moved, proposed, pull, pushed = e, value, force, momentum
    for _ in range(LEAPS):
        half = pushed + 0.5 * size * (t * pull - (1 - t) * moved)
        moved = moved + size * half
        proposed, pull = path(moved)
        pushed = half + 0.5 * size * (t * pull - (1 - t) * moved)
    before = t * value + (1 - t) * _standard(e) - 0.5 * momentum.square().sum(-1)
    after = t * proposed + (1 - t) * _standard(moved) - 0.5 * pushed.square().sum(-1)
    accepted = uniform.log() < after - before  # not finite: refused
    choose = accepted.unsqueeze(-1)
    return torch.where(choose, moved, e), torch.where(accepted, proposed, value), torch.where(choose, pull, force)
