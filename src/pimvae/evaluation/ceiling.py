"""Log-likelihood of clustered data under the model that generated them: the ceiling of every learned model's."""

__all__ = ["FEW", "ceiling", "run"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, logsumexp
from tqdm import tqdm

from pimvae.chain import seal_file
from pimvae.config.schema import EvaluationConfig
from pimvae.data.dataset import Dataset, Split, load
from pimvae.data.job import checksums, data_file
from pimvae.errors import UserError
from pimvae.evaluation._true_density import TrueDensity
from pimvae.evaluation.rows import COLUMNS, SPLITS, TRUE_MODEL, TRUE_PRIOR
from pimvae.files import write_csv

FREEDOM = 8.0  # of the Student-t proposals: their tails are heavier than those of the posterior
DEFENSIVE = 0.1  # share of particles drawn from the sources themselves: bounds every importance weight
NEWTON_STEPS = 12
ROUNDS = 4  # adaptations of the proposal before the particles that count are drawn
CHUNK = 250  # samples at a time, bounds the memory
FEW = 10.0  # effective particles below which an estimate of one sample is not to be trusted


@dataclass(frozen=True)
class Proposal:
    """Mixture of Student-t distributions per sample; ``root`` is the Cholesky factor of the scale matrix."""

    log_weight: Float[np.ndarray, "n component"]
    mean: Float[np.ndarray, "n component latent"]
    root: Float[np.ndarray, "n component latent latent"]


def ceiling(
    dataset: Dataset, split: Split, particles: int = 256, seed: int = 0
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """log p(x_O) of every sample of ``split`` under the true model: log-mean-exp over *particles* of p(x_O, z)/q(z).

    The proposal q of a sample is a mixture with one Student-t component per cluster. Component c starts as the Laplace
    approximation of p(z | x_O, c): mode by Levenberg–Marquardt from the sample's own latents, scale matrix the inverse
    Gauss–Newton precision. As the networks are only piecewise linear, a posterior can be lopsided or have several
    modes, so the mixture is then fitted to weighted particles by a few steps of expectation-maximisation. A share of
    particles from the sources bounds the weights. Starting at the true latents changes the variance only: for a
    proposal that is fixed before its particles are drawn, the estimate of p(x_O) is unbiased.

    Args:
        dataset: a clustered data set (its ``truth`` holds a ``TrueModel``).
        split: its train or test part, with any mask; ``truth["latents"]`` are the starting points.
        particles: importance samples per sample, also in each round of the adaptation.
        seed: of the particles.

    References:
        Adaptive importance sampling in general mixture classes (Cappé et al., 2008).
        Weighted average importance sampling and defensive mixture distributions (Hesterberg, 1995).

    Returns:
        Importance-sampled log p(x_O) in nats and effective sample size as a fraction of the particles, per sample.

    Raises:
        KeyError: if the data set is not clustered.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, len(split.mask), particles])))
    parts = [
        _estimate(TrueDensity(dataset, part), part.truth["latents"].astype(np.float64), particles, rng)
        for part in (split.select(slice(start, start + CHUNK)) for start in range(0, len(split.mask), CHUNK))
    ]
    log_likelihood, ess_fraction = (np.concatenate(values) for values in zip(*parts, strict=True))
    return log_likelihood, ess_fraction


def _estimate(
    density: TrueDensity, start: Float[np.ndarray, "n latent"], particles: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood [n] and effective fraction [n]."""
    proposal = _laplace_proposal(density, start)
    for _ in range(ROUNDS):
        z, log_ratio, log_component = _draw(density, proposal, particles, rng)
        proposal = _adapt(proposal, z, log_ratio, log_component)
    _, log_ratio, _ = _draw(density, proposal, particles, rng)
    log_sum = logsumexp(log_ratio, axis=1)
    ess = np.exp(2 * log_sum - logsumexp(2 * log_ratio, axis=1))
    return log_sum - np.log(particles), ess / particles


def _laplace_proposal(density: TrueDensity, start: Float[np.ndarray, "n latent"]) -> Proposal:
    """Laplace approximation per cluster; Laplace sources are replaced by Gaussian ones of the same variance."""
    centre, prior_precision = density.model.cluster_mean, density.model.cluster_scale**-2
    latent = start.shape[-1]

    def objective(z: np.ndarray) -> np.ndarray:
        return density.log_observation(z) - 0.5 * np.sum(prior_precision * (z - centre) ** 2, axis=-1)

    def newton(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gradient, precision = density.curvature(z)
        return gradient - prior_precision * (z - centre), precision + prior_precision[..., None] * np.eye(latent)

    z = np.repeat(start[:, None], len(centre), axis=1)
    value, damping = objective(z), np.full(z.shape[:2], 1e-3)
    for _ in range(NEWTON_STEPS):
        gradient, precision = newton(z)
        damped = precision * (1 + damping[..., None, None] * np.eye(latent))
        trial = z + np.linalg.solve(damped, gradient[..., None])[..., 0]
        trial_value = objective(trial)
        better = trial_value > value
        z, value = np.where(better[..., None], trial, z), np.where(better, trial_value, value)
        damping *= np.where(better, 0.2, 10.0)
    root = np.linalg.cholesky(np.linalg.inv(newton(z)[1]))
    evidence = value + 0.5 * np.log(prior_precision).sum(-1) + _log_determinant(root)
    return Proposal(_normalise(density.log_cluster + evidence), z, root)


def _log_determinant(root: Float[np.ndarray, "n component a a"]) -> Float[np.ndarray, "n component"]:
    return np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(-1)


def _normalise(log_weight: Float[np.ndarray, "n component"]) -> Float[np.ndarray, "n component"]:
    """Log-weights that sum to 1, none of a possible cluster below 1 %: an approximation may understate one."""
    weight = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True))
    weight = np.where(np.isneginf(log_weight), 0, np.maximum(weight, 0.01))
    with np.errstate(divide="ignore"):
        return np.log(weight / weight.sum(axis=1, keepdims=True))


def _draw(
    density: TrueDensity, proposal: Proposal, particles: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Particles [n, k, L], log p(x_O, z)/q(z) [n, k] and log component densities with weights [n, k, component]."""
    z = _sample(density, proposal, particles, rng)
    log_component = _log_components(proposal, z)
    log_source = density.log_source(z)
    # The proposal's sources are those that the label leaves, so their density is renormalised.
    log_defensive = log_source - logsumexp(density.log_cluster, axis=1, keepdims=True)
    log_proposal = np.logaddexp(
        np.log1p(-DEFENSIVE) + logsumexp(log_component, axis=2), np.log(DEFENSIVE) + log_defensive
    )
    return z, density.log_observation(z) + log_source - log_proposal, log_component


def _sample(density: TrueDensity, proposal: Proposal, particles: int, rng: np.random.Generator) -> np.ndarray:
    """Independent draws from (1 − DEFENSIVE) · mixture + DEFENSIVE · sources, [n, k, L]."""
    n, latent = len(proposal.mean), proposal.mean.shape[-1]
    rows = np.arange(n)[:, None]
    component = _choose(proposal.log_weight, particles, rng)
    noise = rng.standard_normal((n, particles, latent))
    noise *= np.sqrt(FREEDOM / rng.chisquare(FREEDOM, (n, particles)))[..., None]
    z = proposal.mean[rows, component] + np.einsum("nkab,nkb->nka", proposal.root[rows, component], noise)
    cluster = _choose(density.log_cluster, particles, rng)
    shape = z.shape
    unit = rng.laplace(scale=np.sqrt(0.5), size=shape) if density.model.laplace else rng.standard_normal(shape)
    sources = density.model.cluster_mean[cluster] + density.model.cluster_scale[cluster] * unit
    return np.where((rng.random((n, particles)) < DEFENSIVE)[..., None], sources, z)


def _choose(log_weight: Float[np.ndarray, "n component"], particles: int, rng: np.random.Generator) -> np.ndarray:
    """Component indices [n, k] with probabilities proportional to the weights, by inverting their cumulative sum."""
    cumulative = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True)).cumsum(axis=1)
    uniform = rng.random((len(log_weight), particles, 1)) * cumulative[:, None, -1:]
    return (uniform >= cumulative[:, None]).sum(axis=2)


def _log_components(proposal: Proposal, z: Float[np.ndarray, "n k latent"]) -> Float[np.ndarray, "n k component"]:
    latent = z.shape[-1]
    difference = z[:, None] - proposal.mean[:, :, None]  # [n, component, k, L]
    white = difference @ np.linalg.inv(proposal.root).swapaxes(-1, -2)
    distance = np.einsum("nckl,nckl->nkc", white, white)
    constant = gammaln((FREEDOM + latent) / 2) - gammaln(FREEDOM / 2) - latent / 2 * np.log(FREEDOM * np.pi)
    log_kernel = -0.5 * (FREEDOM + latent) * np.log1p(distance / FREEDOM)
    return log_kernel + (constant + proposal.log_weight - _log_determinant(proposal.root))[:, None]


def _adapt(proposal: Proposal, z: np.ndarray, log_ratio: np.ndarray, log_component: np.ndarray) -> Proposal:
    """One weighted expectation-maximisation step, shrunk towards the old components.

    The particles count as their effective number and an old component as one particle per entry of its scale matrix:
    few effective particles move it little, as their scatter would be too narrow.
    """
    weight = np.exp(log_ratio - logsumexp(log_ratio, axis=1, keepdims=True))
    share = weight[..., None] * np.exp(log_component - logsumexp(log_component, axis=2, keepdims=True))
    mass = share.sum(axis=1)  # [n, component]
    latent = z.shape[-1]
    old = latent * (latent + 1) / 2 * np.sum(weight**2, axis=1)[:, None, None]
    total = mass[..., None] + old
    mean = (share.swapaxes(1, 2) @ z + old * proposal.mean) / total
    difference = z[:, None] - mean[:, :, None]  # [n, component, k, L]
    scatter = (difference * share.swapaxes(1, 2)[..., None]).swapaxes(-1, -2) @ difference
    before = proposal.root @ proposal.root.swapaxes(-1, -2)
    root = np.linalg.cholesky((scatter + old[..., None] * before) / total[..., None])
    possible = ~np.isneginf(proposal.log_weight)
    log_weight = np.log(mass, out=np.full(mass.shape, -np.inf), where=possible & (mass > 0))
    return Proposal(_normalise(log_weight), mean, root)


def run(
    experiment: str,
    dataset: str,
    evaluation: EvaluationConfig,
    seeds: Sequence[int],
    data_dir: Path | str,
    out: Path | str,
) -> None:
    """Write the tidy metrics of the true model to ``out``, on the samples on which cells report their likelihood.

    Per seed and split: ``llh_ceiling`` and its Monte-Carlo standard error, the mean effective sample size as a
    fraction, and ``ess_few``, the share of samples with fewer than ``FEW`` effective particles.

    Raises:
        UserError: if a data file is missing or damaged, or its generating model is not known.
    """
    rows: list[tuple[object, ...]] = []
    for seed in tqdm(seeds, desc=f"ceiling {dataset}", unit="seed"):
        path = data_file(data_dir, seed)
        data = load(path)
        if "cluster_mean" not in data.truth:
            raise UserError(f"{path}: the model that generated it is not known, so there is no ceiling")
        keys = (experiment, dataset, TRUE_MODEL, TRUE_MODEL, TRUE_PRIOR, 1.0, seed, 1.0, "")
        for name, split in zip(SPLITS, (data.train, data.test), strict=True):
            if split is not None:
                found = _metrics(data, split.spread(evaluation.llh_samples), evaluation.ceiling_particles, seed)
                rows += [(*keys, name, "all", metric, value) for metric, value in found]
    write_csv(out, COLUMNS, rows)
    seal_file(Path(out), data_sha256=checksums(data_dir, seeds))


def _metrics(data: Dataset, split: Split, particles: int, seed: int) -> Iterator[tuple[str, float]]:
    log_likelihood, ess_fraction = ceiling(data, split, particles, seed)
    # Delta method, as for the learned models: the variance of log ŵ is (1/ess_fraction − 1)/R.
    variance = (1 / ess_fraction - 1) / particles
    yield "llh_ceiling", float(log_likelihood.mean())
    yield "llh_ceiling_se", float(np.sqrt(variance.sum()) / len(variance))
    yield "ess_fraction", float(ess_fraction.mean())
    yield "ess_few", float(np.mean(ess_fraction * particles < FEW))
