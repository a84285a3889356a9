"""Posteriors over a shared latent and one private latent per modality."""

__all__ = ["Conditional", "ExpertConditional", "HierarchicalPosterior", "NetworkConditional"]

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pimvae.aggregators._base import expert_parameters
from pimvae.posteriors import Mixture, single, standard_noise


@runtime_checkable
class Conditional(Protocol):
    """Location and scale of q(z̃_s | z', x_S) for all s: [*sample, *batch, M, private]."""

    def __call__(self, shared: Tensor) -> tuple[Tensor, Tensor]: ...

    def detach(self) -> "Conditional": ...

    def select(self, index: slice) -> "Conditional": ...


@dataclass(frozen=True)
class NetworkConditional:
    """q(z̃_s | z', x_S) from ``network(context, z')``, where the context [*batch, M, width] is a function of x_S.

    `detach` returns it unchanged: cutting its weights while keeping the path through z' would need a second pass of the
    network, and the gradient with this part plain is as unbiased, since scores have mean zero one factor at a time.
    """

    network: nn.Module
    context: Tensor
    floor: float

    def __call__(self, shared: Tensor) -> tuple[Tensor, Tensor]:
        return expert_parameters(self.network(self.context, shared), self.floor)

    def detach(self) -> "NetworkConditional":
        return self

    def select(self, index: slice) -> "NetworkConditional":
        return NetworkConditional(self.network, self.context[index], self.floor)


@dataclass(frozen=True)
class ExpertConditional:
    """q(z̃_s | x_s) = N(loc_s, scale_s), the same for every z': loc and scale [*batch, M, private]."""

    loc: Tensor
    scale: Tensor

    def __call__(self, shared: Tensor) -> tuple[Tensor, Tensor]:
        shape = torch.broadcast_shapes(shared.shape[:-1], self.loc.shape[:-2])
        return self.loc.expand(*shape, *self.loc.shape[-2:]), self.scale.expand(*shape, *self.scale.shape[-2:])

    def detach(self) -> "ExpertConditional":
        return ExpertConditional(self.loc.detach(), self.scale.detach())

    def select(self, index: slice) -> "ExpertConditional":
        return ExpertConditional(self.loc[index], self.scale[index])


@dataclass(frozen=True)
class HierarchicalPosterior:
    r"""q(z', z̃_S | x_S) ∏_{s∉S} p(z̃_s) = q(z'|x_S) ∏_{s∈S} q(z̃_s | z', x_S) ∏_{s∉S} N(z̃_s; 0, I).

    A latent is z = (z', z̃_1, …, z̃_M) in one vector. Same interface as `pimvae.posteriors.Mixture`.

    Args:
        shared: q(z'|x_S), batch axes [*batch].
        conditional: q(z̃_s | z', x_S) for every s.
        mask: S, [*batch, M].

    References:
        Hirt et al. (2024), section on private latents.
    """

    shared: Mixture
    conditional: Conditional
    mask: Tensor
    # The draw last made, location and scale of its z̃: log q at its own draw costs no second pass.
    _drawn: dict[str, Tensor] = field(default_factory=dict, repr=False)

    @property
    def components(self) -> int:
        """K of the shared part."""
        return self.shared.components

    def log_weights(self) -> Tensor:
        return self.shared.log_weights()

    def rsample(self, noise: Tensor) -> Tensor:
        size = self.shared.loc.shape[-1]
        shared = self.shared.rsample(noise[..., :size])
        loc, scale = self._private(shared)
        z = torch.cat([shared, (loc + scale * noise[..., size:].unflatten(-1, loc.shape[-2:])).flatten(-2)], -1)
        self._drawn.update(z=z, loc=loc, scale=scale)
        return z

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Ordinary draws, [count, *batch, latent + M·private]."""
        shared = self.shared.sample(count, generator)
        loc, scale = self._private(shared)
        noise = standard_noise(loc.shape, "gaussian", generator, loc.dtype, loc.device)
        return torch.cat([shared, (loc + scale * noise).flatten(-2)], -1)

    def log_prob(self, z: Tensor) -> Tensor:
        size = self.shared.loc.shape[-1]
        shared, private = z[..., :size], z[..., size:].unflatten(-1, (self.mask.shape[-1], -1))
        own = z is self._drawn.get("z")
        loc, scale = (self._drawn["loc"], self._drawn["scale"]) if own else self._private(shared)
        return self.shared.log_prob(shared) + single(loc, scale).log_prob(private).sum(-1)

    def detach(self) -> "HierarchicalPosterior":
        kept = self._drawn if self.conditional.detach() is self.conditional else {}
        return HierarchicalPosterior(self.shared.detach(), self.conditional.detach(), self.mask, kept)

    def select(self, index: slice) -> "HierarchicalPosterior":
        """The posteriors of the slice ``index`` of the first batch axis (the axis of subsets)."""
        return HierarchicalPosterior(self.shared.select(index), self.conditional.select(index), self.mask[index])

    def mean(self) -> Tensor:
        """E[z'] and the conditional means of z̃_s given z' = E[z'] (not E[z̃_s]: q(z̃_s) has no closed form)."""
        shared = self.shared.mean()
        loc, _ = self._private(shared)
        return torch.cat([shared, loc.flatten(-2)], -1)

    def _private(self, shared: Tensor) -> tuple[Tensor, Tensor]:
        """Location and scale of every z̃_s, the prior's where s ∉ S."""
        loc, scale = self.conditional(shared)
        present = self.mask.unsqueeze(-1)
        return torch.where(present, loc, torch.zeros_like(loc)), torch.where(present, scale, torch.ones_like(scale))
