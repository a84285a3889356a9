"""Priors of the shared latent: fixed standard, or a learned mixture of diagonal components."""

__all__ = ["LearnedMixturePrior", "StandardPrior", "build_prior"]

import torch
from torch import nn

from pimvae.config.schema import ModelConfig
from pimvae.posteriors import Family, Mixture


class StandardPrior(nn.Module):
    """N(0, I), or ∏ Laplace(0, 1) for the Laplace family."""

    def __init__(self, latent: int, family: Family) -> None:
        super().__init__()
        self.family = family
        self.register_buffer("loc", torch.zeros(1, latent), persistent=False)

    def distribution(self) -> Mixture:
        """The prior without batch axes."""
        return Mixture(self.loc.new_zeros(1), self.loc, torch.ones_like(self.loc), self.family)


class LearnedMixturePrior(nn.Module):
    """Σ_c π_c N(μ_c, diag σ_c²), all trained; entries of μ and log σ start N(0, 1/(2·latent)), the logits equal."""

    def __init__(self, latent: int, components: int, family: Family) -> None:
        super().__init__()
        self.family = family
        std = (2 * latent) ** -0.5
        self.logits = nn.Parameter(torch.zeros(components))
        self.loc = nn.Parameter(std * torch.randn(components, latent))
        self.log_scale = nn.Parameter(std * torch.randn(components, latent))

    def distribution(self) -> Mixture:
        """The prior without batch axes."""
        return Mixture(self.logits, self.loc, self.log_scale.exp(), self.family)


def build_prior(config: ModelConfig) -> StandardPrior | LearnedMixturePrior:
    """The prior that the configuration names."""
    if config.prior == "mixture":
        return LearnedMixturePrior(config.latent, config.prior_components, config.family)
    return StandardPrior(config.latent, config.family)
