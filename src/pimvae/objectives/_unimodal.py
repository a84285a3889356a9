"""The posterior of every modality alone, as objectives need it that are sums over modalities."""

__all__ = ["Unimodal", "infer_unimodal", "log_mixture", "shared", "single_subsets"]

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pimvae.aggregators._private import HierarchicalPosterior
from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Draws
from pimvae.posteriors import Mixture, Posterior


@dataclass(frozen=True)
class Unimodal:
    """q(z', z̃_s | x_s) of all s, batch axes [batch, M], and a draw of each.

    A latent is modality s's own part (z', z̃_s). Where x_s is missing it is what the aggregator gives for no modality.
    """

    posterior: Posterior
    z: Float[Tensor, "component sample batch modality own"]
    noise: Float[Tensor, "component sample batch modality latent"]  # behind z, and of the private latents of the others


def infer_unimodal(model: MultimodalVAE, x: Tensor, observed: Tensor, draws: Draws) -> Unimodal:
    """Each modality as a set of its own: no mixture carries components of modalities that are not there."""
    posterior = model.aggregator.pool(model.embed(x).unsqueeze(2), observed.unsqueeze(-1))
    noise = _noise(draws, posterior.components, model.modalities)
    size = model.config.latent
    own = noise[..., size:].unflatten(-1, (model.modalities, -1)).diagonal(dim1=-3, dim2=-2).movedim(-1, -2)
    return Unimodal(posterior, posterior.rsample(torch.cat([noise[..., :size], own], -1)), noise)


def _noise(draws: Draws, components: int, modalities: int) -> Tensor:
    """Noise of z_O, [K, R, 1, batch, latent], as [components, R, batch, M, latent]; of its own per s where K allows."""
    full = draws.full[:, :, 0]
    place = torch.arange(components).unsqueeze(-1) + components * torch.arange(modalities)
    return full[(place % full.shape[0]).to(full.device)].permute(0, 2, 3, 1, 4)


def shared(posterior: Posterior) -> Mixture:
    """q(z'|x_S): the posterior itself where there are no private latents."""
    return posterior.shared if isinstance(posterior, HierarchicalPosterior) else posterior


def log_mixture(
    posterior: Posterior, observed: Tensor, z: Float[Tensor, "component sample batch modality own"]
) -> Float[Tensor, "component sample batch modality"]:
    """log 1/|O| Σ_{t∈O} q_t(z_s) at the draw of every modality s."""
    log_probs = posterior.log_prob(z.movedim(-2, 2).unsqueeze(-2))  # [K, R, s, batch, t]
    present = torch.where(observed, log_probs, torch.full_like(log_probs, -torch.inf))
    return (present.logsumexp(-1) - observed.sum(-1).to(z.dtype).log()).movedim(2, -1)


def single_subsets(observed: Bool[Tensor, "batch modality"]) -> Bool[Tensor, "modality batch modality"]:
    """{s} ∩ O of every sample, s = 1..M in front."""
    eye = torch.eye(observed.shape[-1], dtype=torch.bool, device=observed.device)
    return eye.unsqueeze(1) & observed
