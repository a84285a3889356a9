"""Annealed importance sampling from a Gaussian to the posterior, where importance weights are heavy-tailed."""

__all__ = ["annealed_log_weights"]

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from pimvae.evaluation.refinement import DenseGaussian, LogJoint, slope

LEAPS = 2  # steps of the leapfrog integrator in a transition
STEP = 0.5  # of the integrator at one latent, in units of the Gaussian; it falls with D^{1/4}


@torch.no_grad()
def annealed_log_weights(
    log_joint: LogJoint,
    start: DenseGaussian,
    chains: int = 8,
    temperatures: int = 24,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "chain n"]:
    r"""Unbiased log weights of p(x_O) along f_t ∝ N^{1−t} p(x_O, ·)^t, t from 0 to 1.

    A chain starts at a draw of the Gaussian and moves by one Hamiltonian transition per temperature, accepted or not;
    its weight is Π_t f_{t+1}(z_t)/f_t(z_t). Coordinates are those in which the Gaussian is standard, so that one size
    of steps suits all directions.

    References:
        Annealed importance sampling (Neal, 2001); for decoders: Wu et al. (2017), https://arxiv.org/abs/1611.04273
    """
    latent = start.loc.shape[-1]
    size = STEP / latent**0.25

    def normal() -> Tensor:
        return torch.randn((chains, *start.loc.shape), generator=generator, dtype=start.loc.dtype,
                           device=start.loc.device)  # fmt: skip

    def target(e: Tensor) -> Tensor:
        return log_joint(start.at(e)) + start.log_determinant()

    def base(e: Tensor) -> Tensor:
        return -0.5 * e.square().sum(-1) - 0.5 * latent * torch.log(torch.tensor(2 * torch.pi, dtype=e.dtype))

    e = normal()
    value = target(e)
    log_weight = torch.zeros_like(value)
    # Dense near both ends, where the path bends.
    path = torch.linspace(0, 1, temperatures + 1, dtype=torch.float64).mul(torch.pi).cos().neg().add(1).div(2).tolist()
    for before, t in pairwise(path):
        log_weight += (t - before) * (value - base(e))
        if t < 1:
            e, value = _transition(e, value, t, size, normal(), target, base, generator)
    return log_weight


def _transition(
    e: Tensor, value: Tensor, t: float, size: float, momentum: Tensor, target: LogJoint, base: LogJoint,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """One Hamiltonian transition that leaves f_t invariant; positions and their log p(x_O, z) (Jacobian included)."""

    def force(e: Tensor) -> Tensor:
        return t * slope(target, e) - (1 - t) * e

    def energy(e: Tensor, value: Tensor, momentum: Tensor) -> Tensor:
        return -(t * value + (1 - t) * base(e)) + 0.5 * momentum.square().sum(-1)

    moved, pushed = e, momentum + 0.5 * size * force(e)
    for leap in range(LEAPS):
        moved = moved + size * pushed
        pushed = pushed + (size if leap < LEAPS - 1 else 0.5 * size) * force(moved)
    proposed = target(moved)
    log_ratio = energy(e, value, momentum) - energy(moved, proposed, pushed)
    uniform = torch.rand(value.shape, generator=generator, dtype=value.dtype, device=value.device)
    accepted = uniform.log() < log_ratio  # not finite: refused
    return torch.where(accepted.unsqueeze(-1), moved, e), torch.where(accepted, proposed, value)
