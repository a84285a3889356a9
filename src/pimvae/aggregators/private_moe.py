"""Mixture of experts with private latents."""

__all__ = ["PrivateMixtureOfExperts"]

from torch import Tensor

from pimvae.aggregators._base import Aggregator, expert_parameters, moe_posterior
from pimvae.aggregators._private import ExpertConditional, HierarchicalPosterior


class PrivateMixtureOfExperts(Aggregator):
    r"""q(z'|x_S) is the uniform mixture of the experts in S and q(z̃_s | x_s) one Gaussian expert per modality.

    h_s holds the locations of (z', z̃_s), then their log-scales: 2·(latent + private_latent) numbers. Made for the
    objective `pimvae.objectives.mmvae_plus`.

    References:
        MMVAE+ (Palumbo et al., 2023), https://openreview.net/forum?id=sdQGxouELX
    """

    experts = True
    private = True

    def pool(self, tokens: Tensor, mask: Tensor) -> HierarchicalPosterior:
        loc, scale = expert_parameters(tokens, self.config.encoder_floor)
        size = self.config.latent
        shared = moe_posterior(loc[..., :size], scale[..., :size], mask, "gaussian")
        own = (*mask.shape, self.config.private_latent)  # the same experts for every subset
        private = ExpertConditional(loc[..., size:].expand(own), scale[..., size:].expand(own))
        return HierarchicalPosterior(shared, private, mask)
