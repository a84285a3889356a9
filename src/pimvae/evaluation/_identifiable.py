"""Evaluation that the identifiable experiments share: likelihood, recovery of the true latents, rates."""

__all__ = ["evaluate_split", "posterior_latents", "rate_rows"]

import torch
from jaxtyping import Float
from torch import Tensor

from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset, Split
from pimvae.evaluation.identifiability import mcc
from pimvae.evaluation.likelihood_rows import likelihood_rows
from pimvae.evaluation.rates import cross_rate, rate, reconstruction
from pimvae.evaluation.rows import Rows
from pimvae.models.vae import MultimodalVAE
from pimvae.posteriors import standard_noise
from pimvae.training.packing import PackedSplit, pack


@torch.no_grad()
def evaluate_split(
    cell: Cell, model: MultimodalVAE, data: Dataset, name: str, rows: Rows, generator: torch.Generator
) -> None:
    """Metrics of one split (``train`` or ``test``) that every identifiable experiment reports."""
    split = data.train if name == "train" else data.test
    packed = pack(split, data.max_dim).to(torch.float64)
    part = packed.spread(cell.evaluation.llh_samples)
    likelihood_rows(cell.evaluation, model, part, rows, generator, name)
    if rows.scope == "distance":
        return
    _recovery(model, split, packed, name, rows, generator)
    if rows.scope == "all":
        rate_rows(cell, model, packed.spread(cell.evaluation.samples), name, rows, generator)


def posterior_latents(
    model: MultimodalVAE, x: Tensor, mask: Tensor, generator: torch.Generator
) -> tuple[Float[Tensor, "sample latent"], Float[Tensor, "sample latent"]]:
    """Posterior means and one posterior sample each, of the latent that modalities share."""
    posterior, size = model.posterior(x, mask), model.config.latent
    return posterior.mean()[:, :size], posterior.sample(1, generator)[0, :, :size]


def _recovery(
    model: MultimodalVAE, split: Split, packed: PackedSplit, name: str, rows: Rows, generator: torch.Generator
) -> None:
    """Mean correlation coefficients between true latents and those inferred from all that is observed."""
    truth = split.truth["latents"]
    for kind, inferred in zip(
        ("mean", "sample"), posterior_latents(model, packed.x, packed.mask, generator), strict=True
    ):
        for strength in ("strong", "weak"):
            score = mcc(truth, inferred.numpy(), rotation=strength == "weak")
            rows.add(f"mcc_{strength}_{kind}", score.out_of_sample, split=name)
            rows.add(f"mcc_{strength}_{kind}_in", score.in_sample, split=name)


def rate_rows(
    cell: Cell, model: MultimodalVAE, part: PackedSplit, name: str, rows: Rows, generator: torch.Generator
) -> None:
    """Rates and reconstructions from all observed modalities and from each alone (where it is observed)."""
    tokens = model.embed(part.x)
    full = model.aggregator.pool(tokens, part.mask)
    shape = (full.components, cell.evaluation.draws, len(part), model.latent_size)
    noise = standard_noise(shape, cell.model.family, generator, part.x.dtype, part.x.device)
    rows.add("rate", float(rate(model, full, noise).mean()), split=name)
    log_likelihood = torch.where(part.mask, reconstruction(model, part.x, full, noise), 0.0)
    rows.add("reconstruction", float(log_likelihood.sum(-1).mean()), split=name)
    cross, own, rest = [], [], []
    for s in range(model.modalities):
        seen = part.mask[:, s]
        only = torch.zeros_like(part.mask)
        only[:, s] = seen
        alone = model.aggregator.pool(tokens, only)
        log_likelihood = torch.where(part.mask, reconstruction(model, part.x, alone, noise), 0.0)
        cross.append(cross_rate(full, alone, noise)[seen])
        own.append(log_likelihood[seen, s])
        rest.append(log_likelihood[seen].sum(-1) - log_likelihood[seen, s])
    for metric, values in (("cross_rate", cross), ("reconstruction_marginal", own), ("reconstruction_cross", rest)):
        rows.add(metric, float(torch.cat(values).mean()), "unimodal", name)
