"""A vector of clustered sources seen through a mixing network, and the label of its cluster."""

__all__ = ["bimodal"]

import numpy as np

from pimvae.config.schema import BimodalData
from pimvae.data._mixing import mix, orthogonal_network
from pimvae.data._published import published_orthogonal_network, published_sources
from pimvae.data._sources import draw_clusters, draw_labels, draw_sources
from pimvae.data._truth import TrueModel
from pimvae.data.dataset import Dataset, Split

LAYERS = 2
STREAM = 3  # keeps the draws apart from those of other data sets with the same seed


def bimodal(config: BimodalData, seed: int) -> Dataset:
    """Modality 0 is the one-hot label c (categorical), modality 1 is x = leaky(z A_1) A_2 + noise · N(0, I).

    z | c ~ N(mean_c, diag scale_c²), c uniform, A_1 and A_2 orthogonal [latent, latent]; both modalities are always
    observed. Train and test come from the same clusters and the same network. ``Dataset.truth`` is described in
    ``TrueModel``; the truth of a split is ``latents`` [n, latent] and ``labels`` [n].

    With ``draws: published`` the data are those of the authors' script (one matrix for both layers, clusters of equal
    size). It evaluates on the training data: ``test`` is None and ``test_samples`` is not used.

    Source: Hirt et al. (2024), bi-modal identifiable experiment.
    """
    published = config.draws == "published"
    model, z, x, labels = _published(config, seed) if published else _default(config, seed)
    return Dataset(
        kind="bimodal",
        likelihoods=("categorical", "gaussian"),
        max_dim=max(config.clusters, config.latent),
        noise_scale=config.noise,
        train=_split(config, z, x, labels, slice(0, config.samples)),
        test=None if published else _split(config, z, x, labels, slice(config.samples, None)),
        truth=model.to_arrays(),
    )


def _default(config: BimodalData, seed: int) -> tuple[TrueModel, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, STREAM])))
    mean, scale = draw_clusters(rng, config.clusters, config.latent)
    network = orthogonal_network(rng, config.latent, LAYERS)
    labels = draw_labels(rng, config.samples + config.test_samples, config.clusters, ordered=False)
    z = draw_sources(rng, mean, scale, labels)
    x = mix(z, network) + config.noise * rng.standard_normal(z.shape)
    return TrueModel(mean, scale, (network,), config.noise), z, x, labels


def _published(config: BimodalData, seed: int) -> tuple[TrueModel, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.RandomState(seed)
    mean, scale, z, labels = published_sources(rng, config.samples, config.clusters, config.latent)
    network = published_orthogonal_network(rng, config.latent, LAYERS)
    x = mix(z, network)
    x += config.noise * rng.randn(*x.shape)
    order = rng.permutation(config.samples)
    return TrueModel(mean, scale, (network,), config.noise), z[order], x[order], labels[order]


def _split(config: BimodalData, z: np.ndarray, x: np.ndarray, labels: np.ndarray, rows: slice) -> Split:
    one_hot = np.eye(config.clusters, dtype=np.float32)[labels[rows]]
    vector = x[rows].astype(np.float32)
    truth = {"latents": z[rows].astype(np.float32), "labels": labels[rows].astype(np.int64)}
    return Split(x=(one_hot, vector), mask=np.ones((len(vector), 2), dtype=bool), truth=truth)
