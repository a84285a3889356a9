"""Rows of likelihoods: the near-exact one, how far it can be trusted, and what the encoder as proposal makes of it."""

__all__ = ["likelihood_rows"]

import torch
from torch import Tensor

from pimvae.config.schema import EvaluationConfig
from pimvae.evaluation.likelihood import importance_log_likelihood
from pimvae.evaluation.near_exact import Estimate, log_likelihood
from pimvae.evaluation.pareto import TRUSTED
from pimvae.evaluation.rows import Rows
from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import as_objective
from pimvae.registry import lookup
from pimvae.training.packing import PackedSplit


def likelihood_rows(
    sizes: EvaluationConfig,
    model: MultimodalVAE,
    part: PackedSplit,
    rows: Rows,
    generator: torch.Generator,
    split: str,
    subset: str = "all",
    mask: Tensor | None = None,
    name: str = "llh",
) -> Estimate | None:
    """Log-likelihood of what is observed in ``part``, in nats, mean over its points.

    Nothing, for an objective that does not draw latents towards the prior (`pimvae.objectives._base.Objective`).

    * ``llh`` (or ``name``): near-exact (`pimvae.evaluation.near_exact.log_likelihood`); ``llh_error`` bounds its error;
    * ``ess_fraction``: share of particles that count; ``k_hat_above``: share of points whose importance weights had
      k̂ > .7, so that annealing took their place (neither for a quadrature);
    * ``llh_encoder``: importance sampling with the encoder as the only proposal, which is what the literature reports,
      with its standard error ``llh_encoder_se`` and effective share ``ess_fraction_encoder``. The difference says how
      far the encoder is off. Only after all steps.

    Args:
        sizes: particles and steps.
        model: the VAE.
        part: the points.
        rows: what is written to; its scope says how much.
        generator: source of the draws.
        split: ``train`` or ``test``.
        subset: name of the observed modalities.
        mask: O of every point; default: what ``part`` observes.
        name: of the near-exact value.
    """
    if not as_objective(lookup("objectives", rows.objective)).follows_prior:
        return None
    seen = part.mask if mask is None else mask
    found = log_likelihood(model, part.x, seen, generator, sizes.refined_particles, sizes.refinement_steps)
    rows.add(name, float(found.log_likelihood.mean()), subset, split)
    rows.add("llh_error", found.mean_error(), subset, split)
    if model.latent_size > 2:
        rows.add("ess_fraction", float(found.ess_fraction.mean()), subset, split)
        rows.add("k_hat_above", float((found.k_hat > TRUSTED).double().mean()), subset, split)
    if rows.scope == "all":
        encoder = importance_log_likelihood(model, part.x, seen, sizes.particles, generator)
        rows.add("llh_encoder", float(encoder.log_likelihood.mean()), subset, split)
        rows.add("llh_encoder_se", float(encoder.error.square().sum().sqrt()) / len(part), subset, split)
        rows.add("ess_fraction_encoder", float(encoder.ess_fraction.mean()), subset, split)
    return found
