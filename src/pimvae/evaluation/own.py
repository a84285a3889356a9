"""Evaluation of the user's own data: likelihoods, rates and reconstructions; nothing is known of the true model."""

__all__ = ["evaluate"]

import numpy as np
import torch

from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset
from pimvae.evaluation._identifiable import rate_rows
from pimvae.evaluation.likelihood_rows import likelihood_rows
from pimvae.evaluation.names import SPLITS
from pimvae.evaluation.near_exact import log_likelihood
from pimvae.evaluation.rows import Rows
from pimvae.models.vae import MultimodalVAE
from pimvae.training.packing import PackedSplit, pack
from pimvae.training.streams import derived_seed


@torch.no_grad()
def evaluate(cell: Cell, model: MultimodalVAE, data: Dataset, rows: Rows, seed: int) -> dict[str, np.ndarray]:
    """All metrics of one replica into ``rows``, for training samples and, where there are any, held-out ones."""
    generator = torch.Generator().manual_seed(derived_seed(seed, 2))
    for name, split in zip(SPLITS, (data.train, data.test), strict=True):
        if split is None:
            continue
        packed = pack(split, data.max_dim).to(torch.float64)
        part = packed.spread(cell.evaluation.llh_samples)
        likelihood_rows(cell.evaluation, model, part, rows, generator, name)
        _single(cell, model, part, name, rows, generator)
        rate_rows(cell, model, packed.spread(cell.evaluation.samples), name, rows, generator)
    return {}


def _single(
    cell: Cell, model: MultimodalVAE, part: PackedSplit, name: str, rows: Rows, generator: torch.Generator
) -> None:
    """log p(x_s) of each modality by itself, mean over samples that have it, then over modalities."""
    found = []
    for s in range(model.modalities):
        seen = part.mask[:, s]
        if not seen.any():
            continue
        only = torch.zeros_like(part.mask[seen])
        only[:, s] = True
        x = part.x[:, seen]
        sizes = cell.evaluation
        estimate = log_likelihood(model, x, only, generator, sizes.refined_particles, sizes.refinement_steps)
        found.append(estimate.log_likelihood.mean())
    rows.add("llh", float(torch.stack(found).mean()), "unimodal", name)
