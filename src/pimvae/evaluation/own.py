"""Evaluation of own data: likelihoods, predictions and rates, in the units of the data, beside simple models."""

__all__ = ["AHEAD", "AHEAD_ERROR", "AVERAGE", "LIKELIHOOD", "evaluate"]

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.special import logsumexp

from pimvae.data.dataset import spread
from pimvae.data.modality import Modality
from pimvae.data.readers import Collection
from pimvae.evaluation.evaluation import Evaluation
from pimvae.evaluation.own_baselines import Baselines, modality_subset, score
from pimvae.evaluation.rows import Rows
from pimvae.library import MultimodalVAE
from pimvae.library.data import pack_collection
from pimvae.training.packing import PackedSplit
from pimvae.training.streams import Purpose, derived_seed

LIKELIHOOD = "llh"
AVERAGE = "average"
AHEAD, AHEAD_ERROR = "_ahead", "_ahead_se"  # behind a metric's name: model minus simple model, its standard error
Predicted = tuple[np.ndarray, np.ndarray]  # rows, and the model's numbers [n, D] there
Scores = dict[tuple[str, str], np.ndarray]  # (subset, metric) → a number per sample, whose mean is the metric


def evaluate(model: MultimodalVAE, train: Collection, test: Collection | None) -> list[tuple[object, ...]]:
    """Rows of ``metrics.csv``: of every seed, their average, and simple models, for training and held-out samples.

    ``llh`` is log p of all that is observed (subset ``all``) or of one modality alone, ``r2`` and ``accuracy`` are of a
    modality predicted from all others, the rest is as for the experiments; in nats, per sample. ``average`` stands in
    the column of simple models: densities and predictions averaged over the seeds, which is what the model answers.
    Beside the metric of a simple model stand ``<metric>_ahead``, by how much the average is better, and
    ``<metric>_ahead_se``, the standard error of this: paired, sample by sample.
    """
    rows: list[tuple[object, ...]] = []
    baselines = Baselines(model.modalities, pack_collection(train, model.modalities))
    for split, whole in (("train", train), ("test", test)):
        if whole is None:
            continue
        data = whole.select(spread(len(whole), model.cell.evaluation.llh_samples))
        packed = pack_collection(data, model.modalities)
        found = {seed: _of_replica(model.replica(seed), data, packed, split) for seed in model.seeds}
        rows += [row for answers in found.values() for row in answers.rows]
        usable = [answers for answers in found.values() if answers.scores]
        average = _average(model.modalities, packed, usable)
        beside = [(AVERAGE, subset, metric, float(values.mean()))
                  for (subset, metric), values in average.items() if len(usable) > 1]  # fmt: skip
        for baseline, subset, metric, values in baselines.scores(packed):
            beside.append((baseline, subset, metric, float(values.mean())))
            if (subset, metric) in average:
                ahead = average[subset, metric] - values
                error = ahead.std(ddof=1) / np.sqrt(len(ahead)) if len(ahead) > 1 else np.nan
                beside.append((baseline, subset, metric + AHEAD, float(ahead.mean())))
                beside.append((baseline, subset, metric + AHEAD_ERROR, float(error)))
        for baseline, subset, metric, value in beside:
            for seed in model.seeds:  # the same for each, as the columns of a cell want it
                keys = (model.cell.experiment, model.cell.dataset, "none", "none", "none", 1.0, seed, 1.0, baseline)
                rows.append((*keys, split, subset, metric, value))
    return rows


@dataclass
class SeedScores:
    """What one seed says of some samples; a diverged one has rows only.

    Attributes:
        rows: of the table.
        scores: what its metrics are means of.
        predictions: modality → samples that have it and another one, and their predictions [n, D] in its numbers.
    """

    rows: list[tuple[object, ...]]
    scores: Scores = field(default_factory=dict)
    predictions: dict[int, Predicted] = field(default_factory=dict)


def _average(modalities: Sequence[Modality], packed: PackedSplit, found: Sequence[SeedScores]) -> Scores:
    """The metrics of 1/K Σ_k p_k, sample by sample."""
    result: Scores = {}
    for key in found[0].scores if found else ():
        values = np.stack([answers.scores[key] for answers in found])
        if key[1] == LIKELIHOOD:
            result[key] = logsumexp(values, axis=0) - np.log(len(values))
    for s, (rows, _) in found[0].predictions.items() if found else ():
        mean = np.mean([answers.predictions[s][1] for answers in found], axis=0)
        result |= _scored(modalities, packed, s, (rows, mean))
    return result


def _scored(modalities: Sequence[Modality], packed: PackedSplit, s: int, prediction: Predicted) -> Scores:
    """`score` of the predictions of a modality."""
    rows, mean = prediction
    subset, true = modality_subset(modalities[s].name), packed.x[s, rows, : packed.dims[s]].numpy()
    return {(subset, metric): values for metric, values in score(modalities[s], true, mean)}


def _of_replica(model: MultimodalVAE, data: Collection, packed: PackedSplit, split: str) -> SeedScores:
    """What one seed says."""
    cell, seed = model.cell, model.seed
    collected = Rows(cell, seed, cell.objective.betas[0])
    if split == "train":
        collected.add("diverged", float(model.diverged))
    if model.diverged:
        return SeedScores(collected.rows)
    options = {"draws": max(2, cell.evaluation.particles), "seed": derived_seed(seed, Purpose.EVALUATION) % 2**31}
    found = model.log_likelihood(data, **options)
    scores: Scores = {("all", LIKELIHOOD): found.value}
    collected.add("llh", float(found.value.mean()), split=split)
    collected.add("llh_se", float(np.sqrt((found.error**2).sum())) / len(data), split=split)
    collected.add("ess_fraction", float(found.ess_fraction.mean()), split=split)
    answers = SeedScores(collected.rows, scores)
    for s, modality in enumerate(model.modalities):
        seen = packed.mask[:, s].numpy()
        if seen.any():
            alone = Collection((data.raw(modality.name),), data.ids, data.source).select(np.flatnonzero(seen))
            scores[modality_subset(modality.name), LIKELIHOOD] = model.log_likelihood(alone, **options).value
        both = np.flatnonzero(seen & (packed.mask.sum(1).numpy() > 1))
        if len(both) > 1:
            mean = model.predict(data.select(both), target=modality.name, **options).mean
            answers.predictions[s] = both, mean if modality.kind == "categorical" else _numbers(modality, mean)
            scores |= _scored(model.modalities, packed, s, answers.predictions[s])
    for (subset, metric), values in list(scores.items())[1:]:  # the first has its error beside it, above
        collected.rows.append((*collected.keys, split, subset, metric, float(values.mean())))
    _rates(model, packed, split, collected)
    return answers


def _numbers(modality: Modality, values: np.ndarray) -> np.ndarray:
    """Predictions as the model's numbers [n, D]."""
    values = values.reshape(len(values), -1)
    return (values - np.array(modality.centre)) / np.array(modality.scale) if modality.scale else values


@torch.no_grad()
def _rates(model: MultimodalVAE, packed: PackedSplit, split: str, rows: Rows) -> None:
    """Rates and reconstructions, the latter in the units of the data."""
    core, cell = model.double(), model.cell
    units = torch.tensor([modality.log_jacobian for modality in model.modalities], dtype=torch.float64)
    plain = core.log_likelihood
    core.log_likelihood = lambda x, z: plain(x, z) + units
    part = packed.spread(cell.evaluation.samples).to(torch.float64)
    Evaluation(cell=cell, model=core, data=None, rows=rows, seed=model.seed).rates(part, split)
