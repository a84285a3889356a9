"""Evaluation of experiment 3: recovery and likelihood on held-out data, by what is observed."""

__all__ = ["evaluate"]

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset
from pimvae.evaluation._identifiable import evaluate_split
from pimvae.evaluation.identifiability import mcc
from pimvae.evaluation.names import of_size
from pimvae.evaluation.rows import Rows
from pimvae.models.vae import MultimodalVAE
from pimvae.subsets import all_subsets
from pimvae.training.packing import pack
from pimvae.training.streams import Purpose, derived_seed

FEWEST = 200  # samples for which a correlation is reported


@torch.no_grad()
def evaluate(cell: Cell, model: MultimodalVAE, data: Dataset, rows: Rows, seed: int) -> dict[str, np.ndarray]:
    """All metrics of one replica into ``rows``: held-out likelihood, MCC by observed modalities, clusters, rates."""
    generator = torch.Generator().manual_seed(derived_seed(seed, Purpose.EVALUATION))
    evaluate_split(cell, model, data, "test", rows, generator)
    if rows.scope != "all":
        return {}
    packed = pack(data.test, data.max_dim).to(torch.float64)
    truth, labels = (data.test.truth[name] for name in ("latents", "labels"))
    if cell.evaluation.by_size:
        every = len(packed) // max(cell.evaluation.samples, 1) if packed.mask.all() else 1  # 31 passes: fewer samples
        chosen = slice(None, None, max(every, 1))
        _recovery_by_size(model, packed.x[:, chosen], packed.mask[chosen], truth[chosen], rows)
    if cell.model.prior == "mixture":
        rows.add("cluster_accuracy", cluster_accuracy(model, packed.x, packed.mask, labels), split="test")
    return {}


def _recovery_by_size(model: MultimodalVAE, x: Tensor, mask: Tensor, truth: np.ndarray, rows: Rows) -> None:
    """Strong MCC of posterior means against the number of modalities given.

    With complete data, the mean over all subsets of one size; with missing data, over the samples that have that many.
    """
    tokens = model.embed(x)
    scores: dict[int, list[float]] = {}
    for subset in all_subsets(model.modalities)[1:] if mask.all() else []:
        inferred = model.aggregator.pool(tokens, subset.expand(len(mask), -1)).mean()[:, : model.config.latent]
        scores.setdefault(int(subset.sum()), []).append(mcc(truth, inferred.numpy()).out_of_sample)
    sizes = mask.sum(-1)
    for size in range(1, model.modalities + 1) if not mask.all() else []:
        chosen = sizes == size
        if int(chosen.sum()) >= FEWEST:
            inferred = model.posterior(x[:, chosen], mask[chosen]).mean()[:, : model.config.latent]
            scores[size] = [mcc(truth[chosen.numpy()], inferred.numpy()).out_of_sample]
    for size, values in sorted(scores.items()):
        rows.add("mcc_strong_mean", float(np.mean(values)), of_size(size), "test")


def cluster_accuracy(model: MultimodalVAE, x: Tensor, mask: Tensor, labels: np.ndarray) -> float:
    """Share of samples whose true cluster is the most probable prior component at the posterior mean.

    Components have no names of their own: they are matched to clusters one to one, as well as possible.
    """
    prior = model.prior.distribution()
    z = model.posterior(x, mask).mean()
    chosen = (prior.logits + prior.component_log_prob(z)).argmax(-1).numpy()
    table = np.zeros((prior.components, int(labels.max()) + 1))
    np.add.at(table, (chosen, labels), 1)
    return float(table[linear_sum_assignment(-table)].sum() / len(labels))
