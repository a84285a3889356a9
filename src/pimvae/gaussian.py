"""Gaussian posteriors with full covariances: of linear-Gaussian models, and at modes."""

__all__ = ["GaussianPosterior"]

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class GaussianPosterior:
    """N(mean, covariance) for every sample, with one covariance for all samples or one for each."""

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
