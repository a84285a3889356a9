"""Near-exact log-likelihoods: what a model gives to data, whatever its encoder is worth as a proposal."""

__all__ = ["Estimate", "log_likelihood"]

import copy
import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pimvae.evaluation.annealing import annealed_log_weights
from pimvae.evaluation.pareto import FINITE, TRUSTED, pareto_shape
from pimvae.evaluation.quadrature import quadrature
from pimvae.evaluation.refinement import DenseGaussian, LogJoint, refine
from pimvae.models.mode import log_joint
from pimvae.models.vae import MultimodalVAE
from pimvae.posteriors import Mixture, Posterior

DEFENSIVE = 0.1  # share of the draws from the encoder, and from the prior: they bound the weights
WIDER = 1.1  # factor of the refined Gaussian's deviations: raises the smallest effective sample size
STATED = 0.9  # k̂ from which on no bias can be stated; the bias is then taken as that of this k̂
BOX = 8.0  # standard deviations of prior and encoder that the box of a quadrature reaches
MOMENT_DRAWS = 64
INTEGRATED = 16  # points whose grids are in memory together
NUMBERS = 2**20  # that one pass of the decoder produces
NARROW, LONGER = 0.1, 2  # deviation of a Gaussian that starts again, at a draw, and factor of its steps
CHECKED, TOLERANCE = 16, 0.05  # draws of every point that are weighed again in double precision, nats they may differ


class Estimate(NamedTuple):
    """Of every point.

    Attributes:
        log_likelihood: log p(x_O) in nats.
        error: standard error over the particles (delta method), or the last change of a quadrature.
        bias: by how much the estimate is expected to be too low (negative): from its step between half and all of the
            particles; for annealed points by the delta method, or what the two estimates differ by beyond their errors.
        ess_fraction: (Σ w)² / (K Σ w²), of annealed points that of the chains; 1 for a quadrature.
        k_hat: shape of the tail of the weights of the refined Gaussian; −∞ for a quadrature. Points above .7 were
            estimated by annealing, too.
    """

    log_likelihood: Float[Tensor, " n"]
    error: Float[Tensor, " n"]
    bias: Float[Tensor, " n"]
    ess_fraction: Float[Tensor, " n"]
    k_hat: Float[Tensor, " n"]

    def mean_error(self) -> float:
        """Of the mean over points: its Monte-Carlo error, and three times the expected bias as a bound on the bias."""
        noise = float(self.error.square().sum().sqrt()) / len(self.error)
        return noise + 3 * abs(float(self.bias.mean()))


@torch.no_grad()
def log_likelihood(
    model: MultimodalVAE,
    x: Float[Tensor, "modality n dim"],
    mask: Bool[Tensor, "n modality"],
    generator: torch.Generator | None = None,
    particles: int = 512,
    steps: int = 60,
) -> Estimate:
    r"""log p(x_O) with a proposal of its own for every point.

    log p(x_O) ≈ log 1/K Σ_k p(x_O, z_k) / m(z_k), m = .8 N(μ, 1.1² L Lᵀ) + .1 q(z|x_O) + .1 p(z), with stratified draws
    of m and N(μ, L Lᵀ) refined from the moments of the encoder's posterior (`pimvae.evaluation.refinement`). Where the
    weights are too heavy-tailed, k̂ > .7, the refinement starts again, narrow and at the draw with the largest
    p(x_O, z): from the moments of an encoder that is a mixture, or far off, it may never arrive. Where they still are,
    the mean of this estimate and of annealed importance sampling from N is taken: both are unbiased for p(x_O), and
    neither alone is safe. With one or two latents the integral is done by quadrature. Deterministic for a given
    generator. In single precision the draws that carry the mean of a point are weighed again in double precision; where
    they differ, the points that are estimated together with it are done again in double precision.

    Args:
        model: the VAE.
        x: observations, missing entries 0.
        mask: O of every point; the encoder sees O. Of one modality alone only that decoder is run.
        generator: source of the draws.
        particles: K.
        steps: of the refinement.

    References:
        Importance weighted autoencoders (Burda et al., 2016); safe and effective importance sampling (Owen & Zhou,
        2000); Pareto smoothed importance sampling (Vehtari et al., 2024).
    """
    integrable = model.latent_size <= 2
    passes = 2 * max(8, math.ceil(model.latent_size / 5))
    rows = INTEGRATED if integrable else max(1, NUMBERS // (passes * x.shape[0] * x.shape[2]))
    double = copy.deepcopy(model).double() if x.dtype == torch.float32 and not integrable else None
    parts = []
    for start in range(0, x.shape[1], rows):
        data, seen = x[:, start : start + rows], mask[start : start + rows]
        if integrable:
            parts.append(_integrated(model, data, seen))
            continue
        found, z, values = _sampled(model, data, seen, particles, steps, generator)
        if double is not None and _degenerate(double, data, seen, z, values):
            found, _, _ = _sampled(double, data.double(), seen, particles, steps, generator)
        parts.append(found)
    return Estimate(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _target(model: MultimodalVAE, data: Tensor, seen: Tensor) -> LogJoint:
    """log p(x_O, z) of these points as a function of z."""
    alone = seen.any(0).nonzero().flatten().tolist()
    single = alone[0] if len(alone) == 1 and bool(seen[:, alone[0]].all()) else None

    def target(z: Tensor) -> Tensor:
        if hasattr(model.decoder, "log_likelihood_of"):  # networks of images decode every point by itself
            z = z.expand(-1, data.shape[1], -1)
            if single is not None:
                own = model.modality_latents(z)[single]
                return model.decoder.log_likelihood_of(single, data[single], own) + model.log_prior(z)
        return log_joint(model, data, seen, z)

    return target


def _sampled(
    model: MultimodalVAE, data: Tensor, seen: Tensor, particles: int, steps: int, generator: torch.Generator | None
) -> tuple[Estimate, Tensor, Tensor]:
    """The estimate, and the draws that it rests on with their log p(x_O, z)."""
    encoder = model.posterior(data, seen)
    loc, scale = _moments(encoder, generator)
    refined = refine(_target(model, data, seen), DenseGaussian(loc, torch.diag_embed(scale)), steps, generator)
    found, z, values = _weighed(model, data, seen, encoder, refined, particles, generator)
    heavy = found.k_hat > TRUSTED
    if heavy.any():
        best = values[:, heavy].nan_to_num(nan=-math.inf).argmax(0)
        start = z[:, heavy].gather(0, best[None, :, None].expand(1, -1, z.shape[-1]))[0]
        again, z[:, heavy], values[:, heavy] = _restarted(
            model, data[:, heavy], seen[heavy], start, particles, steps, generator
        )
        found = _put(found, heavy, again)
    return found, z, values


def _restarted(
    model: MultimodalVAE, data: Tensor, seen: Tensor, start: Tensor, particles: int, steps: int,
    generator: torch.Generator | None,
) -> tuple[Estimate, Tensor, Tensor]:  # fmt: skip
    """The same from a narrow Gaussian at ``start`` [n, D], with annealing where that is not enough either."""
    narrow = torch.diag_embed(torch.full_like(start, NARROW))
    refined = refine(_target(model, data, seen), DenseGaussian(start, narrow), LONGER * steps, generator)
    found, z, values = _weighed(model, data, seen, model.posterior(data, seen), refined, particles, generator)
    heavy = found.k_hat > TRUSTED
    if heavy.any():
        gaussian = DenseGaussian(refined.loc[heavy], refined.factor[heavy])
        chains = annealed_log_weights(_target(model, data[:, heavy], seen[heavy]), gaussian, generator=generator)
        sampled = Estimate(*(column[heavy] for column in found))
        found = _put(found, heavy, _averaged(sampled, _summary(chains.double())))
    return found, z, values


def _weighed(
    model: MultimodalVAE, data: Tensor, seen: Tensor, encoder: Posterior, refined: DenseGaussian, particles: int,
    generator: torch.Generator | None,
) -> tuple[Estimate, Tensor, Tensor]:  # fmt: skip
    """Importance sampling from the mixture m; draws [K, n, D] and log p(x_O, z) [K, n]."""
    target = _target(model, data, seen)
    few, points = max(1, round(DEFENSIVE * particles)), data.shape[1]
    wide = DenseGaussian(refined.loc, WIDER * refined.factor)
    draws = [wide.sample(particles - 2 * few, generator), encoder.sample(few, generator),
             model.sample_prior(few * points, generator).unflatten(0, (few, points))]  # fmt: skip
    z = torch.cat(draws)
    rows = max(1, NUMBERS // data.numel())
    values = torch.cat([target(part) for part in z.split(rows)])
    counts = [len(part) for part in draws]
    densities = [wide.log_prob(z), encoder.log_prob(z), model.log_prior(z)]
    mixed = [density + math.log(count / particles) for density, count in zip(densities, counts, strict=True)]
    log_weight = (values - torch.stack(mixed).logsumexp(0)).double()
    order = torch.randperm(particles, generator=generator, device=z.device)  # halves of the draws are then alike
    return _summary(log_weight[order]), z, values


def _summary(log_weight: Float[Tensor, "draw n"]) -> Estimate:
    """From log weights in random order; the step from K/2 to K falls by 2^{1/k − 1} whenever K doubles."""
    count = len(log_weight)
    total = log_weight.logsumexp(0)
    square = (2 * log_weight).logsumexp(0) - 2 * total  # log of Σ w² / (Σ w)²
    halves = torch.stack([part.logsumexp(0) - math.log(len(part)) for part in log_weight.chunk(2)]).mean(0)
    value = total - math.log(count)
    k = pareto_shape(log_weight)
    left = (halves - value).clamp(max=0) / (2 ** (1 / k.clamp(FINITE, STATED) - 1) - 1)
    error = (square.exp() - 1 / count).clamp(min=0).sqrt()
    return Estimate(value, error, left, (-square).exp() / count, k)


def _averaged(sampled: Estimate, annealed: Estimate) -> Estimate:
    """Of two unbiased estimates of p(x_O) the mean; k̂ stays that of the first, the effective share of the second.

    Where they differ by more than their errors allow, at least one has missed what the other found: that is the bias.
    """
    both = torch.stack([sampled.log_likelihood, annealed.log_likelihood])
    errors = torch.stack([sampled.error, annealed.error])
    value = both.logsumexp(0) - math.log(2)
    error = ((both - value).exp() / 2 * errors).square().sum(0).sqrt()
    apart = (both[0] - both[1]).abs() - 3 * errors.square().sum(0).sqrt()
    bias = -torch.maximum(0.5 * error.square(), apart)
    return Estimate(value, error, bias, annealed.ess_fraction, sampled.k_hat)


def _put(found: Estimate, where: Tensor, new: Estimate) -> Estimate:
    """The estimates, of the points ``where`` replaced by new ones."""
    return Estimate(*(column.masked_scatter(where, part) for column, part in zip(found, new, strict=True)))


def _integrated(model: MultimodalVAE, data: Tensor, seen: Tensor) -> Estimate:
    """By quadrature, in a box that holds what the prior and the encoder think possible."""
    prior, encoder = model.prior.distribution(), model.posterior(data, seen)
    loc, scale = _moments(encoder, torch.Generator(data.device).manual_seed(0))
    private = loc.new_full((model.latent_size - prior.loc.shape[-1],), BOX)
    low = torch.cat([(prior.loc - BOX * prior.scale).amin(0), -private])
    high = torch.cat([(prior.loc + BOX * prior.scale).amax(0), private])
    low, high = torch.minimum(low, (loc - BOX * scale).amin(0)), torch.maximum(high, (loc + BOX * scale).amax(0))
    value, change = quadrature(lambda some: _target(model, data[:, some], seen[some]), len(seen), low, high)
    nothing = torch.zeros_like(value)
    return Estimate(value, change, nothing, torch.ones_like(value), torch.full_like(value, -math.inf))


def _moments(posterior: Posterior, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every latent, [n, D]; where they have no closed form, of a few draws."""
    if isinstance(posterior, Mixture):
        return posterior.mean(), posterior.variance().clamp(min=1e-12).sqrt()
    draws = posterior.sample(MOMENT_DRAWS, generator)
    return draws.mean(0), draws.std(0).clamp(min=1e-6)


def _degenerate(double: MultimodalVAE, data: Tensor, seen: Tensor, z: Tensor, values: Tensor) -> bool:
    """Whether log p(x_O, z), ``values`` [K, n], differs in double precision where it counts, at any of the points.

    The draws of a point that count are those with the largest values: they carry its mean.
    """
    values, top = values.topk(min(CHECKED, len(values)), dim=0)
    drawn = z.gather(0, top.unsqueeze(-1).expand(-1, -1, z.shape[-1])).double()
    exact = _target(double, data.double(), seen)(drawn)
    return not bool(((exact == values) | ((exact - values.double()).abs() <= TOLERANCE)).all())
