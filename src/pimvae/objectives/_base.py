"""What the bounds share: draws, expectations over mixture components, the result type."""

__all__ = ["Bound", "Draws", "Objective", "as_objective", "drawn_bound", "estimate", "expectation", "infer",
           "log_mean_exp", "mix_components", "select_latents", "stick_the_landing"]  # fmt: skip

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pimvae.config.schema import ObjectiveConfig
from pimvae.models.vae import MultimodalVAE
from pimvae.posteriors import Posterior, standard_noise
from pimvae.registry import lookup
from pimvae.subsets import Law, sample_subsets


@dataclass(frozen=True)
class Bound:
    """A bound per sample, and its terms by name (their plain expectation; only for reports).

    Both have the shape [n, batch] of the subsets that they were computed for.
    """

    value: Float[Tensor, "n batch"]
    terms: dict[str, Float[Tensor, "n batch"]]

    def map(self, change: Callable[[Tensor], Tensor]) -> "Bound":
        """The bound with the value and every term changed alike."""
        return Bound(change(self.value), {name: change(term) for name, term in self.terms.items()})


@dataclass(frozen=True)
class Draws:
    """Standard noise for z_S and z_O: subset [K, R, n, batch, latent], full [K, R, *1, batch, latent]."""

    subset: Tensor
    full: Tensor


@dataclass(frozen=True)
class Objective:
    """A bound, how its subsets are drawn, and what is true of it: what training and evaluation need to know.

    It is called as the function ``bound`` is: (model, x, observed, subset, draws, beta, sticking_the_landing). An
    objective that is one bound under another law is `dataclasses.replace` of that bound.

    Args:
        bound: the value per sample and subset.
        subset_law: the law that belongs to the scheme; None: that of the configuration.
        uses_subset: whether the value depends on S; if not, it is that of all observed modalities.
        bounds_log_likelihood: whether its expectation is at most log p(x_O), for β = 1.
        trains_prior: whether parameters of the prior get a gradient.
        follows_prior: whether latents are drawn towards the prior at all: without it the model generates nothing.
        anatomy: which decomposition explains the gap to log p(x_O) (`pimvae.evaluation.anatomy`); None: none does.
        aggregator: the aggregator of the publication that the objective is from; None: any.
    """

    bound: Callable[..., Bound]
    subset_law: Law | None = None
    uses_subset: bool = True
    bounds_log_likelihood: bool = True
    trains_prior: bool = True
    follows_prior: bool = True
    anatomy: Literal["masked", "mixture"] | None = None
    aggregator: str | None = None

    def __call__(self, *args: Any, **options: Any) -> Bound:
        """The bound per sample and subset, [n, batch]."""
        return self.bound(*args, **options)


def as_objective(entry: Objective | Callable[..., Bound]) -> Objective:
    """What a file of this folder defines as an `Objective`; of a plain function nothing is taken for granted."""
    return entry if isinstance(entry, Objective) else Objective(entry, bounds_log_likelihood=False)


def drawn_bound(
    config: ObjectiveConfig,
    model: MultimodalVAE,
    x: Float[Tensor, "modality batch dim"],
    observed: Bool[Tensor, "batch modality"],
    beta: float,
    generator: torch.Generator | None = None,
) -> Bound:
    """The bound [1, batch] that is configured, at one random subset and one draw of noise for every sample.

    In the place of ``all_subsets`` comes ``uniform_size``: the same expectation, drawn.
    """
    objective, (batch, modalities) = as_objective(lookup("objectives", config.name)), observed.shape
    law = objective.subset_law or config.subset_law
    uniforms = torch.rand(batch, 1 + modalities, generator=generator, dtype=x.dtype)
    subset = sample_subsets(observed, uniforms, "uniform_size" if law == "all_subsets" else law).unsqueeze(0)
    with torch.no_grad():
        components = model.posterior(x[:, :1], observed[:1]).components
    shape = (components, config.importance_samples, 2, batch, model.latent_size)
    noise = standard_noise(shape, model.config.family, generator, x.dtype)
    draws = Draws(noise[:, :, :1], noise[:, :, 1:])
    return objective(model, x, observed, subset, draws, beta, config.sticking_the_landing)


def infer(model: MultimodalVAE, x: Tensor, subset: Tensor, observed: Tensor) -> tuple[Posterior, Posterior]:
    """q(z|x_S), batch axes [n, batch], and q(z|x_O), [1, batch], in one pass of the aggregator."""
    joint = model.posterior(x, torch.cat([subset, observed.unsqueeze(0)]))
    count = subset.shape[0]
    return joint.select(slice(0, count)), joint.select(slice(count, count + 1))


def stick_the_landing(posterior: Posterior, draws: Draws, cut: bool) -> Posterior:
    """The posterior for log q at its own draws: detached if ``cut``, so that the gradient flows through the draw alone.

    With several importance samples that gradient would be biased (Tucker et al., 2019), and nothing is cut.
    """
    return posterior.detach() if cut and draws.full.shape[1] == 1 else posterior


def select_latents(model: MultimodalVAE, subset: Tensor, z_subset: Tensor, z_full: Tensor) -> Tensor:
    """Latents [M, ...] with those of z_S for s ∈ S and of z_O otherwise: one decoder pass serves both expectations."""
    chosen = subset.movedim(-1, 0)
    chosen = chosen.reshape(chosen.shape[0], *([1] * (z_subset.dim() - chosen.dim())), *chosen.shape[1:], 1)
    return torch.where(chosen, model.modality_latents(z_subset), model.modality_latents(z_full))


def mix_components(term: Tensor, posterior: Posterior) -> Tensor:
    """Join the draws of the components: [K, R, n, batch] -> [R, n, batch].

    One sample: the stratified expectation Σ_k π_k term_k. Several: log Σ_k π_k exp(term_k), the stratified average
    inside the logarithm of an importance-weighted bound.
    """
    log_weights = posterior.log_weights().unsqueeze(1)
    if term.shape[1] == 1:
        return (log_weights.exp() * term).sum(0)
    return (log_weights + term).logsumexp(0)


def log_mean_exp(bracket: Float[Tensor, "sample n batch"]) -> Float[Tensor, "n batch"]:
    """Log-mean-exp over the R joint samples (R = 1: the bracket itself)."""
    if bracket.shape[0] == 1:
        return bracket[0]
    return bracket.logsumexp(0) - math.log(bracket.shape[0])


def expectation(term: Tensor, posterior: Posterior) -> Tensor:
    """Σ_k π_k mean_r term_kr, detached: what reports show of a term."""
    weights = posterior.log_weights().unsqueeze(1).exp()
    return (weights * term).sum(0).mean(0).detach()


def estimate(bracket: Tensor, posterior: Posterior, **terms: Tensor) -> Bound:
    """The bound whose bracket, at draws of the posterior, is [K, R, n, batch], and the expectations of its terms."""
    value = log_mean_exp(mix_components(bracket, posterior))
    return Bound(value, {name: expectation(term, posterior).expand_as(value) for name, term in terms.items()})
