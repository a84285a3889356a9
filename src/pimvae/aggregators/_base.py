"""The interface of every aggregator and the pieces that several of them share."""

__all__ = [
    "Aggregator",
    "MixtureHead",
    "PooledAggregator",
    "expert_parameters",
    "masked_sum",
    "moe_posterior",
    "present_experts",
    "weighted_posterior",
    "zero_missing",
]

from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pimvae.config.schema import ModelConfig
from pimvae.errors import UserError
from pimvae.posteriors import Family, Mixture, Posterior, single

# exp(20) is far beyond any scale that matters. Without a limit one remote sample can overflow the scale of a component
# whose weight is 0, and 0 · ∞ makes the loss of its batch NaN in every epoch from then on.
LARGEST_LOG_SCALE = 20.0


def zero_missing(values: Tensor, mask: Tensor) -> Tensor:
    """``values`` [*batch, M, width] with masked-out modalities set to 0: neither values, NaN nor gradients pass."""
    return torch.where(mask.unsqueeze(-1), values, torch.zeros((), dtype=values.dtype, device=values.device))


def masked_sum(tokens: Float[Tensor, "*batch modality width"], mask: Bool[Tensor, "*subset modality"]) -> Tensor:
    """Σ_{s∈S} of finite tokens, [*subset, width]; a product takes a fraction of the time of a selection."""
    return (tokens * mask.unsqueeze(-1)).sum(-2)


class Aggregator(nn.Module):
    """({h_s : s ∈ S}) ↦ q(z | x_S) for every subset S, the empty one included.

    The work is split in two, because a bound needs q(z|x_S) and q(z|x_O) of the same features: `embed` does what does
    not depend on the subset, once; `pool` joins the embeddings of one or several subsets.

    Args:
        config: the model's configuration; an aggregator takes from it what it needs.
        features: width of h_s. Aggregators with ``experts = True`` are given 2·(latent + private_latent): location and
            log-scale of one expert per modality. Those with a ``counterpart`` are given wider encoders, until the
            model has as many parameters as with the counterpart in its place.
    """

    experts: ClassVar[bool] = False
    private: ClassVar[bool] = False
    gaussian_only: ClassVar[bool] = False  # its closed form holds for Gaussian experts alone
    counterpart: ClassVar["type[Aggregator] | None"] = None

    def __init__(self, config: ModelConfig, features: int) -> None:
        super().__init__()
        if self.gaussian_only and config.family != "gaussian":
            raise UserError(f"aggregator '{config.aggregator}' is Gaussian only; family is '{config.family}'")
        self.config = config
        self.features = features

    def embed(self, h: Float[Tensor, "*batch modality feature"]) -> Tensor:
        """What of the features can be computed before a subset is chosen, [*batch, modality, ...]."""
        return h

    def pool(self, tokens: Tensor, mask: Bool[Tensor, "*subset modality"]) -> Posterior:
        """q(z | x_S) from the embeddings; ``mask`` may carry leading axes (several subsets of each sample)."""
        raise NotImplementedError

    def forward(self, h: Float[Tensor, "*batch modality feature"], mask: Bool[Tensor, "*subset modality"]) -> Posterior:
        """q(z | x_S): `embed` and `pool`, the features of modalities outside S never read."""
        return self.pool(self.embed(zero_missing(h, mask)), mask)


def expert_parameters(tokens: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """Location and scale = floor + exp(log-scale) from features [..., 2·latent]; log-scales end at 20."""
    loc, log_scale = tokens.chunk(2, dim=-1)
    return loc, floor + log_scale.clamp(max=LARGEST_LOG_SCALE).exp()


class PooledAggregator(Aggregator):
    """What learned schemes share: embeddings χ(h_s), and ρ, whose numbers are one Gaussian component.

    A scheme makes ``chi`` and ``rho`` and defines `pool`.
    """

    chi: nn.Module
    rho: nn.Module

    def outputs(self) -> int:
        """Numbers that ρ emits."""
        return 2 * self.config.latent

    def head(self, output: Tensor) -> Mixture:
        """The posterior from the numbers that ρ emits, [*batch, outputs]."""
        return single(*expert_parameters(output, self.config.encoder_floor), family=self.config.family)

    def embed(self, h: Tensor) -> Tensor:
        return self.chi(h)


class MixtureHead(PooledAggregator):
    """Turns the Gaussian of a pooled scheme into K components; name it before the scheme among the bases."""

    def outputs(self) -> int:
        return self.config.components * (1 + 2 * self.config.latent)

    def head(self, output: Tensor) -> Mixture:
        """K components: their logits, then of each location and log-scale."""
        components = self.config.components
        logits, rest = output.split([components, output.shape[-1] - components], dim=-1)
        rest = rest.unflatten(-1, (components, 2 * self.config.latent))
        return Mixture(logits, *expert_parameters(rest, self.config.encoder_floor), self.config.family)


def present_experts(loc: Tensor, scale: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Experts [*batch, K, latent] with those outside ``mask`` [*batch, K] replaced by N(0, I), whatever they were."""
    shape = (*mask.shape, loc.shape[-1])
    present, loc, scale = mask.unsqueeze(-1), loc.expand(shape), scale.expand(shape)
    return torch.where(present, loc, torch.zeros_like(loc)), torch.where(present, scale, torch.ones_like(scale))


def weighted_posterior(log_weights: Tensor, loc: Tensor, scale: Tensor, mask: Tensor, family: Family) -> Mixture:
    """Mixture of the components [*batch, K, latent] that ``mask`` [*batch, K] keeps, with these unnormalised weights.

    Absent components are replaced by the prior N(0, I), with weight 0; when all are absent, all have equal weight.
    """
    loc, scale = present_experts(loc, scale, mask)
    empty = ~mask.any(-1, keepdim=True)
    logits = torch.where(mask, log_weights, torch.zeros_like(log_weights)).masked_fill(~(mask | empty), -torch.inf)
    return Mixture(logits, loc, scale, family)


def moe_posterior(loc: Tensor, scale: Tensor, mask: Tensor, family: Family) -> Mixture:
    """Uniform mixture of the experts [*batch, K, latent] that ``mask`` [*batch, K] keeps; none kept: N(0, I)."""
    return weighted_posterior(loc.new_zeros(mask.shape), loc, scale, mask, family)
