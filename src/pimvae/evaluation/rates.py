"""Rates and distortions: what the posterior of a subset costs and what it reconstructs."""

__all__ = ["cross_rate", "few_draws", "rate", "reconstruction"]

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from pimvae.models.vae import MultimodalVAE
from pimvae.posteriors import Mixture, Posterior

CHUNK = 2**18  # numbers that one pass over a few draws produces; what fits the cache is four times faster than 2**22


def few_draws(noise: Float[Tensor, "component draw sample latent"], width: int) -> tuple[Tensor, ...]:
    """The noise a few draws at a time, for functions that make ``width`` numbers of each latent vector."""
    return noise.split(max(1, CHUNK // (noise.shape[0] * noise.shape[2] * width)), dim=1)


def expectation(
    posterior: Posterior,
    noise: Float[Tensor, "component draw sample latent"],
    term: Callable[[Tensor], Tensor],
    width: int,
) -> Tensor:
    """E_q term(z), stratified over the components; term maps [K, draw, sample, latent] to [K, draw, sample, ...]."""
    weights = posterior.log_weights().exp().unsqueeze(1)
    total = torch.zeros((), device=noise.device)
    for part in few_draws(noise[: posterior.components], width):
        values = term(posterior.rsample(part))
        total = total + (weights.reshape(*weights.shape, *([1] * (values.dim() - weights.dim()))) * values).sum((0, 1))
    return total / noise.shape[1]


def rate(model: MultimodalVAE, posterior: Posterior, noise: Tensor) -> Float[Tensor, " sample"]:
    """KL(q(z|x_S) ‖ p(z)) in nats."""
    width = posterior.components * noise.shape[-1]
    return expectation(posterior, noise, lambda z: _log_prob(posterior, z) - model.log_prior(z), width)


def cross_rate(posterior: Posterior, other: Posterior, noise: Tensor) -> Float[Tensor, " sample"]:
    """KL(q(z|x_O) ‖ q(z|x_S)) in nats: what the other modalities add to S."""
    width = max(posterior.components, other.components) * noise.shape[-1]
    return expectation(posterior, noise, lambda z: _log_prob(posterior, z) - _log_prob(other, z), width)


def reconstruction(
    model: MultimodalVAE, x: Float[Tensor, "modality sample dim"], posterior: Posterior, noise: Tensor
) -> Float[Tensor, "sample modality"]:
    """E_{q(z|x_S)} log p(x_s | z) of every modality, in nats."""
    return expectation(posterior, noise, lambda z: model.log_likelihood(x, z), x.shape[0] * x.shape[2])


def _log_prob(posterior: Posterior, z: Float[Tensor, "component draw sample latent"]) -> Tensor:
    """log q(z); of many components a few samples at a time: one draw of each, under each, may be more than a chunk."""
    if not isinstance(posterior, Mixture):
        return posterior.log_prob(z)
    rows = max(1, CHUNK // (posterior.components * z[:, :, 0].numel()))
    parts = [slice(start, start + rows) for start in range(0, z.shape[2], rows)]
    return torch.cat([posterior.select(part).log_prob(z[:, :, part]) for part in parts], -1)
