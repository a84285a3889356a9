"""Product of experts with private latents."""

__all__ = ["PrivateProductOfExperts"]

from torch import Tensor

from pimvae.aggregators._base import Aggregator, expert_parameters
from pimvae.aggregators._private import ExpertConditional, HierarchicalPosterior
from pimvae.aggregators.poe import product_of_gaussians
from pimvae.posteriors import single


class PrivateProductOfExperts(Aggregator):
    r"""q(z'|x_S) is the product of experts and q(z̃_s | x_s) one Gaussian expert per modality, all from h_s.

    h_s holds the locations of (z', z̃_s), then their log-scales: 2·(latent + private_latent) numbers.

    References:
        Hirt et al. (2024), private latents; product of experts: Wu & Goodman (2018).
    """

    experts = True
    private = True

    def pool(self, tokens: Tensor, mask: Tensor) -> HierarchicalPosterior:
        loc, scale = expert_parameters(tokens, self.config.encoder_floor)
        size = self.config.latent
        shared = single(*product_of_gaussians(loc[..., :size], scale[..., :size], mask))
        own = (*mask.shape, self.config.private_latent)  # the same experts for every subset
        private = ExpertConditional(loc[..., size:].expand(own), scale[..., size:].expand(own))
        return HierarchicalPosterior(shared, private, mask)
