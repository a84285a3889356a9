"""Evaluation of own data: likelihoods, predictions and rates, in the units of the data, beside simple models."""

__all__ = ["AHEAD", "AHEAD_ERROR", "LIKELIHOOD", "evaluate", "modality_subset", "score"]

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from pimvae.data.dataset import spread
from pimvae.data.modality import Modality
from pimvae.data.readers import Collection
from pimvae.evaluation.evaluation import Evaluation
from pimvae.evaluation.own_baselines import Baselines
from pimvae.evaluation.rows import Rows
from pimvae.library import MultimodalVAE
from pimvae.library.data import pack_collection
from pimvae.training.packing import PackedSplit
from pimvae.training.streams import Purpose, derived_seed

LIKELIHOOD = "llh"
AHEAD, AHEAD_ERROR = "_ahead", "_ahead_se"  # behind a metric's name: model minus simple model, its standard error
Scores = dict[tuple[str, str], np.ndarray]  # (subset, metric) → a number per sample, whose mean is the metric


def modality_subset(name: str) -> str:
    """What the column ``subset`` holds of one modality: no name of a modality can be mistaken for another subset."""
    return f"modality:{name}"


def evaluate(model: MultimodalVAE, train: Collection, test: Collection | None) -> list[tuple[object, ...]]:
    """Rows of ``metrics.csv``: of every seed, and of simple models, for training samples and held-out ones.

    ``llh`` is log p of all that is observed (subset ``all``) or of one modality alone, ``r2`` and ``accuracy`` are of a
    modality predicted from all others, the rest is as for the experiments; in nats, per sample. Beside the metric of a
    simple model stand ``<metric>_ahead``, by how much each seed is better, and ``<metric>_ahead_se``, the standard
    error of its mean over seeds: paired, sample by sample.
    """
    rows: list[tuple[object, ...]] = []
    baselines = Baselines(model.modalities, pack_collection(train, model.modalities))
    for split, whole in (("train", train), ("test", test)):
        if whole is None:
            continue
        data = whole.select(spread(len(whole), model.cell.evaluation.llh_samples))
        packed = pack_collection(data, model.modalities)
        scores: dict[int, Scores] = {}
        for seed in model.seeds:
            found, scores[seed] = _of_replica(model.replica(seed), data, packed, split)
            rows += found
        for baseline, subset, metric, values in baselines.scores(packed):
            by_seed = {seed: found[subset, metric] for seed, found in scores.items() if (subset, metric) in found}
            for seed in model.seeds:
                keys = (model.cell.experiment, model.cell.dataset, "none", "none", "none", 1.0, seed, 1.0, baseline)
                rows += [(*keys, split, subset, name, value)
                         for name, value in _beside(metric, values, by_seed, seed)]  # fmt: skip
    return rows


def _beside(metric: str, values: np.ndarray, models: dict[int, np.ndarray], seed: int) -> Iterator[tuple[str, float]]:
    """A simple model's metric, and how far a seed is ahead; the samples of ``models`` are the same."""
    yield metric, float(values.mean())
    if seed in models:
        mean = np.mean(list(models.values()), axis=0) - values
        yield metric + AHEAD, float((models[seed] - values).mean())
        yield metric + AHEAD_ERROR, float(mean.std(ddof=1) / np.sqrt(len(mean))) if len(mean) > 1 else float("nan")


def _of_replica(
    model: MultimodalVAE, data: Collection, packed: PackedSplit, split: str
) -> tuple[list[tuple[object, ...]], Scores]:
    """Rows of one seed, and what those that simple models have too are means of."""
    cell, seed = model.cell, model.seed
    collected = Rows(cell, seed, cell.objective.betas[0])
    if split == "train":
        collected.add("diverged", float(model.diverged))
    if model.diverged:
        return collected.rows, {}
    options = {"draws": max(2, cell.evaluation.particles), "seed": derived_seed(seed, Purpose.EVALUATION) % 2**31}
    found = model.log_likelihood(data, **options)
    scores: Scores = {("all", LIKELIHOOD): found.value}
    collected.add("llh", float(found.value.mean()), split=split)
    collected.add("llh_se", float(np.sqrt((found.error**2).sum())) / len(data), split=split)
    collected.add("ess_fraction", float(found.ess_fraction.mean()), split=split)
    for s, modality in enumerate(model.modalities):
        subset = modality_subset(modality.name)
        for metric, values in _of_modality(model, data, packed, s, options):
            scores[subset, metric] = values
            collected.rows.append((*collected.keys, split, subset, metric, float(values.mean())))
    _rates(model, packed, split, collected)
    return collected.rows, scores


def _of_modality(
    model: MultimodalVAE, data: Collection, packed: PackedSplit, s: int, options: dict[str, Any]
) -> Iterator[tuple[str, np.ndarray]]:
    """log p(x_s) alone, and how well x_s is predicted from the others where both are there; per sample."""
    modality = model.modalities[s]
    seen = packed.mask[:, s].numpy()
    if not seen.any():
        return
    alone = Collection((data.raw(modality.name),), data.ids, data.source).select(np.flatnonzero(seen))
    yield LIKELIHOOD, model.log_likelihood(alone, **options).value
    both = np.flatnonzero(seen & (packed.mask.sum(1).numpy() > 1))
    if len(both) < 2:
        return
    found = model.predict(data.select(both), target=modality.name, **options)
    mean = found.mean if modality.kind == "categorical" else _numbers(modality, found.mean)
    yield from score(modality, packed.x[s, both, : modality.dim].numpy(), mean)


def _numbers(modality: Modality, values: np.ndarray) -> np.ndarray:
    """Predictions as the model's numbers [n, D]."""
    values = values.reshape(len(values), -1)
    return (values - np.array(modality.centre)) / np.array(modality.scale) if modality.scale else values


def score(modality: Modality, true: np.ndarray, mean: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """``accuracy`` of classes and binary columns, ``r2`` (mean over the columns that vary) of numbers.

    Each as one number per sample [n], whose mean is the metric; a sample's share of R² is 1 − (x − x̂)² / var(x).

    Args:
        modality: of the values.
        true: the model's numbers [n, D].
        mean: predictions [n, D].
    """
    if modality.kind == "categorical":
        yield "accuracy", (mean.argmax(1) == true.argmax(1)).astype(float)
    elif modality.kind == "binary":
        yield "accuracy", ((mean > 0.5) == (true > 0.5)).mean(1)
    else:
        total = ((true - true.mean(0)) ** 2).mean(0)
        varies = total > 0
        if varies.any():
            yield "r2", (1 - (true - mean)[:, varies] ** 2 / total[varies]).mean(1)


@torch.no_grad()
def _rates(model: MultimodalVAE, packed: PackedSplit, split: str, rows: Rows) -> None:
    """Rates and reconstructions, the latter in the units of the data."""
    core, cell = model.double(), model.cell
    units = torch.tensor([modality.log_jacobian for modality in model.modalities], dtype=torch.float64)
    plain = core.log_likelihood
    core.log_likelihood = lambda x, z: plain(x, z) + units
    part = packed.spread(cell.evaluation.samples).to(torch.float64)
    Evaluation(cell=cell, model=core, data=None, rows=rows, seed=model.seed).rates(part, split)
