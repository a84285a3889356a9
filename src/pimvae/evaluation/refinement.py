"""Gaussian approximations of posteriors, refined for every data point by natural gradients."""

__all__ = ["DenseGaussian", "LogJoint", "refine", "value_and_slope"]

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LogJoint = Callable[[Tensor], Tensor]  # z [draw, n, D] -> log p(x_O, z) [draw, n]; points do not mix
RATE, LAST_RATE = 0.3, 0.015  # of the steps, along half a cosine
PAIRS_PER_LATENT = 5  # one pair of draws for so many latents: with fewer the estimated covariance is unstable


@dataclass(frozen=True)
class DenseGaussian:
    """N(loc, L Lᵀ) of n points: loc [n, D], L lower triangular [n, D, D]."""

    loc: Float[Tensor, "n latent"]
    factor: Float[Tensor, "n latent latent"]

    def at(self, noise: Float[Tensor, "draw n latent"]) -> Float[Tensor, "draw n latent"]:
        """loc + L ε."""
        return self.loc + (noise.movedim(0, 1) @ self.factor.mT).movedim(1, 0)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "draw n latent"]:
        """Independent draws."""
        return self.at(_normal((count, *self.loc.shape), self.loc, generator))

    def pulled_back(self, slope: Float[Tensor, "draw n latent"]) -> Float[Tensor, "draw n latent"]:
        """Lᵀ ∇_z f: the gradient of f in ε."""
        return (slope.movedim(0, 1) @ self.factor).movedim(1, 0)

    def log_prob(self, z: Float[Tensor, "draw n latent"]) -> Float[Tensor, "draw n"]:
        """log N(z; loc, L Lᵀ)."""
        columns = (z - self.loc).permute(1, 2, 0)
        white = torch.linalg.solve_triangular(self.factor, columns, upper=False)
        squares = white.square().sum(1).mT
        return -0.5 * (squares + z.shape[-1] * math.log(2 * math.pi)) - self.log_determinant()

    def log_determinant(self) -> Float[Tensor, " n"]:
        """log det L."""
        return self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def refine(
    log_joint: LogJoint, start: DenseGaussian, steps: int = 60, generator: torch.Generator | None = None
) -> DenseGaussian:
    r"""Maximise the ELBO of a full-covariance Gaussian for every point, from ``start``.

    With z = μ + L ε, ε ~ N(0, I), the vector u = Lᵀ ∇_z log p(x_O, z) + ε is the gradient with sticking the landing in
    the coordinates of the Gaussian itself; b = E u and A = tril(E u εᵀ), half of the diagonal, are the natural gradient
    in (μ, L):  μ ← μ + r L b,  L ← L (r tril(A, −1) + diag exp(r A_ii)).  Affine transformations of z change nothing,
    and where the posterior is Gaussian u = 0 at every draw: a linear-Gaussian model is solved without noise. Steps are
    bounded, |r b| ≤ √D and |r A| ≤ 1: without a bound L can degenerate in single precision, and the likelihood that is
    estimated with it is then far too *high*.

    References:
        The Bayesian learning rule (Khan & Rue, 2023), https://jmlr.org/papers/v24/22-0291.html; inference suboptimality
        in variational auto-encoders (Cremer et al., 2018); sticking the landing (Roeder et al., 2017).
    """
    q, loc = start, start.loc
    latent = loc.shape[-1]
    pairs = max(8, math.ceil(latent / PAIRS_PER_LATENT))
    for step in range(steps):
        rate = LAST_RATE + 0.5 * (RATE - LAST_RATE) * (1 + math.cos(math.pi * step / steps))
        half = _normal((pairs, *loc.shape), loc, generator)
        noise = torch.cat([half, -half])  # antithetic: odd terms cancel
        u = q.pulled_back(value_and_slope(log_joint, q.at(noise))[1]) + noise
        turn = (u.permute(1, 2, 0) @ noise.movedim(0, 1) / len(noise)).tril()
        turn = turn - 0.5 * torch.diag_embed(turn.diagonal(dim1=-2, dim2=-1))
        turn = _within(rate * turn.flatten(-2), 1.0).unflatten(-1, (latent, latent))
        growth = torch.diag_embed(turn.diagonal(dim1=-2, dim2=-1).exp())
        move = _within(rate * u.mean(0), math.sqrt(latent))
        q = DenseGaussian(q.at(move.unsqueeze(0))[0], q.factor @ (turn.tril(-1) + growth))
    return q


def value_and_slope(
    log_joint: LogJoint, z: Float[Tensor, "draw n latent"]
) -> tuple[Float[Tensor, "draw n"], Float[Tensor, "draw n latent"]]:
    """log p(x_O, z) and ∇_z log p(x_O, z)."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = log_joint(z)
        (gradient,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), gradient


def _within(step: Float[Tensor, "n size"], radius: float) -> Float[Tensor, "n size"]:
    """Steps cut to the length ``radius``; one that is not finite becomes 0."""
    length = step.norm(dim=-1, keepdim=True)
    return torch.where(length.isfinite(), step * (radius / length.clamp(min=radius)), 0.0)


def _normal(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
