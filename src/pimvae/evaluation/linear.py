"""Evaluation of experiment 1: every number beside its exact answer."""

__all__ = ["LinearEvaluation"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pimvae.evaluation.anatomy import kl_mixture_to_posterior
from pimvae.evaluation.bounds import SubsetPosteriors, average_anatomy, linear_gaussian, subset_posteriors
from pimvae.evaluation.evaluation import Evaluation
from pimvae.evaluation.oracle import LinearGaussian, maximum_likelihood
from pimvae.evaluation.rates import cross_rate, few_draws, rate, reconstruction
from pimvae.posteriors import Mixture, Posterior, standard_noise
from pimvae.training.packing import PackedSplit


@dataclass(frozen=True)
class _Optimum:
    """What depends on the data alone: the parameters of maximum likelihood, and exact mean log-likelihoods."""

    best: LinearGaussian
    llh: float
    llh_true: float | None  # of the parameters that drew the data, where they are known


@dataclass(kw_only=True)
class LinearEvaluation(Evaluation):
    """Training data is the evaluation data, as in the publication (section 5.1).

    Attributes:
        optima: of every seed met so far; the replicas of a cell share it, for the optimum costs more than they do.
        packed_train: the training data.
        x: the same as [sample, modality, dim], as the oracle has it.
        exact: the learned parameters as a linear-Gaussian model.
        optimum: what is best possible, at the same noise.
    """

    optima: dict[int, _Optimum] = field(default_factory=dict)

    @classmethod
    def prepare(cls, data_dir: Path) -> Mapping[str, Any]:
        """The optima, to be found once per seed."""
        return {"optima": {}}

    @torch.no_grad()
    def __post_init__(self) -> None:
        super().__post_init__()
        self.packed_train = self.packed("train")
        self.x = self.packed_train.x.movedim(0, 1)
        self.exact = linear_gaussian(self.model)
        if self.seed not in self.optima:
            self.optima[self.seed] = self._optimum()
        self.optimum = self.optima[self.seed]

    @torch.no_grad()
    def measure(self) -> dict[str, np.ndarray]:
        """All metrics into ``rows``; returns example reconstructions for data sets of images."""
        self._exact_likelihoods()
        if self.rows.scope == "distance":
            return {}
        if self.rows.scope == "all":
            self._estimates()
        self._subset_metrics(self.packed_train.spread(self.sizes.samples))
        return self._examples() if self.cell.data.kind == "digits" and self.rows.scope == "all" else {}

    def _exact_likelihoods(self) -> None:
        """Exact mean log-likelihood of the true, the best and the learned parameters."""
        rows, optimum = self.rows, self.optimum
        learned = self._mean_log_likelihood(self.exact)
        if optimum.llh_true is not None:
            rows.add("llh_true", optimum.llh_true)
        rows.add("llh_mle", optimum.llh)
        rows.add("llh", learned)
        rows.add("llh_gap", (optimum.llh - learned) / abs(optimum.llh))

    def _optimum(self) -> _Optimum:
        """Maximum likelihood, and the true parameters where the data know them."""
        dims, truth, true = torch.tensor(self.packed_train.dims), self.data.truth, None
        best = maximum_likelihood(self.x, dims, self.model.latent_size, self.exact.noise_variance)
        if "W" in truth:
            loading, offset = (torch.as_tensor(truth[name]).double() for name in ("W", "b"))
            drawn_by = LinearGaussian(loading, offset, self.data.noise_scale**2, torch.as_tensor(truth["dims"]))
            true = self._mean_log_likelihood(drawn_by)
        return _Optimum(best, self._mean_log_likelihood(best), true)

    def _mean_log_likelihood(self, parameters: LinearGaussian) -> float:
        """Exact mean over the training data, in nats."""
        return float(parameters.log_likelihood(self.x, self.packed_train.mask).mean())

    def _estimates(self) -> None:
        """Estimated log-likelihoods beside the exact one, on the same samples."""
        part = self.packed_train.spread(self.sizes.llh_samples)
        self.likelihoods(part, "train", name="llh_estimated")
        self.rows.add("llh_exact_same", float(self.exact.log_likelihood(part.x.movedim(0, 1), part.mask).mean()))

    def _subset_metrics(self, part: PackedSplit) -> None:
        """Bound, divergences to the exact posterior, rates and reconstructions."""
        model, rows, x = self.model, self.rows, part.x.movedim(0, 1)
        posteriors = subset_posteriors(model, part.x)
        everything = torch.ones(model.modalities, dtype=torch.bool)
        single = torch.eye(model.modalities, dtype=torch.bool)
        full, alone = posteriors(everything), [posteriors(subset) for subset in single]
        # Two entries at least: the sampled gap takes independent draws for z_S and z_O.
        shape = (max(2, full.components), self.sizes.draws, len(part), model.latent_size)
        noise = standard_noise(shape, self.cell.model.family, self.generator, torch.float64)

        if self.objective.anatomy is not None:
            self._bound(x, posteriors, noise)
        self._divergences(x, [full], everything.unsqueeze(0), noise, "all")
        self._divergences(x, alone, single, noise, "unimodal")
        if rows.scope != "all":
            return
        rows.add("rate", float(rate(model, full, noise).mean()))
        rows.add("rate", _mean([rate(model, q, noise) for q in alone]), "unimodal")
        rows.add("cross_rate", _mean([cross_rate(full, q, noise) for q in alone]), "unimodal")
        rows.add("reconstruction", float(reconstruction(model, part.x, full, noise).sum(-1).mean()))
        terms = [reconstruction(model, part.x, q, noise) for q in alone]
        rows.add("reconstruction_marginal", _mean([term[:, s] for s, term in enumerate(terms)]), "unimodal")
        rows.add("reconstruction_cross", _mean([term.sum(-1) - term[:, s] for s, term in enumerate(terms)]), "unimodal")

    def _bound(self, x: Tensor, posteriors: SubsetPosteriors, noise: Tensor) -> None:
        """The bound that was trained, at β = 1, its gap and the parts of the gap."""
        llh = float(self.exact.log_likelihood(x, torch.ones(x.shape[:2], dtype=torch.bool)).mean())
        parts = average_anatomy(self.objective, self.exact, x, posteriors, noise)
        gap = parts.pop("gap")
        self.rows.add("llh_bound_samples", llh)
        self.rows.add("bound", llh - gap, "average")
        self.rows.add("bound_gap", gap, "average")
        for name, value in parts.items():
            self.rows.add(f"anatomy_{name}", value, "average")

    def _divergences(self, x: Tensor, qs: list[Posterior], subsets: Tensor, noise: Tensor, label: str) -> None:
        """KL(q(z|x_S) ‖ p(z|x_S)) over the subsets, and its Monte-Carlo standard error (0 for a closed form)."""
        values, errors = [], []
        for q, subset in zip(qs, subsets, strict=True):
            truth = self.exact.posterior(x, subset)
            if isinstance(q, Mixture):
                value, error = kl_mixture_to_posterior(q, truth, noise)
            else:
                zs = map(q.rsample, few_draws(noise[:1], noise.shape[-1]))
                draws = torch.cat([q.log_prob(z) - truth.log_prob(z) for z in zs], dim=1)[0]
                value, error = draws.mean(0), draws.std(0) / draws.shape[0] ** 0.5
            values.append(value)
            errors.append(error)
        self.rows.add("kl_posterior", _mean(values), label)
        error = torch.stack(errors).mean(0)  # not less than that of the mean, whose subsets share their noise
        self.rows.add("kl_posterior_se", float(error.square().sum().sqrt()) / len(error), label)

    def _examples(self, given: int = 1) -> dict[str, np.ndarray]:
        """For one sample of each class: the true parts, those inferred from one, and the exact conditional mean.

        Inferred is the decoder's mean at the posterior mean; the exact answer is that of the maximum-likelihood model.
        """
        model, split = self.model, self.packed_train
        labels = torch.as_tensor(self.data.train.truth["labels"])
        chosen = torch.cat([(labels == c).nonzero()[0] for c in labels.unique()])
        x = split.x[:, chosen]
        subset = torch.arange(model.modalities) == given
        z = model.posterior(x, subset.expand(len(chosen), -1)).mean()
        inferred = model.decoder(model.modality_latents(z)).movedim(0, 1).clone()
        inferred[:, given] = x[given]
        exact = self.optimum.best.conditional_mean(x.movedim(0, 1), subset)
        side = round(split.dims[0] ** 0.5)
        images = {"true": x.movedim(0, 1), "inferred": inferred, "exact": exact}
        # Four decimals: more than a figure shows, and the file is part of what is shipped.
        shaped = {name: v.reshape(len(chosen), -1, side, side).float().numpy().round(4) for name, v in images.items()}
        return shaped | {"given": np.array(given)}


def _mean(values: list[Tensor]) -> float:
    return float(torch.stack(values).mean())
