"""Evaluation of experiment 4: likelihood, rates, coherence, latents and looks of generated images and text."""

__all__ = ["evaluate", "prepare", "stand_in"]

import math
from itertools import compress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pimvae.config.schema import Cell
from pimvae.data._text import decode
from pimvae.data.dataset import Dataset, Split, spread
from pimvae.evaluation._identifiable import rate_rows
from pimvae.evaluation.classifiers import Classifiers, load_classifiers, untrained
from pimvae.evaluation.classifiers_job import classifiers_file
from pimvae.evaluation.coherence import frechet_distance, generate, generate_given, probe_accuracy
from pimvae.evaluation.likelihood_rows import likelihood_rows
from pimvae.evaluation.names import TRIPLE, crossing, joined
from pimvae.evaluation.rows import Rows
from pimvae.models.likelihoods.text import POSITIONS, SYMBOLS
from pimvae.models.vae import MultimodalVAE
from pimvae.posteriors import standard_noise
from pimvae.subsets import all_subsets
from pimvae.training.packing import IndexedSplit, PackedSplit
from pimvae.training.streams import Purpose, derived_seed

SHOWN, SAMPLED = 2, 4  # test triples and unconditional samples in the figures
TEXT = TRIPLE.index("text")
SPLIT = "test"
ON_DEVICE = True  # the evaluation runs where the model lies


def prepare(data_dir: Path) -> dict[str, Classifiers]:
    """What all replicas share: the classifiers of the data set."""
    return {"classifiers": load_classifiers(classifiers_file(data_dir))}


def stand_in(data: Dataset) -> dict[str, Classifiers]:
    """The same without training, where only the time of an evaluation is of interest."""
    return {"classifiers": Classifiers(tuple(model.eval() for model in untrained(data)))}


@torch.no_grad()
def evaluate(
    cell: Cell, model: MultimodalVAE, data: Dataset, rows: Rows, seed: int, classifiers: Classifiers
) -> dict[str, np.ndarray]:
    """All metrics of one replica on held-out triples into ``rows``; returns pictures for the figures (β = 1 only).

    Single precision: a log-likelihood of thousands of nats keeps three decimals, and everything takes half the time.
    """
    model.to(torch.float32)
    device = next(model.parameters()).device
    classifiers, sizes = classifiers.to(device), cell.evaluation
    generator = torch.Generator(device).manual_seed(derived_seed(seed, Purpose.EVALUATION))
    test = _first(data, data.test, max(sizes.samples, sizes.llh_samples), device)
    part, labels = test.spread(sizes.samples), data.test.truth["labels"][spread(len(test), sizes.samples)]
    if rows.is_reference:
        _likelihoods(cell, model, test.spread(sizes.llh_samples), rows, generator)
    if rows.scope == "distance":
        return {}
    rate_rows(cell, model, part, SPLIT, rows, generator)
    if rows.scope != "all" and not rows.is_reference:
        return {}
    _conditional(model, part.x, torch.from_numpy(labels).to(device), classifiers, rows, generator)
    _unconditional(model, part, classifiers, rows, generator)
    train = _first(data, data.train, sizes.samples, device)
    _latents(model, train.x, data.train.truth["labels"][: len(train)], part.x, labels, rows)
    if not rows.is_reference or rows.scope != "all":
        return {}
    return _pictures(model, part.spread(SHOWN), generator) | {"provenance": np.array(data.provenance)}


def subset_name(subset: Tensor) -> str:
    """``mnist_text`` for S = {MNIST, text}."""
    return joined(compress(TRIPLE, subset.tolist()))


def _first(data: Dataset, split: Split, count: int, device: torch.device) -> PackedSplit:
    """The first triples of a split (their order is random), as many as there are up to ``count``."""
    rows = torch.arange(min(count, len(split)), device=device)
    return PackedSplit(*IndexedSplit(split, data.max_dim, device).batch(rows), split.dims)


def _likelihoods(cell: Cell, model: MultimodalVAE, part: PackedSplit, rows: Rows, generator: torch.Generator) -> None:
    """log p(x_M, x_S, x_T) and, after all steps, log p(x_s) of every modality alone; unweighted."""
    likelihood_rows(cell.evaluation, model, part, rows, generator, SPLIT)
    for s, name in enumerate(TRIPLE if rows.scope == "all" and rows.is_reference else ()):
        alone = torch.zeros_like(part.mask)
        alone[:, s] = True
        likelihood_rows(cell.evaluation, model, part, rows, generator, SPLIT, name, alone)


def _conditional(
    model: MultimodalVAE, x: Tensor, labels: Tensor, classifiers: Classifiers, rows: Rows, generator: torch.Generator
) -> None:
    """Share of samples generated from x_S that show the digit of x_S: every S, every modality; ``cross``: s ∉ S."""
    tokens, cross = model.embed(x), []
    for subset in all_subsets(model.modalities)[1:]:
        generated = generate_given(model, tokens, subset.to(x.device), generator)
        for s, name in enumerate(TRIPLE):
            share = float((classifiers.labels(s, generated[s]) == labels).double().mean())
            rows.add("coherence", share, crossing(subset_name(subset), name), SPLIT)
            if not subset[s]:
                cross.append(share)
    rows.add("coherence", float(np.mean(cross)), "cross", SPLIT)


def _unconditional(
    model: MultimodalVAE, part: PackedSplit, classifiers: Classifiers, rows: Rows, generator: torch.Generator
) -> None:
    """Share of prior samples whose modalities all show one digit; Fréchet distances of their images to real ones."""
    generated = generate(model, _from_prior(model, len(part), generator))
    found = torch.stack([classifiers.labels(s, values) for s, values in enumerate(generated)])
    rows.add("coherence", float((found == found[0]).all(0).double().mean()), "prior", SPLIT)
    for s, name in enumerate(TRIPLE[:TEXT]):
        real = classifiers.features(s, part.x[s, :, : part.dims[s]])
        rows.add("frechet", frechet_distance(real, classifiers.features(s, generated[s])), name, SPLIT)


def _from_prior(model: MultimodalVAE, count: int, generator: torch.Generator) -> Tensor:
    """Draws of (z', z̃_1, …, z̃_M): of the learned or fixed prior, and of standard normals."""
    shared = model.prior.distribution().sample(count, generator)
    size = (count, model.latent_size - shared.shape[-1])
    return torch.cat([shared, standard_noise(size, "gaussian", generator, shared.dtype, shared.device)], -1)


def _latents(
    model: MultimodalVAE, train: Tensor, train_labels: np.ndarray, test: Tensor, labels: np.ndarray, rows: Rows
) -> None:
    """Accuracy of a logistic regression on posterior means, fitted on training triples, for every subset."""
    tokens = model.embed(train), model.embed(test)
    for subset in all_subsets(model.modalities)[1:]:
        subset = subset.to(test.device)
        means = [model.aggregator.pool(part, subset.expand(part.shape[0], -1)).mean().cpu().numpy() for part in tokens]
        rows.add(
            "latent_accuracy", probe_accuracy(means[0], train_labels, means[1], labels), subset_name(subset), SPLIT
        )


def _pictures(model: MultimodalVAE, part: PackedSplit, generator: torch.Generator) -> dict[str, np.ndarray]:
    """Triples as bytes and text: ``true_*`` [k], ``given`` [7, 3], ``given_*`` [7, k] and ``prior_*`` [p]."""
    subsets, tokens = all_subsets(model.modalities)[1:], model.embed(part.x)
    given = [generate_given(model, tokens, subset.to(part.x.device), generator) for subset in subsets]
    true = [part.x[s, :, :dim] for s, dim in enumerate(part.dims)]
    stacked = [torch.stack(values) for values in zip(*given, strict=True)]
    prior = generate(model, _from_prior(model, SAMPLED, generator))
    found = {"given": subsets.numpy()}
    for prefix, triple in (("true", true), ("given", stacked), ("prior", prior)):
        found |= {f"{prefix}_{name}": _shown(s, triple[s]) for s, name in enumerate(TRIPLE)}
    return found


def _shown(s: int, values: Tensor) -> np.ndarray:
    """Bytes [..., channel, row, column], or greedy texts [...]."""
    if s == TEXT:
        symbols = values.unflatten(-1, (POSITIONS, SYMBOLS)).argmax(-1)
        return np.array(decode(symbols.reshape(-1, POSITIONS).cpu().numpy())).reshape(values.shape[:-1])
    channels = 1 if math.isqrt(values.shape[-1]) ** 2 == values.shape[-1] else 3
    side = math.isqrt(values.shape[-1] // channels)
    return (255 * values).round().to(torch.uint8).cpu().numpy().reshape(*values.shape[:-1], channels, side, side)
