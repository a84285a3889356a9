"""Gap of a bound at fixed parameters, averaged over all subsets, for linear-Gaussian models."""

__all__ = ["average_anatomy", "linear_gaussian", "subset_posteriors"]

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pimvae.errors import UserError
from pimvae.evaluation.anatomy import masked_anatomy, mixture_anatomy
from pimvae.evaluation.oracle import LinearGaussian
from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Objective
from pimvae.posteriors import Mixture, Posterior
from pimvae.subsets import all_subsets, subset_weights

SubsetPosteriors = Callable[[Bool[Tensor, " modality"]], Posterior]  # q(z|x_S) of one batch, by S
PARTS = {"masked": ("subset_kl", "prediction", "full_kl"), "mixture": ("subset_kl", "prediction")}  # of the gap
SAMPLED_DRAWS = 4  # a sample where there is no closed form: the mean over samples and subsets averages thousands


def linear_gaussian(model: MultimodalVAE) -> LinearGaussian:
    """The linear-Gaussian model that a VAE with a linear decoder and fixed noise has learned.

    Private latents are blocks of one long z: W_s reads the shared block and the block of modality s.

    Raises:
        UserError: if the model is no linear-Gaussian one.
    """
    config, decoder = model.config, model.decoder
    kinds = (config.decoder, config.decoder_scale, config.prior, config.family)
    if kinds != ("linear", "fixed", "standard", "gaussian") or any(decoder.categorical):
        raise UserError(
            "exact answers need a linear decoder of fixed scale, a standard prior, the Gaussian family and Gaussian "
            f"modalities; the model's decoder, decoder_scale, prior and family are {', '.join(kinds)}"
        )
    layer, shared, private = decoder.layers[0], config.latent, config.private_latent
    own = layer.weight.mT  # [M, dim, shared + private]
    loading = own.new_zeros(*own.shape[:2], model.latent_size)
    loading[..., :shared] = own[..., :shared]
    for s in range(model.modalities if private else 0):
        start = shared + s * private
        loading[s, :, start : start + private] = own[s, :, shared:]
    variance = float(decoder.scale()[0, 0]) ** 2
    return LinearGaussian(loading, layer.bias.clone(), variance, decoder.valid.sum(-1).long())


def subset_posteriors(model: MultimodalVAE, x: Float[Tensor, "modality sample dim"]) -> SubsetPosteriors:
    """q(z|x_S) of one batch as a function of S, the encoders run once."""
    tokens = model.embed(x)
    return lambda subset: model.aggregator.pool(tokens, subset.expand(x.shape[1], -1))


def average_anatomy(
    objective: Objective,
    exact: LinearGaussian,
    x: Float[Tensor, "sample modality dim"],
    posteriors: SubsetPosteriors,
    noise: Float[Tensor, "component draw sample latent"],
) -> dict[str, float]:
    """The gap of an objective that has an anatomy: log p(x) − bound, averaged over samples and subsets S.

    Every subset of M modalities is weighted as by the law of the objective. That of objectives without a law of their
    own is ``uniform_size``, whatever they were trained by.

    Returns:
        ``gap``, and where closed forms exist its parts ``subset_kl``, ``prediction`` and (masked bounds) ``full_kl``.
    """
    modalities = x.shape[1]
    subsets = all_subsets(modalities)
    law = objective.subset_law or "uniform_size"
    weights = subset_weights(subsets, torch.ones(1, modalities, dtype=torch.bool), law)[:, 0]
    q_full = posteriors(subsets[-1])
    few = noise[:, :SAMPLED_DRAWS]
    full = None if isinstance(q_full, Mixture) else _Draws.of(q_full, exact, x, _other(few, q_full.components))
    value = None if full is None else exact.log_likelihood(x, torch.ones(x.shape[:2], dtype=torch.bool))
    names = ("gap", *(PARTS[objective.anatomy] if full is None else ()))
    total = torch.zeros(len(names), dtype=torch.float64)
    for subset, weight in zip(subsets[weights > 0], weights[weights > 0], strict=True):
        q_subset = posteriors(subset)
        if full is None:
            if objective.anatomy == "masked":
                parts = masked_anatomy(exact, x, subset, q_subset, q_full, noise)
            else:
                parts = mixture_anatomy(exact, x, subset, q_subset, noise)
            total += weight * torch.stack([getattr(parts, name).mean() for name in names])
        else:
            own = _Draws.of(q_subset, exact, x, few[: q_subset.components])
            total += weight * (value - _sampled_bound(objective.anatomy, subset, own, full)).mean()
    return dict(zip(names, total.tolist(), strict=True))


@dataclass(frozen=True)
class _Draws:
    """Draws of a posterior of whatever form, and what is the same of them for every subset."""

    posterior: Posterior
    z: Float[Tensor, "component draw sample latent"]
    log_q: Float[Tensor, "component draw sample"]
    log_likelihood: Float[Tensor, "component draw sample modality"]

    @classmethod
    def of(cls, posterior: Posterior, exact: LinearGaussian, x: Tensor, noise: Tensor) -> "_Draws":
        z = posterior.rsample(noise)
        return cls(posterior, z, posterior.log_prob(z), exact.log_likelihood_given(x, z))


def _other(noise: Tensor, count: int) -> Tensor:
    """For z_O: draws of its own where there is noise for twice the components, else those of another draw."""
    return noise[-count:] if len(noise) >= 2 * count else noise[:count].roll(1, dims=1)


def _sampled_bound(anatomy: str, subset: Tensor, own: _Draws, full: _Draws) -> Float[Tensor, " sample"]:
    """Monte-Carlo bound per sample, stratified over components; ``own`` are draws of q(z|x_S), ``full`` of q(z|x_O)."""
    z = own.z
    bound = -0.5 * z.square().sum(-1) - 0.5 * z.shape[-1] * torch.tensor(2 * torch.pi).log() - own.log_q
    if anatomy == "mixture":
        return _stratified(bound + own.log_likelihood.sum(-1), own.posterior)
    rest = full.log_likelihood[..., ~subset].sum(-1) + own.posterior.log_prob(full.z) - full.log_q
    own_part = _stratified(bound + own.log_likelihood[..., subset].sum(-1), own.posterior)
    return own_part + _stratified(rest, full.posterior)


def _stratified(term: Float[Tensor, "component draw sample"], posterior: Posterior) -> Float[Tensor, " sample"]:
    """Σ_k π_k (mean over the draws of k)."""
    return (posterior.log_weights().exp() * term.mean(1)).sum(0)
