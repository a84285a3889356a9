"""Where a bound loses: the gap between log p(x) and a bound, split into terms that each have a meaning."""

__all__ = ["Anatomy", "kl_mixture_to_posterior", "masked_anatomy", "mixture_anatomy"]

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pimvae.evaluation.oracle import LOG_2PI, LinearGaussian, kl_to_posterior
from pimvae.posteriors import GaussianPosterior, Mixture, single


@dataclass(frozen=True)
class Anatomy:
    r"""The terms of log p(x) − (expected bound) for one subset S, R its complement; all of them per sample.

    Attributes:
        subset_kl: KL(q_S ‖ p(z | x_S)).
        prediction: log p(x_R | x_S) − log ∫ q_S(z) p(x_R | z) dz (masked) or − E_{q_S} log p(x_R | z) (mixture).
        full_kl: KL(q_O ‖ p̃(z | x)), where p̃ takes q_S as the prior of z: p̃(z | x) ∝ q_S(z) p(x_R | z); 0 for mixture.
    """

    subset_kl: Float[Tensor, " sample"]
    prediction: Float[Tensor, " sample"]
    full_kl: Float[Tensor, " sample"]

    @property
    def gap(self) -> Float[Tensor, " sample"]:
        """log p(x) − (expected bound)."""
        return self.subset_kl + self.prediction + self.full_kl


def masked_anatomy(
    model: LinearGaussian,
    x: Float[Tensor, "sample modality dim"],
    subset: Bool[Tensor, " modality"],
    q_subset: Mixture,
    q_full: Mixture,
    noise: Float[Tensor, "component draw sample latent"] | None = None,
) -> Anatomy:
    r"""Terms of log p(x) − E masked (β = 1), for fully observed x.

    masked = E_{q_S}[log p(x_S | z) + log p(z) − log q_S(z)] + E_{q_O}[log p(x_R | z) + log q_S(z) − log q_O(z)].

    Closed form where the posteriors have one component. Otherwise the parts of the divergences that mixtures leave open
    are stratified Monte Carlo with ``noise``, whose k-th entry serves component k of either posterior.

    Args:
        model: the generating model p.
        x: all modalities observed.
        subset: S, of any size.
        q_subset: q(z | x_S).
        q_full: q(z | x_O).
        noise: standard-normal draws for at least as many components as the posteriors have; None for closed forms only.

    Raises:
        ValueError: if noise is needed and not given, or a posterior is not Gaussian.
    """
    exact = model.posterior(x, subset)
    subset_kl, _ = kl_mixture_to_posterior(q_subset, exact, noise)
    predicted = _predictive(model, x, ~subset, q_subset)
    negative_entropy, cross_entropy = _entropies(q_full, q_subset, noise)
    full_kl = negative_entropy + cross_entropy - _reconstruction(model, x, ~subset, q_full) + predicted
    prediction = _conditional(model, x, subset) - predicted
    return Anatomy(subset_kl, prediction, full_kl)


def mixture_anatomy(
    model: LinearGaussian,
    x: Float[Tensor, "sample modality dim"],
    subset: Bool[Tensor, " modality"],
    q_subset: Mixture,
    noise: Float[Tensor, "component draw sample latent"] | None = None,
) -> Anatomy:
    r"""Terms of log p(x) − E mixture (β = 1), mixture = E_{q_S}[log p(x | z) + log p(z) − log q_S(z)].

    Arguments and errors as in `masked_anatomy`.
    """
    subset_kl, _ = kl_mixture_to_posterior(q_subset, model.posterior(x, subset), noise)
    prediction = _conditional(model, x, subset) - _reconstruction(model, x, ~subset, q_subset)
    return Anatomy(subset_kl, prediction, torch.zeros_like(subset_kl))


def kl_mixture_to_posterior(
    q: Mixture, posterior: GaussianPosterior, noise: Float[Tensor, "component draw sample latent"] | None = None
) -> tuple[Float[Tensor, " sample"], Float[Tensor, " sample"]]:
    r"""KL(q ‖ posterior) and its standard error.

    With components q_k and weights π_k it is Σ_k π_k [KL(q_k ‖ posterior) + E_{q_k} log(q/q_k)]: the divergences are in
    closed form; only the last expectation, which lies between log π_k and 0, is sampled.

    Raises:
        ValueError: if q has several components and no noise is given, or is not Gaussian.
    """
    _require_gaussian(q)
    kls = [kl_to_posterior(mean, variance, posterior) for mean, variance in _components(q)]
    overlap = _overlap(q, noise)
    return _weigh(q, kls) + overlap.mean(0), _standard_error(overlap)


def _entropies(q: Mixture, reference: Mixture, noise: Tensor | None) -> tuple[Tensor, Tensor]:
    """E_q log q and −E_q log reference.

    Sampled are only log(q/q_k) and log(reference/g), g the Gaussian with the reference's mean and variance, and not
    even these where they are 0.
    """
    _require_gaussian(q, reference)
    negative_entropies = [-0.5 * (LOG_2PI + 1 + variance.log()).sum(-1) for _, variance in _components(q)]
    width = reference.variance()
    matched = single(reference.mean(), width.sqrt())
    cross = [-matched.log_prob(mean) + 0.5 * (variance / width).sum(-1) for mean, variance in _components(q)]
    negative_entropy = _weigh(q, negative_entropies) + _overlap(q, noise).mean(0)
    cross_entropy = _weigh(q, cross)
    if reference.components > 1:
        excess = _average(q, noise, lambda z, _: _log_density(matched, z) - _log_density(reference, z))
        cross_entropy = cross_entropy + excess.mean(0)
    return negative_entropy, cross_entropy


def _overlap(q: Mixture, noise: Tensor | None) -> Float[Tensor, "draw sample"]:
    """Σ_k π_k log(q/q_k) at draws of q_k, exactly 0 for one component."""
    if q.components == 1:
        return q.loc.new_zeros(1, len(q.loc))

    def log_ratio(z: Tensor, k: int) -> Tensor:
        terms = _log_components(q, z)
        return (terms + q.logits.log_softmax(-1)).logsumexp(-1) - terms[..., k]

    return _average(q, noise, log_ratio)


def _log_components(q: Mixture, z: Float[Tensor, "draw sample latent"]) -> Float[Tensor, "draw sample component"]:
    """log q_k(z) by products of matrices, without an array of size draws × samples × K × latent."""
    precision = q.scale.square().reciprocal()
    quadratic = torch.einsum("rnl,nkl->rnk", z.square(), precision)
    linear = torch.einsum("rnl,nkl->rnk", z, precision * q.loc)
    constant = (precision * q.loc.square() + 2 * q.scale.log() + LOG_2PI).sum(-1)
    return linear - 0.5 * (quadratic + constant)


def _log_density(q: Mixture, z: Float[Tensor, "draw sample latent"]) -> Float[Tensor, "draw sample"]:
    """log q(z)."""
    return (_log_components(q, z) + q.logits.log_softmax(-1)).logsumexp(-1)


def _average(q: Mixture, noise: Tensor | None, term: Callable[[Tensor, int], Tensor]) -> Float[Tensor, "draw sample"]:
    """Σ_k π_k term(z_k, k) with z_k ~ q_k, one value per draw."""
    if noise is None or noise.shape[0] < q.components or noise.shape[1] < 2:
        raise ValueError("posteriors with several components need noise: an entry for each, of at least two draws")
    loc, scale = q.loc.unbind(1), q.scale.unbind(1)
    # One component at a time: all at once would need draws × samples × K² × latent numbers.
    return _weigh(q, [term(loc[k] + scale[k] * noise[k], k) for k in range(q.components)])


def _weigh(q: Mixture, terms: list[Tensor] | Tensor) -> Tensor:
    """Σ_k π_k terms[k], terms [*draw, sample]; components of weight 0 count as 0 even where their term is infinite."""
    weights = q.log_weights().exp()
    return torch.stack([torch.where(w > 0, w * t, 0.0) for w, t in zip(weights, terms, strict=True)]).sum(0)


def _standard_error(draws: Float[Tensor, "draw sample"]) -> Float[Tensor, " sample"]:
    """Standard error of the mean over draws; 0 for a term that was not sampled."""
    if not draws.count_nonzero():
        return torch.zeros_like(draws[0])
    return draws.std(0) / len(draws) ** 0.5


def _components(q: Mixture) -> list[tuple[Tensor, Tensor]]:
    """Mean and variance of every component, [sample, latent] each."""
    return list(zip(q.loc.unbind(1), q.scale.square().unbind(1), strict=True))


def _conditional(model: LinearGaussian, x: Tensor, subset: Tensor) -> Tensor:
    """log p(x_R | x_S)."""
    everything = torch.ones_like(subset).expand(len(x), -1)
    return model.log_likelihood(x, everything) - model.log_likelihood(x, subset.expand(len(x), -1))


def _predictive(model: LinearGaussian, x: Tensor, target: Tensor, q: Mixture) -> Tensor:
    """log ∫ q(z) p(x_target | z) dz."""
    terms = [model.predictive_log_likelihood(x, target, mean, variance) for mean, variance in _components(q)]
    return (q.log_weights() + torch.stack(terms)).logsumexp(0)


def _reconstruction(model: LinearGaussian, x: Tensor, target: Tensor, q: Mixture) -> Tensor:
    """E_q log p(x_target | z)."""
    terms = [model.expected_log_likelihood(x, mean, variance)[:, target].sum(-1) for mean, variance in _components(q)]
    return _weigh(q, terms)


def _require_gaussian(*posteriors: Mixture) -> None:
    if any(q.family != "gaussian" for q in posteriors):
        raise ValueError("the exact anatomy is for Gaussian posteriors, not Laplace ones")
