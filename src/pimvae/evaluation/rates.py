"""Rates and distortions: what the posterior of a subset costs and what it reconstructs."""

__all__ = ["cross_rate", "rate", "reconstruction"]

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from pimvae.models.vae import MultimodalVAE
from pimvae.posteriors import Posterior

CHUNK = 2**18  # numbers that one pass of the decoder produces; what fits the cache is four times faster than 2**22


def expectation(
    posterior: Posterior, noise: Float[Tensor, "component draw sample latent"], term: Callable[[Tensor], Tensor]
) -> Tensor:
    """E_q term(z), stratified over the components; term maps [K, draw, sample, latent] to [K, draw, sample, ...]."""
    values = term(posterior.rsample(noise[: posterior.components]))
    weights = posterior.log_weights().exp().unsqueeze(1)
    weights = weights.reshape(*weights.shape, *([1] * (values.dim() - weights.dim())))
    return (weights * values).sum(0).mean(0)


def rate(model: MultimodalVAE, posterior: Posterior, noise: Tensor) -> Float[Tensor, " sample"]:
    """KL(q(z|x_S) ‖ p(z)) in nats."""
    return expectation(posterior, noise, lambda z: posterior.log_prob(z) - model.log_prior(z))


def cross_rate(posterior: Posterior, other: Posterior, noise: Tensor) -> Float[Tensor, " sample"]:
    """KL(q(z|x_O) ‖ q(z|x_S)) in nats: what the other modalities add to S."""
    return expectation(posterior, noise, lambda z: posterior.log_prob(z) - other.log_prob(z))


def reconstruction(
    model: MultimodalVAE, x: Float[Tensor, "modality sample dim"], posterior: Posterior, noise: Tensor
) -> Float[Tensor, "sample modality"]:
    """E_{q(z|x_S)} log p(x_s | z) of every modality, in nats; draws are decoded a few at a time."""
    at_once = max(1, CHUNK // (x.numel() * posterior.components))
    chunks = noise.split(at_once, dim=1)
    parts = [len(c[0]) * expectation(posterior, c, lambda z: model.log_likelihood(x, z)) for c in chunks]
    return torch.stack(parts).sum(0) / noise.shape[1]
