"""Evaluation of own data: likelihoods, predictions and rates, in the units of the data, beside simple models."""

__all__ = ["LIKELIHOOD", "evaluate", "modality_subset", "score"]

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from pimvae.config.schema import Cell
from pimvae.data.dataset import spread
from pimvae.data.modality import Modality
from pimvae.data.readers import Collection
from pimvae.errors import UserError
from pimvae.evaluation.evaluation import Evaluation
from pimvae.evaluation.own_baselines import Baselines
from pimvae.evaluation.rows import Rows
from pimvae.library import MultimodalVAE
from pimvae.library.data import pack_collection
from pimvae.training.packing import PackedSplit
from pimvae.training.streams import Purpose, derived_seed

LIKELIHOOD = "llh"


def modality_subset(name: str) -> str:
    """What the column ``subset`` holds of one modality: no name of a modality can be mistaken for another subset."""
    return f"modality:{name}"


def evaluate(model: MultimodalVAE, train: Collection, test: Collection | None) -> list[tuple[object, ...]]:
    """Rows of ``metrics.csv``: of every seed, and of simple models, for training samples and held-out ones.

    ``llh`` is log p of all that is observed (subset ``all``) or of one modality alone, ``r2`` and ``accuracy`` are of a
    modality predicted from all others, the rest is as for the experiments; in nats, per sample.
    """
    rows: list[tuple[object, ...]] = []
    baselines = Baselines(model.modalities, pack_collection(train, model.modalities))
    for split, whole in (("train", train), ("test", test)):
        if whole is None:
            continue
        data = whole.select(spread(len(whole), model.cell.evaluation.llh_samples))
        packed = pack_collection(data, model.modalities)
        for seed in model.seeds:
            rows += _of_replica(model.replica(seed), data, packed, split)
            for name, subset, metric, value in baselines.rows(packed):
                keys = (model.cell.experiment, model.cell.dataset, "none", "none", "none", 1.0, seed, 1.0, name)
                rows.append((*keys, split, subset, metric, value))
    return rows


def _of_replica(
    model: MultimodalVAE, data: Collection, packed: PackedSplit, split: str
) -> Iterator[tuple[object, ...]]:
    cell, seed = model.cell, model.seed
    collected = Rows(cell, seed, float(cell.objective.betas[0]))
    if split == "train":
        collected.add("diverged", float(model.diverged))
    if model.diverged:
        return iter(collected.rows)
    options = {"draws": max(2, cell.evaluation.particles), "seed": derived_seed(seed, Purpose.EVALUATION) % 2**31}
    found = model.log_likelihood(data, **options)
    collected.add("llh", float(found.value.mean()), split=split)
    collected.add("llh_se", float(np.sqrt((found.error**2).sum())) / len(data), split=split)
    collected.add("ess_fraction", float(found.ess_fraction.mean()), split=split)
    rows = list(collected.rows)
    for s, modality in enumerate(model.modalities):
        for metric, value in _of_modality(model, data, packed, s, options):
            rows.append((*collected.keys, split, modality_subset(modality.name), metric, float(value)))
    return iter(rows + _rates(cell, model, packed, split))


def _of_modality(
    model: MultimodalVAE, data: Collection, packed: PackedSplit, s: int, options: dict[str, Any]
) -> Iterator[tuple[str, float]]:
    """log p(x_s) alone, and how well x_s is predicted from the others where both are there."""
    modality = model.modalities[s]
    seen = packed.mask[:, s].numpy()
    if not seen.any():
        return
    alone = Collection((data.raw(modality.name),), data.ids, data.source).select(np.flatnonzero(seen))
    yield LIKELIHOOD, float(model.log_likelihood(alone, **options).value.mean())
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


def score(modality: Modality, true: np.ndarray, mean: np.ndarray) -> Iterator[tuple[str, float]]:
    """``accuracy`` of classes and binary columns, ``r2`` (mean over the columns that vary) of numbers.

    Args:
        modality: of the values.
        true: the model's numbers [n, D].
        mean: predictions [n, D].
    """
    if modality.kind == "categorical":
        yield "accuracy", float((mean.argmax(1) == true.argmax(1)).mean())
    elif modality.kind == "binary":
        yield "accuracy", float(((mean > 0.5) == (true > 0.5)).mean())
    else:
        total = ((true - true.mean(0)) ** 2).sum(0)
        varies = total > 0
        if varies.any():
            yield "r2", float((1 - ((true - mean) ** 2).sum(0)[varies] / total[varies]).mean())


def _rates(cell: Cell, model: MultimodalVAE, packed: PackedSplit, split: str) -> list[tuple[object, ...]]:
    """Rates and reconstructions, the latter in the units of the data."""
    core = model.double()
    units = torch.tensor([modality.log_jacobian for modality in model.modalities], dtype=torch.float64)
    plain = core.log_likelihood
    core.log_likelihood = lambda x, z: plain(x, z) + units
    rows = Rows(cell, model.seed, float(cell.objective.betas[0]))
    part = packed.spread(cell.evaluation.samples).to(torch.float64)
    with torch.no_grad():
        Evaluation(cell=cell, model=core, data=None, rows=rows, seed=model.seed).rates(part, split)
    if not rows.rows:
        raise UserError("nothing could be evaluated")
    return rows.rows
