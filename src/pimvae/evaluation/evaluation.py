"""What is measured of one trained replica: the object that the evaluation of every kind of experiment is made of."""

__all__ = ["Evaluation", "evaluation_of"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from pimvae.config.schema import Cell, EvaluationConfig
from pimvae.data.dataset import Dataset, Split
from pimvae.evaluation.likelihood import importance_log_likelihood
from pimvae.evaluation.near_exact import log_likelihood
from pimvae.evaluation.pareto import TRUSTED
from pimvae.evaluation.rates import cross_rate, rate, reconstruction
from pimvae.evaluation.rows import Rows
from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Objective, as_objective
from pimvae.posteriors import standard_noise
from pimvae.registry import lookup
from pimvae.training.packing import PackedSplit, pack
from pimvae.training.streams import Purpose, derived_seed


@dataclass(kw_only=True)
class Evaluation:
    """One replica after a share of its steps, the data it is measured on, and the rows that the numbers go to.

    A kind of experiment is a subclass with a method `measure`; what several kinds measure is here. All draws come from
    one generator, in the order in which the methods ask for them: the numbers are the same in every run.

    Attributes:
        cell: configuration of the replica.
        model: the VAE, in double precision and evaluation mode.
        data: what it was trained on, and what was held out.
        rows: where the numbers go; their scope says how much is measured.
        seed: of the data set and of the draws.
        generator: source of the draws, on the model's device.
    """

    ON_DEVICE: ClassVar[bool] = False  # whether it may run where the model was trained
    cell: Cell
    model: MultimodalVAE
    data: Dataset | None
    rows: Rows
    seed: int
    generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        device = next(self.model.parameters()).device
        self.generator = torch.Generator(device).manual_seed(derived_seed(self.seed, Purpose.EVALUATION))

    @classmethod
    def prepare(cls, data_dir: Path) -> Mapping[str, Any]:
        """Arguments that all replicas of a data set share."""
        return {}

    @classmethod
    def stand_in(cls, data: Dataset) -> Mapping[str, Any]:
        """The same untrained, where only the time of an evaluation is of interest."""
        return {}

    def measure(self) -> dict[str, np.ndarray]:
        """All metrics into ``rows``; returns arrays for the figures, empty where there are none."""
        raise NotImplementedError

    @property
    def sizes(self) -> EvaluationConfig:
        """How many samples, draws and particles."""
        return self.cell.evaluation

    @property
    def objective(self) -> Objective:
        """The bound that was trained."""
        return as_objective(lookup("objectives", self.cell.objective.name))

    def split(self, name: str) -> Split:
        """The samples called ``train`` or ``test``."""
        return self.data.train if name == "train" else self.data.test

    def packed(self, name: str) -> PackedSplit:
        """The same as tensors, in double precision."""
        return pack(self.split(name), self.data.max_dim).to(torch.float64)

    def likelihoods(self, part: PackedSplit, split: str, subset: str = "all", name: str = "llh") -> None:
        """Log-likelihood of what is observed in ``part``, in nats, mean over its points.

        Nothing, for an objective that does not draw latents towards the prior
        (`pimvae.objectives._base.Objective.follows_prior`).

        * ``llh`` (or ``name``): near-exact (`pimvae.evaluation.near_exact.log_likelihood`); ``llh_error`` bounds its
          error;
        * ``ess_fraction``: share of particles that count; ``k_hat_above``: share of points whose importance weights had
          k̂ > .7 twice, so that annealing was taken, too (neither for a quadrature);
        * ``llh_encoder``: importance sampling with the encoder as the only proposal, which is what the literature
          reports, with its standard error ``llh_encoder_se`` and effective share ``ess_fraction_encoder``. The
          difference says how far the encoder is off. Only after all steps.

        Args:
            part: the points, and O of each.
            split: ``train`` or ``test``.
            subset: name of the observed modalities.
            name: of the near-exact value.
        """
        if not self.objective.follows_prior:
            return
        rows, sizes = self.rows, self.sizes
        found = log_likelihood(
            self.model, part.x, part.mask, self.generator, sizes.refined_particles, sizes.refinement_steps
        )
        rows.add(name, float(found.log_likelihood.mean()), subset, split)
        error = found.mean_error()
        if self.model.latent_size > 2:
            rows.add("ess_fraction", float(found.ess_fraction.mean()), subset, split)
            rows.add("k_hat_above", float((found.k_hat > TRUSTED).double().mean()), subset, split)
        if rows.scope == "all":
            encoder = importance_log_likelihood(self.model, part.x, part.mask, sizes.particles, self.generator)
            rows.add("llh_encoder", float(encoder.log_likelihood.mean()), subset, split)
            # It is the logarithm of an unbiased estimate, too: what it finds is there.
            error = max(error, float(encoder.log_likelihood.mean() - found.log_likelihood.mean()))
            rows.add("llh_encoder_se", float(encoder.error.square().sum().sqrt()) / len(part), subset, split)
            rows.add("ess_fraction_encoder", float(encoder.ess_fraction.mean()), subset, split)
        rows.add("llh_error", error, subset, split)

    def rates(self, part: PackedSplit, split: str) -> None:
        """Rates and reconstructions from all observed modalities and from each alone (where it is observed)."""
        model, rows = self.model, self.rows
        tokens = model.embed(part.x)
        full = model.aggregator.pool(tokens, part.mask)
        shape = (full.components, self.sizes.draws, len(part), model.latent_size)
        noise = standard_noise(shape, self.cell.model.family, self.generator, part.x.dtype, part.x.device)
        rows.add("rate", float(rate(model, full, noise).mean()), split=split)
        given = torch.where(part.mask, reconstruction(model, part.x, full, noise), 0.0)
        rows.add("reconstruction", float(given.sum(-1).mean()), split=split)
        cross, own, rest = [], [], []
        for s in range(model.modalities):
            seen = part.mask[:, s]
            only = torch.arange(model.modalities, device=seen.device) == s
            alone = model.aggregator.pool(tokens, part.mask & only)
            given = torch.where(part.mask, reconstruction(model, part.x, alone, noise), 0.0)
            cross.append(cross_rate(full, alone, noise)[seen])
            own.append(given[seen, s])
            rest.append(given[seen].sum(-1) - given[seen, s])
        for metric, values in (("cross_rate", cross), ("reconstruction_marginal", own), ("reconstruction_cross", rest)):
            rows.add(metric, float(torch.cat(values).mean()), "unimodal", split)


def evaluation_of(cell: Cell) -> type[Evaluation]:
    """What measures the replicas of a cell: the first name in the ``__all__`` of the evaluator's file."""
    return lookup("evaluation", cell.evaluator)
