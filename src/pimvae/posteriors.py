"""Posteriors over the latent: mixtures of K diagonal Gaussians (or Laplace distributions), and full Gaussians."""

__all__ = ["GaussianPosterior", "Mixture", "Posterior", "single", "standard", "standard_noise"]

import math
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

Family = Literal["gaussian", "laplace"]


@runtime_checkable
class Posterior(Protocol):
    """What objectives and metrics need of q(z | x_S): draws, the weights of stratified ones, a density."""

    components: int  # K

    def rsample(self, noise: Tensor) -> Tensor: ...  # [K, *sample, *batch, latent]

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor: ...  # [count, *batch, latent]

    def log_weights(self) -> Tensor: ...  # [K, *batch]

    def log_prob(self, z: Tensor) -> Tensor: ...  # [*sample, *batch]

    def detach(self) -> "Posterior": ...

    def select(self, index: slice) -> "Posterior": ...  # of the first batch axis

    def mean(self) -> Tensor: ...  # [*batch, latent]


@dataclass(frozen=True)
class Mixture:
    r"""q(z) = Σ_k π_k ∏_d f(z_d; μ_kd, s_kd), f a Gaussian or a Laplace density with location μ and scale s.

    K = 1 is the plain diagonal Gaussian; a mixture of experts has K = M with logit −∞ for absent experts. A component
    with weight 0 still needs a finite location and a positive scale, so that 0 · (its terms) is 0 and not NaN.

    Args:
        logits: unnormalised log π, [*batch, K]; −∞ allowed, but not for all K.
        loc: μ, [*batch, K, latent].
        scale: s > 0, [*batch, K, latent] (standard deviation for the Gaussian).
        family: ``gaussian`` or ``laplace``.
    """

    logits: Float[Tensor, "*batch component"]
    loc: Float[Tensor, "*batch component latent"]
    scale: Float[Tensor, "*batch component latent"]
    family: Family = "gaussian"

    @property
    def components(self) -> int:
        """K, the number of components."""
        return self.logits.shape[-1]

    def log_weights(self) -> Float[Tensor, " component *batch"]:
        """log π with the component axis in front, as in the draws of `rsample`."""
        return self.logits.log_softmax(-1).movedim(-1, 0)

    def rsample(self, noise: Tensor) -> Tensor:
        """One reparameterised draw per component: μ_k + s_k ε, ε [K, *sample, *batch, latent] of `standard_noise`.

        Returns draws of that shape; an expectation under q is Σ_k π_k (mean of the draws of k): stratification, which
        reaches the weights with gradients that sampling a component would not give.
        """
        extra = noise.dim() - self.loc.dim()
        loc, scale = (self._in_front(parameter, extra) for parameter in (self.loc, self.scale))
        return loc + scale * noise

    def component_log_prob(self, z: Tensor) -> Tensor:
        """log f_k(z) for every component, [*sample, *batch, K]; z is [*sample, *batch, latent]."""
        # There are many more draws than components: as little as possible is done in the shape of both.
        u = (z.unsqueeze(-2) - self.loc) * self.scale.reciprocal()
        log_scale = self.scale.log().sum(-1)
        if self.family == "laplace":
            return -u.abs().sum(-1) - (log_scale + math.log(2.0) * z.shape[-1])
        return -0.5 * (u * u).sum(-1) - (log_scale + 0.5 * math.log(2 * math.pi) * z.shape[-1])

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z), [*sample, *batch]; z is [*sample, *batch, latent]."""
        log_components = self.component_log_prob(z)
        if self.components == 1:
            return log_components.squeeze(-1)
        return (self.logits.log_softmax(-1) + log_components).logsumexp(-1)

    def detach(self) -> "Mixture":
        """The same distribution, its parameters cut from the graph (for sticking the landing)."""
        return Mixture(self.logits.detach(), self.loc.detach(), self.scale.detach(), self.family)

    def mean(self) -> Float[Tensor, "*batch latent"]:
        """E[z] = Σ_k π_k μ_k."""
        return (self.logits.softmax(-1).unsqueeze(-1) * self.loc).sum(-2)

    def variance(self) -> Float[Tensor, "*batch latent"]:
        """Var[z] per dimension, by the law of total variance."""
        factor = 2.0 if self.family == "laplace" else 1.0
        weights = self.logits.softmax(-1).unsqueeze(-1)
        apart = self.loc - self.mean().unsqueeze(-2)  # E[z²] − E[z]² would lose the digits of a narrow posterior
        return (weights * (factor * self.scale.square() + apart.square())).sum(-2)

    def select(self, index: int | slice | Tensor) -> "Mixture":
        """The posteriors at ``index`` of the first batch axis."""
        return Mixture(self.logits[index], self.loc[index], self.scale[index], self.family)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Ordinary (not reparameterised) draws, [count, *batch, latent]: a component first, then its noise."""
        weights = self.logits.softmax(-1)
        flat = weights.reshape(-1, self.components)
        chosen = torch.multinomial(flat, count, replacement=True, generator=generator)
        chosen = chosen.T.reshape(count, *weights.shape[:-1])[..., None, None]
        loc, scale = (
            p.expand(count, *p.shape).gather(-2, chosen.expand(*chosen.shape[:-1], p.shape[-1])).squeeze(-2)
            for p in (self.loc, self.scale)
        )
        return loc + scale * standard_noise(loc.shape, self.family, generator, loc.dtype, loc.device)

    @staticmethod
    def _in_front(parameter: Tensor, extra: int) -> Tensor:
        """[*batch, K, latent] -> [K, 1 × extra, *batch, latent]."""
        parameter = parameter.movedim(-2, 0)
        return parameter.reshape(parameter.shape[0], *([1] * extra), *parameter.shape[1:])


@dataclass(frozen=True)
class GaussianPosterior:
    """N(mean, covariance), of linear models and at modes; one covariance for all samples or one for each."""

    mean: Float[Tensor, "sample latent"]
    covariance: Float[Tensor, "*sample latent latent"]

    @property
    def variance(self) -> Float[Tensor, "*sample latent"]:
        """Var[z] per dimension."""
        return self.covariance.diagonal(dim1=-2, dim2=-1)

    def log_prob(self, z: Float[Tensor, "*draw sample latent"]) -> Float[Tensor, "*draw sample"]:
        """log N(z; mean, covariance)."""
        factor = torch.linalg.cholesky(self.covariance)
        return torch.distributions.MultivariateNormal(self.mean, scale_tril=factor, validate_args=False).log_prob(z)

    def sample(self, noise: Float[Tensor, "*draw sample latent"]) -> Float[Tensor, "*draw sample latent"]:
        """mean + C ε, C the Cholesky factor of the covariance and ε the given standard-normal draws."""
        return self.mean + (torch.linalg.cholesky(self.covariance) @ noise.unsqueeze(-1)).squeeze(-1)


def single(loc: Tensor, scale: Tensor, family: Family = "gaussian") -> Mixture:
    """The one-component posterior with location and scale [*batch, latent]."""
    return Mixture(loc.new_zeros(*loc.shape[:-1], 1), loc.unsqueeze(-2), scale.unsqueeze(-2), family)


def standard(latent: int, like: Tensor, family: Family = "gaussian") -> Mixture:
    """The standard distribution (location 0, scale 1) without batch axes, dtype and device as ``like``."""
    return single(like.new_zeros(latent), like.new_ones(latent), family)


def standard_noise(
    shape: tuple[int, ...] | torch.Size,
    family: Family,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draws of the family's standard member: N(0, 1), or Laplace(0, 1) by inversion of its distribution function."""
    if family == "gaussian":
        return torch.randn(shape, generator=generator, dtype=dtype, device=device)
    u = torch.rand(shape, generator=generator, dtype=dtype, device=device) - 0.5
    return -u.sign() * torch.log1p(-2 * u.abs().clamp(max=0.5 - 1e-7))
