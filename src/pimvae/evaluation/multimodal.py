"""Evaluation of experiment 3: recovery and likelihood on held-out data, by what is observed."""

__all__ = ["MultimodalEvaluation", "cluster_accuracy"]

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from pimvae.evaluation.identifiability import mcc
from pimvae.evaluation.identifiable import IdentifiableEvaluation
from pimvae.evaluation.rows import of_size
from pimvae.models.vae import MultimodalVAE
from pimvae.subsets import all_subsets

FEWEST = 200  # samples for which a correlation is reported


class MultimodalEvaluation(IdentifiableEvaluation):
    """Held-out likelihood, MCC by observed modalities, clusters, rates."""

    @torch.no_grad()
    def measure(self) -> dict[str, np.ndarray]:
        """All metrics into ``rows``; nothing for the figures."""
        packed = self.measure_split("test")
        if self.rows.scope != "all":
            return {}
        truth = self.data.test.truth
        if self.sizes.by_size:
            # 31 passes over complete data: fewer samples
            every = len(packed) // max(self.sizes.samples, 1) if packed.mask.all() else 1
            chosen = slice(None, None, max(every, 1))
            self._recovery_by_size(packed.x[:, chosen], packed.mask[chosen], truth["latents"][chosen])
        if self.cell.model.prior == "mixture":
            score = cluster_accuracy(self.model, packed.x, packed.mask, truth["labels"])
            self.rows.add("cluster_accuracy", score, split="test")
        return {}

    def _recovery_by_size(self, x: Tensor, mask: Tensor, truth: np.ndarray) -> None:
        """Strong MCC of posterior means against the number of modalities given.

        With complete data, the mean over all subsets of one size; with missing data, over the samples that have that
        many.
        """
        model, size = self.model, self.model.config.latent
        tokens = model.embed(x)
        scores: dict[int, list[float]] = {}
        for subset in all_subsets(model.modalities)[1:] if mask.all() else []:
            inferred = model.aggregator.pool(tokens, subset.expand(len(mask), -1)).mean()[:, :size]
            scores.setdefault(int(subset.sum()), []).append(mcc(truth, inferred.numpy()).out_of_sample)
        observed = mask.sum(-1)
        for count in range(1, model.modalities + 1) if not mask.all() else []:
            chosen = observed == count
            if int(chosen.sum()) >= FEWEST:
                inferred = model.posterior(x[:, chosen], mask[chosen]).mean()[:, :size]
                scores[count] = [mcc(truth[chosen.numpy()], inferred.numpy()).out_of_sample]
        for count, values in sorted(scores.items()):
            self.rows.add("mcc_strong_mean", float(np.mean(values)), of_size(count), "test")


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
