"""The M-step of expectation-maximisation in closed form, for decoders that are linear with Gaussian noise."""

__all__ = ["linear_gaussian", "maximise"]

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pimvae.gaussian import GaussianPosterior
from pimvae.models.layers import Dense
from pimvae.models.likelihoods.vector import Gaussian
from pimvae.models.vae import MultimodalVAE

SMALLEST = 0.01  # of what a learned σ is above its floor, in floors


def linear_gaussian(model: MultimodalVAE) -> list[int]:
    """The modalities whose decoder is x_s = z W_s + b_s + ε, of the whole z."""
    if model.config.private_latent:
        return []
    parts = enumerate(zip(model.decoder.networks, model.decoder.likelihoods, strict=True))
    return [s for s, (network, likelihood) in parts if isinstance(network, Dense) and isinstance(likelihood, Gaussian)]


@torch.no_grad()
def maximise(
    model: MultimodalVAE,
    places: Sequence[int],
    x: Float[Tensor, "modality sample dim"],
    mask: Bool[Tensor, "sample modality"],
    posterior: GaussianPosterior,
) -> None:
    r"""Set W_s, b_s, σ_s of some modalities to the maximum of Σ_i E_q log p(x_is | z), over the samples that have them.

    With z̃ = (z, 1), A = Σ_i E_q z̃ z̃ᵀ and B = Σ_i E_q z̃ x_iᵀ: (W; b) = A⁻¹ B and n σ² = Σ_i x_i² − diag(Bᵀ A⁻¹ B). Where
    q is the exact posterior, no such step lowers the likelihood; it needs no learning rate, however small σ is.

    References:
        EM algorithms for ML factor analysis (Rubin & Thayer, 1982), https://doi.org/10.1007/BF02293851
    """
    mean = torch.cat([posterior.mean, torch.ones_like(posterior.mean[:, :1])], 1)
    for s in places:
        seen, network, likelihood = mask[:, s], model.decoder.networks[s], model.decoder.likelihoods[s]
        if not seen.any():
            continue
        rows, values = mean[seen], x[s, seen, : model.decoder.dims[s]]
        second = rows.T @ rows
        second[:-1, :-1] += posterior.covariance[seen].sum(0)
        cross = rows.T @ values
        solution = torch.linalg.solve(second, cross)
        network.weight.copy_(solution[:-1])
        network.bias.copy_(solution[-1])
        if likelihood.learned:
            variance = (values.square().sum(0) - (solution * cross).sum(0)) / len(rows)
            above = variance.clamp(min=0).sqrt() - likelihood.floor
            likelihood.log_scale.copy_(above.clamp(min=SMALLEST * likelihood.floor).log())
