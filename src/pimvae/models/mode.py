"""Posteriors refined sample by sample: the mode of p(z | x_O) by Newton's method, the curvature there, and weights."""

__all__ = ["WeightedDraws", "at_mode", "draw", "log_joint"]

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pimvae.gaussian import GaussianPosterior
from pimvae.models.vae import MultimodalVAE
from pimvae.posteriors import Mixture
from pimvae.subsets import zero_unless

STEPS, HALVINGS = 30, 10
FLOOR = 0.05  # smallest curvature that is believed; a standard prior alone has 1
CONVERGED = 1e-9  # nats


@dataclass(frozen=True)
class WeightedDraws:
    """Draws of z with weights that make them draws of p(z | x_O), and what the weights say of log p(x_O).

    Attributes:
        z: draws.
        weight: normalised over the draws of each sample.
        log_likelihood: log of the mean importance weight, in nats.
        error: its standard error (delta method).
        ess_fraction: effective share of the draws.
    """

    z: Float[Tensor, "draw sample latent"]
    weight: Float[Tensor, "draw sample"]
    log_likelihood: Float[Tensor, " sample"]
    error: Float[Tensor, " sample"]
    ess_fraction: Float[Tensor, " sample"]


def log_joint(model: MultimodalVAE, x: Tensor, mask: Tensor, z: Tensor) -> Tensor:
    """log p(x_O, z), [*draw, sample]."""
    return zero_unless(mask, model.log_likelihood(x, z)) + model.log_prior(z)


def at_mode(
    model: MultimodalVAE,
    x: Float[Tensor, "modality sample dim"],
    mask: Bool[Tensor, "sample modality"],
    start: Float[Tensor, "sample latent"],
    steps: int = STEPS,
) -> GaussianPosterior:
    r"""N(ẑ, (−∇² log p(x_O, ẑ))⁻¹) at the mode ẑ: Laplace's approximation, exact for linear-Gaussian decoders.

    Newton's method with halved steps where the full one does not gain; curvatures below a floor are raised to it.
    """
    z = start.detach().clone()
    with torch.no_grad():
        value = log_joint(model, x, mask, z)
    for _ in range(steps):
        gradient, precision = _curvature(model, x, mask, z)
        step = torch.linalg.solve(precision, gradient.unsqueeze(-1)).squeeze(-1)
        moved, gained = _line_search(model, x, mask, z, value, step)
        improvement = (gained - value).max()
        z, value = moved, gained
        if improvement < CONVERGED:
            break
    precision = _curvature(model, x, mask, z)[1]
    return GaussianPosterior(z, torch.linalg.inv(precision))


def _curvature(model: MultimodalVAE, x: Tensor, mask: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """∇ log p(x, z) and −∇² log p(x, z), eigenvalues floored; samples do not meet, so sums give all at once."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(log_joint(model, x, mask, z).sum(), z, create_graph=True)
        rows = [
            torch.autograd.grad(total, z, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
            for total in gradient.sum(0)
        ]
    values, vectors = torch.linalg.eigh(-torch.stack(rows, dim=-2).detach())
    return gradient.detach(), vectors @ (values.clamp(min=FLOOR).unsqueeze(-1) * vectors.mT)


@torch.no_grad()
def _line_search(
    model: MultimodalVAE, x: Tensor, mask: Tensor, z: Tensor, value: Tensor, step: Tensor
) -> tuple[Tensor, Tensor]:
    """The first of z + step, z + step/2, … that gains, for each sample by itself; z where none does."""
    best, reached, length = z, value, 1.0
    waiting = torch.ones_like(value, dtype=torch.bool)
    for _ in range(HALVINGS):
        trial = z + length * step
        found = log_joint(model, x, mask, trial)
        better = waiting & (found > value)
        best, reached = torch.where(better.unsqueeze(-1), trial, best), torch.where(better, found, reached)
        waiting &= ~better
        if not waiting.any():
            break
        length /= 2
    return best, reached


@torch.no_grad()
def draw(
    model: MultimodalVAE,
    x: Tensor,
    mask: Tensor,
    proposal: GaussianPosterior | Mixture,
    count: int,
    generator: torch.Generator,
) -> WeightedDraws:
    """``count`` (even) draws of the proposal, weighted by p(x_O, z) / q(z).

    Gaussian draws come in pairs ẑ ± ε: means of linear functions of z are then exact where the proposal is.
    """
    if isinstance(proposal, GaussianPosterior):
        noise = torch.randn(count // 2, *proposal.mean.shape, generator=generator, dtype=x.dtype)
        z, group = proposal.sample(torch.cat([noise, -noise])), 2
    else:
        z, group = proposal.sample(count, generator), 1
    log_weight = log_joint(model, x, mask, z) - proposal.log_prob(z)
    total = log_weight.logsumexp(0)
    weight = (log_weight - total).exp()
    paired = weight.unflatten(0, (group, -1)).sum(0)  # pairs are independent of each other
    error = (paired.square().sum(0) - 1 / len(paired)).clamp(min=0).sqrt()
    return WeightedDraws(z, weight, total - math.log(len(z)), error, 1 / (len(z) * weight.square().sum(0)))
