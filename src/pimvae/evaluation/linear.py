"""Evaluation of experiment 1: every number beside its exact answer."""

__all__ = ["evaluate"]

import numpy as np
import torch
from torch import Tensor

from pimvae import registry
from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset
from pimvae.evaluation.anatomy import kl_mixture_to_posterior
from pimvae.evaluation.bounds import SubsetPosteriors, average_anatomy, linear_gaussian
from pimvae.evaluation.likelihood_rows import likelihood_rows
from pimvae.evaluation.oracle import LinearGaussian, maximum_likelihood
from pimvae.evaluation.rates import cross_rate, few_draws, rate, reconstruction
from pimvae.evaluation.rows import Rows
from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Objective, as_objective
from pimvae.posteriors import Mixture, Posterior, standard_noise
from pimvae.training.packing import PackedSplit, pack
from pimvae.training.streams import Purpose, derived_seed


@torch.no_grad()
def evaluate(cell: Cell, model: MultimodalVAE, data: Dataset, rows: Rows, seed: int) -> dict[str, np.ndarray]:
    """All metrics of one replica into ``rows``; returns example reconstructions for data sets of images.

    Training data is the evaluation data, as in the publication (section 5.1).
    """
    split = pack(data.train, data.max_dim).to(torch.float64)
    x = split.x.movedim(0, 1)  # [sample, modality, dim], as the oracle has it
    exact = linear_gaussian(model)
    best = maximum_likelihood(x, torch.tensor(split.dims), model.latent_size, exact.noise_variance)
    generator = torch.Generator().manual_seed(derived_seed(seed, Purpose.EVALUATION))
    _likelihoods(rows, data, exact, best, x, split.mask)
    if rows.scope == "distance":
        return {}
    if rows.scope == "all":
        _estimates(rows, cell, model, exact, split, generator)
    _subset_metrics(rows, cell, model, exact, split.spread(cell.evaluation.samples), generator)
    return _examples(model, best, data, split) if cell.data.kind == "digits" and rows.scope == "all" else {}


def _likelihoods(
    rows: Rows, data: Dataset, exact: LinearGaussian, best: LinearGaussian, x: Tensor, mask: Tensor
) -> None:
    """Exact mean log-likelihood of the true, the best and the learned parameters."""
    learned, optimum = (float(p.log_likelihood(x, mask).mean()) for p in (exact, best))
    if "W" in data.truth:
        parts = (torch.as_tensor(data.truth[name]) for name in ("W", "b"))
        loading, offset = (part.double() for part in parts)
        truth = LinearGaussian(loading, offset, data.noise_scale**2, torch.as_tensor(data.truth["dims"]))
        rows.add("llh_true", float(truth.log_likelihood(x, mask).mean()))
    rows.add("llh_mle", optimum)
    rows.add("llh", learned)
    rows.add("llh_gap", (optimum - learned) / abs(optimum))


def _estimates(
    rows: Rows, cell: Cell, model: MultimodalVAE, exact: LinearGaussian, split: PackedSplit, generator: torch.Generator
) -> None:
    """Estimated log-likelihoods beside the exact one, on the same samples."""
    part = split.spread(cell.evaluation.llh_samples)
    likelihood_rows(cell.evaluation, model, part, rows, generator, "train", name="llh_estimated")
    rows.add("llh_exact_same", float(exact.log_likelihood(part.x.movedim(0, 1), part.mask).mean()))


def _subset_metrics(
    rows: Rows, cell: Cell, model: MultimodalVAE, exact: LinearGaussian, part: PackedSplit, generator: torch.Generator
) -> None:
    """Bound, divergences to the exact posterior, rates and reconstructions."""
    x = part.x.movedim(0, 1)
    posteriors = SubsetPosteriors(model, part.x)
    everything = torch.ones(model.modalities, dtype=torch.bool)
    single = torch.eye(model.modalities, dtype=torch.bool)
    full, alone = posteriors(everything), [posteriors(subset) for subset in single]
    # Two entries at least: the sampled gap takes independent draws for z_S and z_O.
    shape = (max(2, full.components), cell.evaluation.draws, len(part), model.latent_size)
    noise = standard_noise(shape, cell.model.family, generator, torch.float64)

    objective = as_objective(registry.lookup("objectives", cell.objective.name))
    if objective.anatomy is not None:
        _bound(rows, objective, exact, x, posteriors, noise)
    _divergences(rows, exact, x, [full], everything.unsqueeze(0), noise, "all")
    _divergences(rows, exact, x, alone, single, noise, "unimodal")
    if rows.scope != "all":
        return
    rows.add("rate", float(rate(model, full, noise).mean()))
    rows.add("rate", _mean([rate(model, q, noise) for q in alone]), "unimodal")
    rows.add("cross_rate", _mean([cross_rate(full, q, noise) for q in alone]), "unimodal")
    rows.add("reconstruction", float(reconstruction(model, part.x, full, noise).sum(-1).mean()))
    given = [reconstruction(model, part.x, q, noise) for q in alone]
    rows.add("reconstruction_marginal", _mean([values[:, s] for s, values in enumerate(given)]), "unimodal")
    rows.add(
        "reconstruction_cross", _mean([values.sum(-1) - values[:, s] for s, values in enumerate(given)]), "unimodal"
    )


def _bound(
    rows: Rows, objective: Objective, exact: LinearGaussian, x: Tensor, posteriors: SubsetPosteriors, noise: Tensor
) -> None:
    """The bound that was trained, at β = 1, its gap and the parts of the gap."""
    llh = float(exact.log_likelihood(x, torch.ones(x.shape[:2], dtype=torch.bool)).mean())
    gap = average_anatomy(objective, exact, x, posteriors, noise)
    rows.add("llh_bound_samples", llh)
    rows.add("bound", llh - gap.gap, "average")
    rows.add("bound_gap", gap.gap, "average")
    for name, value in (("subset_kl", gap.subset_kl), ("prediction", gap.prediction), ("full_kl", gap.full_kl)):
        if value is not None:
            rows.add(f"anatomy_{name}", value, "average")


def _divergences(
    rows: Rows, exact: LinearGaussian, x: Tensor, qs: list[Posterior], subsets: Tensor, noise: Tensor, label: str
) -> None:
    """KL(q(z|x_S) ‖ p(z|x_S)) averaged over the subsets, and its Monte-Carlo standard error (0 for a closed form)."""
    values, errors = [], []
    for q, subset in zip(qs, subsets, strict=True):
        truth = exact.posterior(x, subset)
        if isinstance(q, Mixture):
            value, error = kl_mixture_to_posterior(q, truth, noise)
        else:
            zs = map(q.rsample, few_draws(noise[:1], noise.shape[-1]))
            draws = torch.cat([q.log_prob(z) - truth.log_prob(z) for z in zs], dim=1)[0]
            value, error = draws.mean(0), draws.std(0) / draws.shape[0] ** 0.5
        values.append(value)
        errors.append(error)
    rows.add("kl_posterior", _mean(values), label)
    error = torch.stack(errors).mean(0)  # not less than that of the mean, whose subsets share their noise
    rows.add("kl_posterior_se", float(error.square().sum().sqrt()) / len(error), label)


def _mean(values: list[Tensor]) -> float:
    return float(torch.stack(values).mean())


def _examples(
    model: MultimodalVAE, best: LinearGaussian, data: Dataset, split: PackedSplit, given: int = 1
) -> dict[str, np.ndarray]:
    """For one sample of each class: the true parts, those inferred from one given part, and the exact conditional mean.

    Inferred is the decoder's mean at the posterior mean; the exact answer is that of the maximum-likelihood model.
    """
    labels = torch.as_tensor(data.train.truth["labels"])
    chosen = torch.cat([(labels == c).nonzero()[0] for c in labels.unique()])
    x = split.x[:, chosen]
    subset = torch.arange(model.modalities) == given
    z = model.posterior(x, subset.expand(len(chosen), -1)).mean()
    inferred = model.decoder(model.modality_latents(z)).movedim(0, 1).clone()
    inferred[:, given] = x[given]
    exact = best.conditional_mean(x.movedim(0, 1), subset)
    side = round(split.dims[0] ** 0.5)
    images = {"true": x.movedim(0, 1), "inferred": inferred, "exact": exact}
    # Four decimals: more than a figure shows, and the file is part of what is shipped.
    shaped = {name: v.reshape(len(chosen), -1, side, side).float().numpy().round(4) for name, v in images.items()}
    return shaped | {"given": np.array(given)}
