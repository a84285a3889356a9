"""The exact linear-Gaussian model: likelihoods and posteriors of every subset, and its maximum-likelihood fit."""

__all__ = ["LinearGaussian", "kl_to_posterior", "maximum_likelihood"]

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pimvae.posteriors import GaussianPosterior

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class LinearGaussian:
    r"""p(z) = N(0, I), p(x_s | z) = N(W_s z + b_s, v I), s = 1..M (Hirt et al., 2024, section 5.1).

    Everything is computed in the latent space from WᵀW, Wᵀ(x − b) and |x − b|²: nothing of size D×D is built. Values
    of x in padding and in modalities outside the subset asked for are never used, even if they are NaN.

    Args:
        loading: W, rows beyond ``dims`` zero.
        offset: b.
        noise_variance: v > 0.
        dims: D_s, the true widths of the padded modalities.

    Raises:
        ValueError: if the noise variance is not positive or padded rows of W are not zero.
    """

    loading: Float[Tensor, "modality dim latent"]
    offset: Float[Tensor, "modality dim"]
    noise_variance: float
    dims: Int[Tensor, " modality"]

    def __post_init__(self) -> None:
        if not self.noise_variance > 0:
            raise ValueError(f"noise_variance must be positive, got {self.noise_variance}")
        if self.loading[~self._valid()].count_nonzero():
            raise ValueError("rows of loading beyond dims must be zero")

    @property
    def latent(self) -> int:
        """Dimension of z."""
        return self.loading.shape[-1]

    def log_likelihood(
        self, x: Float[Tensor, "sample modality dim"], mask: Bool[Tensor, "sample modality"]
    ) -> Float[Tensor, " sample"]:
        """log p(x_S), S the true entries of each row of ``mask``; one factorisation per distinct row."""
        result = self.loading.new_empty(len(x))
        patterns, which = mask.unique(dim=0, return_inverse=True)
        for index, subset in enumerate(patterns):
            rows = which == index
            result[rows] = self._condition(x[rows], subset, *self._prior()).evidence()
        return result

    def posterior(
        self, x: Float[Tensor, "sample modality dim"], subset: Bool[Tensor, " modality"]
    ) -> GaussianPosterior:
        """p(z | x_S): covariance (I + Σ W_sᵀW_s / v)⁻¹ [latent, latent]; for the empty subset the prior."""
        return self._condition(x, subset, *self._prior()).posterior()

    def predictive_log_likelihood(
        self,
        x: Float[Tensor, "sample modality dim"],
        target: Bool[Tensor, " modality"],
        mean: Float[Tensor, "sample latent"],
        variance: Float[Tensor, "sample latent"],
    ) -> Float[Tensor, " sample"]:
        """log ∫ N(z; mean, diag variance) p(x_target | z) dz; 0 for an empty target."""
        return self._condition(x, target, mean, variance).evidence()

    def expected_log_likelihood(
        self,
        x: Float[Tensor, "sample modality dim"],
        mean: Float[Tensor, "sample latent"],
        variance: Float[Tensor, "sample latent"],
    ) -> Float[Tensor, "sample modality"]:
        """E log p(x_s | z) under z ~ N(mean, diag variance), for every modality."""
        spread = variance @ self.loading.square().sum(1).T
        return self.log_likelihood_given(x, mean) - spread / (2 * self.noise_variance)

    def log_likelihood_given(
        self, x: Float[Tensor, "sample modality dim"], z: Float[Tensor, "*draw sample latent"]
    ) -> Float[Tensor, "*draw sample modality"]:
        """log p(x_s | z) for every modality, without an array of size draws × dimensions."""
        residual, v = self._residual(x), self.noise_variance
        gram = self.loading.mT @ self.loading
        projection = torch.einsum("nmd,mdl->nml", residual, self.loading)
        linear = torch.einsum("...nl,nml->...nm", z, projection)
        quadratic = torch.stack([((z @ g) * z).sum(-1) for g in gram], dim=-1)
        squares = residual.square().sum(-1) - 2 * linear + quadratic
        dims = self.dims.to(squares)  # a product with integers would be float32
        return -0.5 * (dims * (LOG_2PI + math.log(v)) + squares / v)

    def conditional_mean(
        self, x: Float[Tensor, "sample modality dim"], given: Bool[Tensor, " modality"]
    ) -> Float[Tensor, "sample modality dim"]:
        """E[x | x_given]: the given modalities as they are, the others W_s E[z | x_given] + b_s; padding is zero."""
        z = self.posterior(x, given).mean
        mean = torch.einsum("mdl,nl->nmd", self.loading, z) + self.offset
        mean = torch.where(given[:, None], x.to(mean.dtype), mean)
        return torch.where(self._valid(), mean, 0.0)

    def _valid(self) -> Bool[Tensor, "modality dim"]:
        return torch.arange(self.loading.shape[1], device=self.dims.device) < self.dims[:, None]

    def _prior(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of p(z) as one row that stands for all samples."""
        return self.loading.new_zeros(1, self.latent), self.loading.new_ones(1, self.latent)

    def _residual(self, x: Tensor) -> Tensor:
        return torch.where(self._valid(), x.to(self.loading.dtype) - self.offset, 0.0)

    def _condition(self, x: Tensor, subset: Tensor, mean: Tensor, variance: Tensor) -> "_Conditioned":
        """p(z, x_S) where z ~ N(m, diag c), rows m and c [n or 1, latent]."""
        v, scale = self.noise_variance, variance.sqrt()
        loading = self.loading[subset].flatten(0, 1)
        residual = self._residual(x)[:, subset].flatten(1) - mean @ loading.T
        h = scale * (residual @ loading) / v
        precision = scale[:, :, None] * (loading.T @ loading) / v * scale[:, None, :]
        factor = torch.linalg.cholesky(precision + torch.eye(self.latent).to(precision))
        columns = h.reshape(len(scale), -1, self.latent).mT
        whitened = torch.linalg.solve_triangular(factor, columns, upper=False)
        constant = int(self.dims[subset].sum()) * (LOG_2PI + math.log(v)) + residual.square().sum(-1) / v
        return _Conditioned(mean, scale, factor, whitened, constant)


@dataclass(frozen=True)
class _Conditioned:
    r"""A Gaussian z of which noisy linear functions x_S were seen.

    With z = m + √c u, u ~ N(0, I): precision P = I + √c WᵀW √c / v = L Lᵀ and h = √c Wᵀ(x − b − W m) / v give
    −½ [D_S log 2πv + |x − b − W m|² / v + log|P| − hᵀP⁻¹h] and N(m + √c P⁻¹h, √c P⁻¹ √c).

    Args:
        mean: m.
        scale: √c.
        factor: L, one for all samples or one for each.
        whitened: L⁻¹h as columns.
        constant: D_S log 2πv + |x − b − W m|² / v.
    """

    mean: Float[Tensor, "group latent"]
    scale: Float[Tensor, "group latent"]
    factor: Float[Tensor, "group latent latent"]
    whitened: Float[Tensor, "group latent column"]
    constant: Float[Tensor, " sample"]

    def evidence(self) -> Float[Tensor, " sample"]:
        """log p(x_S)."""
        log_det = 2 * self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return -0.5 * (self.constant + log_det - self.whitened.square().sum(1).reshape(-1))

    def posterior(self) -> GaussianPosterior:
        """p(z | x_S) where all samples are one group."""
        solved = torch.linalg.solve_triangular(self.factor.mT, self.whitened, upper=True).mT
        covariance = self.scale[:, :, None] * torch.cholesky_inverse(self.factor) * self.scale[:, None, :]
        return GaussianPosterior(self.mean + self.scale * solved.reshape(len(self.constant), -1), covariance[0])


def maximum_likelihood(
    x: Float[Tensor, "sample modality dim"], dims: Int[Tensor, " modality"], latent: int, noise_variance: float
) -> LinearGaussian:
    """Maximum-likelihood loadings for a *known* noise variance v: W = U (Λ − v)₊^½, b the sample mean.

    U, Λ are the leading eigenvectors and eigenvalues of the sample covariance of all (fully observed) modalities.
    Source: Tipping & Bishop (1999), appendix A, with σ² held fixed.
    """
    valid = torch.arange(x.shape[2], device=x.device) < dims[:, None]
    observed = x.double()[:, valid]
    mean = observed.mean(0)
    centred = observed - mean
    eigenvalues, eigenvectors = torch.linalg.eigh(centred.T @ centred / len(x))
    gains = (eigenvalues[-latent:].flip(0) - noise_variance).clamp(min=0).sqrt()
    loading = observed.new_zeros(*valid.shape, latent)
    loading[valid] = eigenvectors[:, -latent:].flip(1) * gains
    offset = observed.new_zeros(valid.shape)
    offset[valid] = mean
    return LinearGaussian(loading, offset, noise_variance, dims)


def kl_to_posterior(
    mean: Float[Tensor, "sample latent"], variance: Float[Tensor, "sample latent"], posterior: GaussianPosterior
) -> Float[Tensor, " sample"]:
    """KL(N(mean, diag variance) ‖ posterior), posterior with its full covariance, in closed form."""
    factor = torch.linalg.cholesky(posterior.covariance)
    precision = torch.cholesky_inverse(factor)
    trace = (variance * precision.diagonal(dim1=-2, dim2=-1)).sum(-1)
    shift = (posterior.mean - mean).unsqueeze(-2)
    squares = (shift @ precision * shift).sum((-2, -1))
    log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return 0.5 * (trace + squares - mean.shape[-1] + log_det - variance.log().sum(-1))
