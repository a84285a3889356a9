"""Do generated modalities show the digit that they should? What do latents tell of it? Are images like real ones?"""

__all__ = ["frechet_distance", "generate", "generate_given", "probe_accuracy"]

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pimvae.models.vae import MultimodalVAE

CHUNK = 256  # samples that are decoded at once


@torch.no_grad()
def generate(model: MultimodalVAE, z: Float[Tensor, "sample latent"]) -> list[Tensor]:
    """E[x_s | z] of every modality, [sample, D_s]."""
    parts = [model.decoder(model.modality_latents(part)) for part in z.split(CHUNK)]
    return [torch.cat(modality) for modality in zip(*parts, strict=True)]


@torch.no_grad()
def generate_given(
    model: MultimodalVAE, tokens: Tensor, subset: Bool[Tensor, " modality"], generator: torch.Generator
) -> list[Tensor]:
    """All modalities from one draw of q(z|x_S) per sample; private latents of modalities outside S: from the prior."""
    posterior = model.aggregator.pool(tokens, subset.expand(tokens.shape[0], -1))
    return generate(model, posterior.sample(1, generator)[0])


def probe_accuracy(
    train: Float[np.ndarray, "n latent"],
    train_labels: Int[np.ndarray, " n"],
    test: Float[np.ndarray, "m latent"],
    test_labels: Int[np.ndarray, " m"],
) -> float:
    """Share of test latents whose digit a logistic regression tells, fitted on (standardised) training latents."""
    from sklearn.linear_model import LogisticRegression

    centre, scale = train.mean(0), train.std(0) + 1e-6
    probe = LogisticRegression(max_iter=100, tol=1e-2).fit((train - centre) / scale, train_labels)
    return float(probe.score((test - centre) / scale, test_labels))


def frechet_distance(real: Float[Tensor, "n feature"], generated: Float[Tensor, "m feature"]) -> float:
    r"""‖μ − ν‖² + tr(Σ + Ω − 2 (Σ Ω)^{1/2}) of Gaussians with the moments of both sets of features.

    tr (Σ Ω)^{1/2} is the sum of the square roots of the eigenvalues of Σ^{1/2} Ω Σ^{1/2}.

    References:
        Heusel et al. (2017); with features of classifiers of these very data instead of a network for photographs,
        which says little about digits of a few hundred pixels.
    """
    real, generated = real.double(), generated.double()
    sigma, omega = torch.cov(real.T), torch.cov(generated.T)
    values, vectors = torch.linalg.eigh(sigma)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ omega @ root).clamp(min=0).sqrt().sum()
    distance = (real.mean(0) - generated.mean(0)).square().sum() + sigma.trace() + omega.trace() - 2 * cross
    return float(distance.clamp(min=0))
