"""Evaluation of experiment 2: a vector and its label."""

__all__ = ["BimodalEvaluation"]

import numpy as np
import torch

from pimvae.evaluation.identifiability import mcc
from pimvae.evaluation.identifiable import IdentifiableEvaluation
from pimvae.evaluation.multimodal import cluster_accuracy
from pimvae.evaluation.rows import PAIR, SPLITS
from pimvae.training.packing import PackedSplit, pack

LABEL, VECTOR = 0, 1  # order of the modalities
SHOWN = 400  # samples in the figure


class BimodalEvaluation(IdentifiableEvaluation):
    """A vector and its label: training data as in the publication, data held out from the same clusters beside it."""

    @torch.no_grad()
    def measure(self) -> dict[str, np.ndarray]:
        """All metrics into ``rows``; returns the points of the latent-recovery figure (β = 1 only)."""
        rows = self.rows
        if rows.scope != "all" and not rows.is_reference:
            return {}
        splits = SPLITS if self.data.test is not None else SPLITS[:1]
        for name in splits if rows.scope == "all" else splits[-1:]:
            packed = self.measure_split(name)
            if rows.scope == "all":
                self._one_given(packed, name)
                if self.cell.model.prior == "mixture":
                    labels = self.split(name).truth["labels"]
                    score = cluster_accuracy(self.model, packed.x, packed.mask, labels)
                    rows.add("cluster_accuracy", score, split=name)
        if not rows.is_reference or rows.scope != "all":
            return {}
        return self._points() | {"seed": np.array(self.seed)}

    def _one_given(self, packed: PackedSplit, name: str) -> None:
        """Label accuracy and latent recovery when the label, or the vector, is missing at test time."""
        model, truth = self.model, self.split(name).truth
        for given, modality in zip((VECTOR, LABEL), PAIR, strict=True):
            z = model.posterior(packed.x, packed.mask & (torch.arange(len(PAIR)) == given)).mean()
            logits = model.decoder(model.modality_latents(z))[LABEL]
            classes = int(model.decoder.valid[LABEL].sum())
            guess = logits[:, :classes].argmax(-1).numpy()
            self.rows.add("accuracy", float((guess == truth["labels"]).mean()), modality, name)
            self.rows.add("mcc_strong_mean", mcc(truth["latents"], z.numpy()).out_of_sample, modality, name)

    def _points(self) -> dict[str, np.ndarray]:
        """True latents, data, inferred latents (aligned by the best permutation and sign) and reconstructions."""
        model, shown = self.model, self.data.train.spread(SHOWN)
        packed = pack(shown, self.data.max_dim).to(torch.float64)
        z = model.posterior(packed.x, packed.mask).mean()
        truth = shown.truth["latents"]
        score = mcc(truth, z.numpy())
        aligned = z.numpy()[:, score.permutation] * score.signs
        width = packed.dims[VECTOR]
        means = model.decoder(model.modality_latents(z))[VECTOR, :, :width]
        places = {
            "latents": truth,
            "x": packed.x[VECTOR, :, :width].numpy(),
            "inferred": aligned,
            "reconstruction": means.numpy(),
        }
        # Single precision: more than a figure shows, and the file is part of what is shipped.
        found = {name: values.astype(np.float32) for name, values in places.items()}
        return found | {"labels": shown.truth["labels"]}
