"""The multi-modal VAE: p(z) ∏_s p(x_s | z), encoders, an aggregator for q(z | x_S)."""

__all__ = ["MultimodalVAE", "build_model", "parameter_count", "seeded"]

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pimvae import registry
from pimvae.config.schema import ModelConfig
from pimvae.errors import UserError
from pimvae.models.layers import parameter_count
from pimvae.models.matching import encoder_features, widening
from pimvae.models.networks._base import Modalities
from pimvae.models.priors import build_prior
from pimvae.posteriors import Mixture, Posterior, standard, standard_noise


class MultimodalVAE(nn.Module):
    """One VAE for M modalities; all methods work on one model and a batch, the trainer stacks models.

    Observations are one tensor x [M, batch, max_dim]: modalities padded with zeros, missing entries 0 (their values
    must never matter, so they are removed when data is packed).
    """

    def __init__(
        self, config: ModelConfig, dims: Sequence[int], max_dim: int, likelihoods: Sequence[str], noise_scale: float
    ) -> None:
        super().__init__()
        scheme = registry.lookup("aggregators", config.aggregator)
        if scheme.private != (config.private_latent > 0):
            need = "needs" if scheme.private else "does not use"
            raise UserError(
                f"aggregator '{config.aggregator}' {need} private latents; private_latent is {config.private_latent}"
            )
        if scheme.private and config.family != "gaussian":
            raise UserError(f"aggregator '{config.aggregator}' is Gaussian only; family is '{config.family}'")
        networks = registry.lookup("models.networks", config.networks)
        modalities = Modalities(tuple(dims), max_dim, tuple(likelihoods), noise_scale)
        features = encoder_features(config, scheme)
        factor = widening(config, networks, modalities, scheme)
        self.config = config
        self.modalities = len(dims)
        self.encoder = networks.encoder(config, modalities, features, factor)
        self.aggregator = scheme(config, features)
        self.decoder = networks.decoder(config, modalities)
        self.prior = build_prior(config)
        self.auxiliary_log_scale = self._auxiliary_log_scale()
        self.register_buffer("likelihood_weights", self._likelihood_weights(), persistent=False)

    def _auxiliary_log_scale(self) -> nn.Parameter | None:
        """ρ_s of the auxiliary priors N(0, diag exp(2 ρ_s)) of the private latents, for the objective mmvae_plus."""
        if not self.config.auxiliary_prior:
            return None
        if self.config.private_latent == 0:
            raise UserError("auxiliary_prior is for models with private latents; private_latent is 0")
        return nn.Parameter(torch.zeros(self.modalities, self.config.private_latent))

    @property
    def latent_size(self) -> int:
        """Length of z = (z', z̃_1, …, z̃_M)."""
        return self.config.latent + self.modalities * self.config.private_latent

    def embed(self, x: Float[Tensor, "modality batch dim"]) -> Tensor:
        """Encoder features and what of the aggregation does not depend on the subset."""
        return self.aggregator.embed(self.encoder(x))

    def posterior(
        self, x: Float[Tensor, "modality batch dim"], mask: Bool[Tensor, "*subset batch modality"]
    ) -> Posterior:
        """q(z | x_S)."""
        return self.aggregator.pool(self.embed(x), mask)

    def log_prior(self, z: Float[Tensor, "*batch latent"], shared: Mixture | None = None) -> Float[Tensor, "*batch"]:
        """log p(z) = log p(z') + Σ_s log N(z̃_s; 0, I); ``shared`` takes the place of the prior of z'."""
        first, private = z.split([self.config.latent, z.shape[-1] - self.config.latent], dim=-1)
        log_prob = (shared or self.prior.distribution()).log_prob(first)
        if private.shape[-1] == 0:
            return log_prob
        return log_prob + standard(private.shape[-1], private).log_prob(private)

    def sample_prior(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count latent"]:
        """Draws of z = (z', z̃_1, …, z̃_M): of the fixed or learned prior, and of standard normals."""
        shared = self.prior.distribution().sample(count, generator)
        size = (count, self.latent_size - shared.shape[-1])
        return torch.cat([shared, standard_noise(size, "gaussian", generator, shared.dtype, shared.device)], -1)

    def modality_latents(self, z: Float[Tensor, "*batch latent"]) -> Float[Tensor, "modality *batch own"]:
        """The part of z that each modality is decoded from: z itself, or (z', z̃_s)."""
        if self.config.private_latent == 0:
            return z.expand(self.modalities, *z.shape)
        shared, private = z.split([self.config.latent, z.shape[-1] - self.config.latent], dim=-1)
        private = private.unflatten(-1, (self.modalities, -1)).movedim(-2, 0)
        return torch.cat([shared.expand(self.modalities, *shared.shape), private], dim=-1)

    def log_likelihood(
        self, x: Float[Tensor, "modality batch dim"], z: Float[Tensor, "*sample _ latent"]
    ) -> Float[Tensor, "*sample batch modality"]:
        """log p(x_s | z) of every modality; one z for the whole batch, [*sample, 1, latent], is decoded once."""
        return self.decoder.log_likelihood(x, self.modality_latents(z))

    def weighted_likelihood(
        self, x: Float[Tensor, "modality batch dim"], latents: Float[Tensor, "modality *sample batch own"]
    ) -> Float[Tensor, "*sample batch modality"]:
        """w_s log p(x_s | z_s) of every modality from its own latent: what is maximised, and only that."""
        log_likelihood = self.decoder.log_likelihood(x, latents)
        return log_likelihood if self.likelihood_weights is None else self.likelihood_weights * log_likelihood

    def _likelihood_weights(self) -> Tensor | None:
        """w_s = (largest number of pixels or positions) / (own), or None where all weigh the same."""
        if self.config.likelihood_weights == "equal":
            return None
        units = self.decoder.units()
        return torch.tensor([max(units) / count for count in units])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with torch's global generator seeded, and give the old state back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def build_model(
    config: ModelConfig,
    dims: Sequence[int],
    max_dim: int,
    likelihoods: Sequence[str],
    noise_scale: float | None,
    seed: int,
) -> MultimodalVAE:
    """A freshly initialised model; its weights depend on ``seed`` and on nothing else.

    Raises:
        UserError: unknown aggregator, private latents that it does not use, or noise_scale "data" without a known one.
    """
    scale = noise_scale if config.noise_scale == "data" else config.noise_scale
    if scale is None:
        raise UserError("model.noise_scale is 'data', but the data set has no known noise scale; give a number")
    with seeded(seed):
        return MultimodalVAE(config, [int(d) for d in dims], max_dim, likelihoods, scale)
