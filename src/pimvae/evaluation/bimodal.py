"""Evaluation of experiment 2: a vector and its label."""

__all__ = ["evaluate"]

import numpy as np
import torch
from torch import Tensor

from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset
from pimvae.evaluation._identifiable import evaluate_split
from pimvae.evaluation.identifiability import mcc
from pimvae.evaluation.multimodal import cluster_accuracy
from pimvae.evaluation.names import PAIR, SPLITS
from pimvae.evaluation.rows import Rows
from pimvae.models.vae import MultimodalVAE
from pimvae.training.packing import pack
from pimvae.training.streams import Purpose, derived_seed

LABEL, VECTOR = 0, 1  # order of the modalities
SHOWN = 400  # samples in the figure


@torch.no_grad()
def evaluate(cell: Cell, model: MultimodalVAE, data: Dataset, rows: Rows, seed: int) -> dict[str, np.ndarray]:
    """All metrics of one replica into ``rows``; returns the points of the latent-recovery figure (β = 1 only).

    Training data is evaluated as in the publication; data held out from the same clusters beside it.
    """
    generator = torch.Generator().manual_seed(derived_seed(seed, Purpose.EVALUATION))
    if rows.scope != "all" and not rows.is_reference:
        return {}
    splits = SPLITS if data.test is not None else SPLITS[:1]
    for name in splits if rows.scope == "all" else splits[-1:]:
        evaluate_split(cell, model, data, name, rows, generator)
        if rows.scope != "all":
            continue
        split = data.train if name == "train" else data.test
        packed = pack(split, data.max_dim).to(torch.float64)
        _one_given(model, packed.x, packed.mask, split.truth, rows, name)
        if cell.model.prior == "mixture":
            score = cluster_accuracy(model, packed.x, packed.mask, split.truth["labels"])
            rows.add("cluster_accuracy", score, split=name)
    if not rows.is_reference or rows.scope != "all":
        return {}
    return _points(model, data) | {"seed": np.array(seed)}


def _one_given(
    model: MultimodalVAE, x: Tensor, mask: Tensor, truth: dict[str, np.ndarray], rows: Rows, split: str
) -> None:
    """Label accuracy and latent recovery when the label, or the vector, is missing at test time."""
    for given, name in zip((VECTOR, LABEL), PAIR, strict=True):
        only = torch.zeros_like(mask)
        only[:, given] = mask[:, given]
        z = model.posterior(x, only).mean()
        logits = model.decoder(model.modality_latents(z))[LABEL]
        classes = int(model.decoder.valid[LABEL].sum())
        guess = logits[:, :classes].argmax(-1).numpy()
        rows.add("accuracy", float((guess == truth["labels"]).mean()), name, split)
        rows.add("mcc_strong_mean", mcc(truth["latents"], z.numpy()).out_of_sample, name, split)


def _points(model: MultimodalVAE, data: Dataset) -> dict[str, np.ndarray]:
    """True latents, data, inferred latents (aligned by the best permutation and sign) and reconstructions."""
    shown = data.train.spread(SHOWN)
    packed = pack(shown, data.max_dim).to(torch.float64)
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
