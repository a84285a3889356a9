"""Clustered sources seen through one mixing network per modality, with modalities missing at random."""

__all__ = ["multimodal"]

import numpy as np

from pimvae.config.schema import MultimodalData
from pimvae.data._missing import check_missing_rate, draw_mask
from pimvae.data._mixing import mix, well_conditioned_networks
from pimvae.data._published import published_conditioned_network, published_mask, published_sources
from pimvae.data._sources import draw_clusters, draw_labels, draw_sources
from pimvae.data._truth import TrueModel
from pimvae.data.dataset import Dataset, Split
from pimvae.errors import UserError

STREAM = 4  # keeps the draws apart from those of other data sets with the same seed
SAMPLES, ORDER = 0, 1  # what a generator is for

# Model, sources [n, latent], one array [n, dim] per modality, labels [n], observed entries [n, M]; train rows first.
Draws = tuple[TrueModel, np.ndarray, list[np.ndarray], np.ndarray, np.ndarray]


def multimodal(config: MultimodalData, seed: int) -> Dataset:
    """x_s = f_s(z) + noise · N(0, I) for s = 1..M, where z is clustered and f_s a mixing network of its own.

    Train and test have the same clusters, networks and law of missingness (``draw_mask``); the values of missing
    entries are 0. Data sets that differ in ``missing_rate`` only have the same sources and observations.
    ``Dataset.truth`` is described in ``TrueModel``; the truth of a split is ``latents`` [n, latent] and ``labels`` [n].

    ``split: cluster_ordered`` has clusters of equal size, orders the samples by cluster and cuts after the first
    ``samples``: train and test hold different clusters. ``split: random`` draws the labels at random.

    ``draws: published`` takes the draws of the authors' script. With ``split: cluster_ordered`` the data set is the
    script's own; with ``split: random`` its rows are shuffled by a further generator before the cut.

    Source: Hirt et al. (2024), multi-modal identifiable experiment.

    Raises:
        UserError: if ``missing_rate`` leaves less than one modality per sample, or for published Laplace sources.
    """
    check_missing_rate(config.modalities, config.missing_rate)
    draws = _published(config, seed) if config.draws == "published" else _default(config, seed)
    return Dataset(
        kind="multimodal",
        likelihoods=("gaussian",) * config.modalities,
        max_dim=config.dim,
        noise_scale=config.noise,
        train=_split(draws, slice(0, config.samples)),
        test=_split(draws, slice(config.samples, None)),
        truth=draws[0].to_arrays(),
    )


def _generator(seed: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, STREAM, purpose])))


def _default(config: MultimodalData, seed: int) -> Draws:
    rng = _generator(seed, SAMPLES)
    laplace = config.source == "laplace"
    mean, scale = draw_clusters(rng, config.clusters, config.latent)
    networks = well_conditioned_networks(rng, config.modalities, config.latent, config.dim, config.layers)
    ordered = config.split == "cluster_ordered"
    labels = draw_labels(rng, config.samples + config.test_samples, config.clusters, ordered=ordered)
    z = draw_sources(rng, mean, scale, labels, laplace=laplace)
    x = [mix(z, network) + config.noise * rng.standard_normal((len(z), config.dim)) for network in networks]
    sizes = (config.samples, config.test_samples)
    mask = np.concatenate([draw_mask(rng, n, config.modalities, config.missing_rate) for n in sizes])
    return TrueModel(mean, scale, tuple(networks), config.noise, laplace), z, x, labels, mask


def _published(config: MultimodalData, seed: int) -> Draws:
    if config.source != "gaussian":
        raise UserError("draws: published has Gaussian sources only; set source: gaussian or draws: default")
    rng = np.random.RandomState(seed)
    sizes = (config.samples, config.test_samples)
    mean, scale, z, labels = published_sources(rng, sum(sizes), config.clusters, config.latent)
    networks, x = [], []
    for _ in range(config.modalities):
        networks.append(published_conditioned_network(rng, config.latent, config.dim, config.layers))
        x.append(mix(z, networks[-1]))
        x[-1] += config.noise * rng.randn(*x[-1].shape)
    mask = np.concatenate([published_mask(rng, n, config.modalities, config.missing_rate) for n in sizes])
    if config.split == "random":
        order = _generator(seed, ORDER).permutation(len(z))
        z, x, labels = z[order], [modality[order] for modality in x], labels[order]
    return TrueModel(mean, scale, tuple(networks), config.noise), z, x, labels, mask


def _split(draws: Draws, rows: slice) -> Split:
    _, z, x, labels, mask = draws
    mask = mask[rows]
    observed = [np.where(mask[:, [s]], modality[rows], 0).astype(np.float32) for s, modality in enumerate(x)]
    truth = {"latents": z[rows].astype(np.float32), "labels": labels[rows].astype(np.int64)}
    return Split(x=tuple(observed), mask=mask, truth=truth)
