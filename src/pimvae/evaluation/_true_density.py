"""Densities of the model that generated a clustered data set, and their curvature in the latent variable."""

__all__ = ["TrueDensity"]

import numpy as np
from jaxtyping import Bool, Float

from pimvae.data._mixing import SLOPE, leaky_relu, mix
from pimvae.data._truth import TrueModel
from pimvae.data.dataset import Dataset, Split

LOG_2PI = float(np.log(2 * np.pi))


class TrueDensity:
    """p(x_O, z) = Σ_c p(c) p(x_label | c) p(z | c) ∏_{s∈O} N(x_s; f_s(z), noise² I) for the n samples of a split.

    Latents are arrays [n, k, L]: k points per sample. All results are float64.

    Raises:
        KeyError: if the data set has no ``TrueModel`` in its truth.
    """

    def __init__(self, dataset: Dataset, split: Split) -> None:
        self.model = TrueModel.from_arrays(dataset.truth)
        vectors = [s for s, likelihood in enumerate(dataset.likelihoods) if likelihood == "gaussian"]
        self.observed: Bool[np.ndarray, "n vector"] = split.mask[:, vectors]
        self.x: list[np.ndarray] = [
            np.where(split.mask[:, [s]], split.x[s], 0).astype(np.float64)[:, None] for s in vectors
        ]
        self.log_cluster = self._log_cluster(dataset, split)

    def _log_cluster(self, dataset: Dataset, split: Split) -> Float[np.ndarray, "n cluster"]:
        """log p(c) + log p(x_label | c): an observed label rules the other clusters out."""
        clusters = len(self.model.cluster_mean)
        log_cluster = np.full((len(split.mask), clusters), -np.log(clusters))
        for s, likelihood in enumerate(dataset.likelihoods):
            if likelihood == "categorical":
                excluded = split.mask[:, [s]] & (split.x[s] < 0.5)
                log_cluster[excluded] = -np.inf
        return log_cluster

    def log_source(self, z: Float[np.ndarray, "n k latent"]) -> Float[np.ndarray, "n k"]:
        """log Σ_c p(c) p(x_label | c) p(z | c)."""
        mean, scale = self.model.cluster_mean, self.model.cluster_scale
        total = np.full(z.shape[:2], -np.inf)
        for c in range(len(mean)):
            unit = (z - mean[c]) / scale[c]
            if self.model.laplace:
                log_density = -np.sqrt(2) * np.abs(unit) - 0.5 * np.log(2)
            else:
                log_density = -0.5 * (unit * unit + LOG_2PI)
            inside = log_density.sum(-1) - np.log(scale[c]).sum()
            total = np.logaddexp(total, self.log_cluster[:, [c]] + inside)
        return total

    def log_observation(self, z: Float[np.ndarray, "n k latent"]) -> Float[np.ndarray, "n k"]:
        """Σ_{s∈O} log N(x_s; f_s(z), noise² I)."""
        total = np.zeros(z.shape[:2])
        for s, (network, x) in enumerate(zip(self.model.networks, self.x, strict=True)):
            residual = (x - mix(z, network)) / self.model.noise
            constant = x.shape[-1] * (0.5 * LOG_2PI + np.log(self.model.noise))
            log_density = -0.5 * np.einsum("nkd,nkd->nk", residual, residual) - constant
            total += log_density * self.observed[:, [s]]
        return total

    def curvature(self, z: Float[np.ndarray, "n k latent"]) -> tuple[np.ndarray, np.ndarray]:
        """Gradient [n, k, L] of ``log_observation`` and its Gauss–Newton precision Σ_{s∈O} J_s J_sᵀ / noise²."""
        gradient = np.zeros(z.shape)
        precision = np.zeros((*z.shape, z.shape[-1]))
        for s, (network, x) in enumerate(zip(self.model.networks, self.x, strict=True)):
            value, jacobian = _linearise(z, network)
            jacobian *= self.observed[:, s, None, None, None] / self.model.noise
            residual = (x - value) / self.model.noise
            gradient += (jacobian @ residual[..., None])[..., 0]
            precision += jacobian @ jacobian.swapaxes(-1, -2)
        return gradient, precision


def _linearise(z: np.ndarray, network: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """f(z) [n, k, D] and its Jacobian [n, k, L, D]."""
    hidden = z @ network[0]
    jacobian = np.broadcast_to(network[0], (*z.shape[:2], *network[0].shape)).copy()
    for weight in network[1:]:
        jacobian = (jacobian * np.where(hidden > 0, 1.0, SLOPE)[..., None, :]) @ weight
        hidden = leaky_relu(hidden) @ weight
    return hidden, jacobian
