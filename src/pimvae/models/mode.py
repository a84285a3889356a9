"""Posteriors refined sample by sample: the mode of p(z | x_O) by Newton's method, the curvature there, and weights."""

__all__ = ["Modes", "WeightedDraws", "at_mode", "at_modes", "draw", "log_joint"]

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pimvae.models.vae import MultimodalVAE
from pimvae.posteriors import GaussianPosterior, Mixture
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


@dataclass(frozen=True)
class Modes:
    """Σ_c w_c N(ẑ_c, Σ_c) for every sample: a Gaussian for each component of the prior."""

    log_weight: Float[Tensor, "component sample"]
    parts: Sequence[GaussianPosterior]

    @property
    def mean(self) -> Float[Tensor, "sample latent"]:
        """E[z] = Σ_c w_c ẑ_c."""
        return self._expectation([part.mean for part in self.parts])

    @property
    def variance(self) -> Float[Tensor, "sample latent"]:
        """Var[z] per dimension, by the law of total variance."""
        spread = [part.variance + (part.mean - self.mean).square() for part in self.parts]
        return self._expectation(spread)

    def _expectation(self, values: Sequence[Tensor]) -> Tensor:
        return (self.log_weight.exp().unsqueeze(-1) * torch.stack(list(values))).sum(0)

    def log_prob(self, z: Float[Tensor, "*draw sample latent"]) -> Float[Tensor, "*draw sample"]:
        """log of the density."""
        logs = [w + part.log_prob(z) for w, part in zip(self.log_weight, self.parts, strict=True)]
        return torch.stack(logs).logsumexp(0)

    def sample(
        self, noise: Float[Tensor, "draw sample latent"], place: Float[Tensor, "draw sample"]
    ) -> Float[Tensor, "draw sample latent"]:
        """Draws from standard-normal ones, each of the component in whose share of [0, 1] its ``place`` lies."""
        ends = self.log_weight.exp().cumsum(0)[:-1]
        chosen = (place > ends.unsqueeze(1)).sum(0)
        drawn = torch.stack([part.sample(noise) for part in self.parts])
        return drawn.gather(0, chosen[None, :, :, None].expand(1, *noise.shape)).squeeze(0)


def log_joint(model: MultimodalVAE, x: Tensor, mask: Tensor, z: Tensor, prior: Mixture | None = None) -> Tensor:
    """log p(x_O, z), [*draw, sample]; ``prior`` takes the place of the model's own for the shared latents."""
    return zero_unless(mask, model.log_likelihood(x, z)) + model.log_prior(z, prior)


def at_mode(
    model: MultimodalVAE,
    x: Float[Tensor, "modality sample dim"],
    mask: Bool[Tensor, "sample modality"],
    start: Float[Tensor, "sample latent"],
    steps: int = STEPS,
    prior: Mixture | None = None,
) -> GaussianPosterior:
    r"""N(ẑ, (−∇² log p(x_O, ẑ))⁻¹) at the mode ẑ: Laplace's approximation, exact for linear-Gaussian decoders.

    Newton's method with halved steps where the full one does not gain; curvatures below a floor are raised to it.
    """
    z = start.detach().clone()
    target = partial(log_joint, model, x, mask, prior=prior)
    with torch.no_grad():
        value = target(z)
    for _ in range(steps):
        gradient, precision = _curvature(target, z)
        step = torch.linalg.solve(precision, gradient.unsqueeze(-1)).squeeze(-1)
        moved, gained = _line_search(target, z, value, step)
        improvement = (gained - value).max()
        z, value = moved, gained
        if improvement < CONVERGED:
            break
    return GaussianPosterior(z, torch.linalg.inv(_curvature(target, z)[1]))


def at_modes(
    model: MultimodalVAE,
    x: Float[Tensor, "modality sample dim"],
    mask: Bool[Tensor, "sample modality"],
    start: Float[Tensor, "sample latent"],
    steps: int = STEPS,
) -> GaussianPosterior | Modes:
    r"""p(z | x_O) ≈ Σ_c w_c N(ẑ_c, Σ_c), w_c ∝ π_c p_c(x_O): `at_mode` under each component p_c(z) of the prior.

    p_c(x_O) = p_c(x_O, ẑ_c) (2π)^{L/2} |Σ_c|^{1/2} by Laplace's approximation, exact for linear-Gaussian decoders. One
    Gaussian at one mode would leave the other components out of what is predicted.
    """
    prior = model.prior.distribution()
    if prior.components == 1:
        return at_mode(model, x, mask, start, steps)
    parts, logs = [], []
    for c, log_share in enumerate(prior.logits.log_softmax(-1)):
        component = Mixture(prior.logits[:1] * 0, prior.loc[c : c + 1], prior.scale[c : c + 1], prior.family)
        part = at_mode(model, x, mask, start, steps, component)
        half = torch.linalg.cholesky(part.covariance).diagonal(dim1=-2, dim2=-1).log().sum(-1)
        logs.append(log_share + log_joint(model, x, mask, part.mean, component) + half)
        parts.append(part)
    return Modes(torch.stack(logs).log_softmax(0), parts)


def _curvature(target: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    """∇ log p(x, z) and −∇² log p(x, z), eigenvalues floored; samples do not meet, so sums give all at once."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(target(z).sum(), z, create_graph=True)
        rows = [
            torch.autograd.grad(total, z, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
            for total in gradient.sum(0)
        ]
    values, vectors = torch.linalg.eigh(-torch.stack(rows, dim=-2).detach())
    return gradient.detach(), vectors @ (values.clamp(min=FLOOR).unsqueeze(-1) * vectors.mT)


@torch.no_grad()
def _line_search(target: Callable[[Tensor], Tensor], z: Tensor, value: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """The first of z + step, z + step/2, … that gains, for each sample by itself; z where none does."""
    best, reached, length = z, value, 1.0
    waiting = torch.ones_like(value, dtype=torch.bool)
    for _ in range(HALVINGS):
        trial = z + length * step
        found = target(trial)
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
    proposal: GaussianPosterior | Modes | Mixture,
    count: int,
    generator: torch.Generator,
) -> WeightedDraws:
    """``count`` (even) draws of the proposal, weighted by p(x_O, z) / q(z).

    Gaussian draws come in pairs ẑ ± ε: means of linear functions of z are then exact where the proposal is.
    """
    if isinstance(proposal, Mixture):
        z, group = proposal.sample(count, generator), 1
    else:
        noise, group = torch.randn(count // 2, *proposal.mean.shape, generator=generator, dtype=x.dtype), 2
        both = torch.cat([noise, -noise])
        z = proposal.sample(both, _places(noise, generator)) if isinstance(proposal, Modes) else proposal.sample(both)
    log_weight = log_joint(model, x, mask, z) - proposal.log_prob(z)
    total = log_weight.logsumexp(0)
    weight = log_weight.softmax(0)  # sums to 1 also where ``total`` is too large to hold the difference
    paired = weight.unflatten(0, (group, -1)).sum(0)  # pairs are independent of each other
    error = (paired.square().sum(0) - 1 / len(paired)).clamp(min=0).sqrt()
    return WeightedDraws(z, weight, total - math.log(len(z)), error, 1 / (len(z) * weight.square().sum(0)))


def _places(noise: Tensor, generator: torch.Generator) -> Tensor:
    """Systematic sampling: evenly spaced in [0, 1] from a random start per sample, the same for both of a pair."""
    start = torch.rand(noise.shape[1], generator=generator, dtype=noise.dtype)
    return ((torch.arange(len(noise), dtype=noise.dtype).unsqueeze(-1) + start) / len(noise)).repeat(2, 1)
