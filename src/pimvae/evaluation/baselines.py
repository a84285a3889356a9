"""Simple models beside which a trained one must stand: fitted to the training samples in closed form or by EM."""

__all__ = ["LABELS", "NONE", "baseline_rows", "run"]

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture as CompleteMixture
from tqdm import tqdm

from pimvae.chain import seal_file
from pimvae.config.schema import EvaluationConfig, ModelConfig
from pimvae.data.dataset import Dataset, Split, load, spread
from pimvae.data.job import checksums, data_file
from pimvae.evaluation.baselines_images import image_likelihoods
from pimvae.evaluation.gaussian_em import GaussianMixture, fit_mixture, moments, probabilistic_pca
from pimvae.evaluation.identifiability import mcc
from pimvae.evaluation.oracle import LinearGaussian, maximum_likelihood
from pimvae.evaluation.rows import COLUMNS, SPLITS
from pimvae.files import write_csv
from pimvae.training.packing import pack

NONE = "none"  # stands in the columns aggregator, objective and prior
LABELS = "categorical"
DRAWS = 20  # of random codes and mixes, whose scores are averaged
SMOOTHING = 0.1  # added to every count of a label
Row = tuple[str, str, str, str, float]  # baseline, split, subset, metric, value


def baseline_rows(data: Dataset, model: ModelConfig, evaluation: EvaluationConfig, seed: int) -> Iterator[Row]:
    """The simple models of a data set, on the samples on which cells report their log-likelihood.

    Args:
        data: nothing but its training split is fitted to.
        model: of the cells, for the latent size and the noise scale.
        evaluation: of the cells, for the numbers of samples.
        seed: of the random codes and of the starts of mixtures.
    """
    if data.kind in ("linear", "digits"):
        yield from _linear(data, model)
    elif data.kind == "images":
        part = held_out(data.test, evaluation)
        for name, subset, value in image_likelihoods(data, part, float(model.noise_scale)):
            yield name, "test", subset, "llh", value
    elif "cluster_mean" in data.truth:
        yield from _clustered(data, model.latent, evaluation, seed)


def held_out(test: Split, evaluation: EvaluationConfig) -> Split:
    """The triples on which cells report their likelihood: of the first of a test split, some at equal distances."""
    first = min(max(evaluation.samples, evaluation.llh_samples), len(test))
    return test.select(spread(first, evaluation.llh_samples))


def _linear(data: Dataset, model: ModelConfig) -> Iterator[Row]:
    """No latent at all, N(mean, v I), and the maximum-likelihood model; v is known. All training samples."""
    part, dims = pack(data.train, max(data.train.dims)).to(torch.float64), torch.tensor(data.train.dims)
    x, mask = part.x.movedim(0, 1).contiguous(), part.mask
    scale = data.noise_scale if model.noise_scale == "data" else model.noise_scale
    best = maximum_likelihood(x, dims, model.latent, float(scale) ** 2)
    nothing = LinearGaussian(torch.zeros_like(best.loading), best.offset, best.noise_variance, dims)
    optimum = float(best.log_likelihood(x, mask).mean())
    for name, found in (("no_latent", nothing), ("maximum_likelihood", best)):
        llh = float(found.log_likelihood(x, mask).mean())
        yield name, "train", "all", "llh", llh
        yield name, "train", "all", "llh_gap", (optimum - llh) / abs(optimum)


def _clustered(data: Dataset, latent: int, evaluation: EvaluationConfig, seed: int) -> Iterator[Row]:
    """Likelihoods and scores of recovery, per split."""
    fitted = _fit(data, latent, seed)
    for name, split in zip(SPLITS, (data.train, data.test), strict=True):
        if split is None:
            continue
        part = split.spread(evaluation.llh_samples)
        for baseline, mixture in fitted.items():
            value = _evidence(data, part, mixture, by_class=baseline == "gaussian_mixture")
            yield baseline, name, "all", "llh", float(value.mean())
        yield from _recovery(split, name, seed)


def _fit(data: Dataset, latent: int, seed: int) -> dict[str, GaussianMixture]:
    r"""The densities of the continuous entries, from the training samples.

    With a label among the modalities, ``gaussian_mixture`` has one Gaussian per label; the other densities do not
    depend on it. ``ppca`` is left out where its latent is as wide as the data: it is then the full Gaussian.
    """
    x, observed = _continuous(data, data.train)
    mean, variance = moments(x, observed)
    found = {
        "independent": GaussianMixture(np.ones(1), mean[None], np.diag(variance)[None]),
        "gaussian": fit_mixture(x, observed),
    }
    if latent < x.shape[1]:
        found["ppca"] = fit_mixture(x, observed, probabilistic_pca(latent))
    labels = _labels(data, data.train)
    if labels is not None:
        found["gaussian_mixture"] = _per_class(x, labels, found["gaussian"], len(data.truth["cluster_mean"]))
    else:
        found["gaussian_mixture"] = _clusters(x, observed, len(data.truth["cluster_mean"]), latent, seed)
    return found


def _clusters(x: np.ndarray, observed: np.ndarray, components: int, latent: int, seed: int) -> GaussianMixture:
    """A mixture of full Gaussians (scikit-learn's); where entries are missing, of probabilistic PCAs, from k-means.

    With half of the entries missing, full covariances fit the training samples and nothing else: on the views of
    experiment 3 they end hundreds of nats below one Gaussian on held-out samples.
    """
    if observed.all():
        fitted = CompleteMixture(components, random_state=seed).fit(x)
        return GaussianMixture(fitted.weights_, fitted.means_, fitted.covariances_)
    mean, variance = moments(x, observed)
    standard = np.where(observed, x - mean, 0.0) / np.sqrt(variance)
    start = KMeans(components, n_init=5, random_state=seed).fit(standard).labels_
    return fit_mixture(x, observed, probabilistic_pca(latent), np.eye(components)[start])


def _per_class(x: np.ndarray, labels: np.ndarray, whole: GaussianMixture, classes: int) -> GaussianMixture:
    """One Gaussian per label; a label with no more samples than dimensions takes that of all samples."""
    chosen = [labels == c for c in range(classes)]
    parts = [
        fit_mixture(x[rows], np.ones_like(x[rows], dtype=bool)) if rows.sum() > x.shape[1] else whole for rows in chosen
    ]
    means, covariances = (np.concatenate([getattr(part, key) for part in parts]) for key in ("means", "covariances"))
    return GaussianMixture(_frequencies(labels, classes), means, covariances)


def _evidence(data: Dataset, part: Split, mixture: GaussianMixture, by_class: bool) -> Float[np.ndarray, " sample"]:
    """log p of what is observed: of the continuous entries, plus that of the label where there is one.

    ``by_class``: the components of the mixture are the labels, so that log p(c, x) = log π_c + log N(x; m_c, S_c).
    """
    x, observed = _continuous(data, part)
    labels = _labels(data, part)
    if labels is None:
        return mixture.log_likelihood(x, observed)
    classes = part.dims[data.likelihoods.index(LABELS)]
    if not by_class:
        frequencies = _frequencies(_labels(data, data.train), classes)
        return mixture.log_likelihood(x, observed) + np.log(frequencies[labels])
    found = np.empty(len(x))
    for c in np.unique(labels):
        rows = labels == c
        one = GaussianMixture(mixture.weights[[c]], mixture.means[[c]], mixture.covariances[[c]])
        found[rows] = one.log_likelihood(x[rows], observed[rows])
    return found


def _continuous(data: Dataset, split: Split) -> tuple[Float[np.ndarray, "sample dim"], Bool[np.ndarray, "sample dim"]]:
    """All modalities but labels side by side, and which entries are observed."""
    chosen = [s for s, likelihood in enumerate(data.likelihoods) if likelihood != LABELS]
    x = np.concatenate([split.values(s).astype(np.float64) for s in chosen], axis=1)
    return x, np.repeat(split.mask[:, chosen], [split.dims[s] for s in chosen], axis=1)


def _labels(data: Dataset, split: Split) -> Int[np.ndarray, " sample"] | None:
    """The observed label of every sample, if it is a modality."""
    if LABELS not in data.likelihoods:
        return None
    return split.values(data.likelihoods.index(LABELS)).argmax(axis=1)


def _frequencies(labels: np.ndarray, classes: int) -> Float[np.ndarray, " class"]:
    counts = np.bincount(labels, minlength=classes) + SMOOTHING
    return counts / counts.sum()


def _recovery(split: Split, name: str, seed: int) -> Iterator[Row]:
    """MCC of codes that know the cluster alone, or the latents in a random linear mix: means over random draws."""
    latents, labels = (split.truth[key] for key in ("latents", "labels"))
    size = latents.shape[1]
    generator = np.random.default_rng([seed, DRAWS])
    codes = {
        "label_code": lambda: generator.standard_normal((labels.max() + 1, size))[labels],
        "linear_mix": lambda: latents @ generator.standard_normal((size, size)),
    }
    for baseline, draw in codes.items():
        inferred = [draw() for _ in range(DRAWS)]
        for strength in ("strong", "weak"):
            scores = [mcc(latents, code, rotation=strength == "weak").out_of_sample for code in inferred]
            yield baseline, name, "all", f"mcc_{strength}_mean", float(np.mean(scores))


def run(
    experiment: str,
    dataset: str,
    model: ModelConfig,
    evaluation: EvaluationConfig,
    seeds: Sequence[int],
    data_dir: Path | str,
    out: Path | str,
) -> None:
    """Write the tidy metrics of every simple model of a data set to ``out``, see `baseline_rows`.

    Raises:
        UserError: if a data file is missing or damaged.
    """
    rows: list[tuple[object, ...]] = []
    for seed in tqdm(seeds, desc=f"baselines {dataset}", unit="seed"):
        keys = (experiment, dataset, NONE, NONE, NONE, 1.0, seed, 1.0)
        rows += [(*keys, *row) for row in baseline_rows(load(data_file(data_dir, seed)), model, evaluation, seed)]
    write_csv(out, COLUMNS, rows)
    seal_file(Path(out), data_sha256=checksums(data_dir, seeds))
