"""What jobs are estimated from: counts of one replica, and a bound on them where nothing was counted."""

__all__ = ["Architecture", "Counts", "Problem", "bound"]

import hashlib
import json
from dataclasses import dataclass

from pimvae.config.schema import Cell, ModelConfig, ObjectiveConfig
from pimvae.planning.datasets import Views, shape


@dataclass(frozen=True)
class Counts:
    """One replica; an operation is a multiplication or an addition in a product of matrices or a convolution.

    Args:
        parameters: trainable numbers, padding included.
        operations: of the loss of one training step, forward and backward.
        activations: numbers of that step that are kept for the backward pass.
        components: K of the posterior of all modalities.
        particle: operations of one importance-sampling particle of one sample.
        draw: operations of the rate and the reconstruction of one sample, with one draw of every component.
        decoded: numbers that are made on the way from one latent to its likelihood.
    """

    parameters: int
    operations: int
    activations: int
    components: int
    particle: int
    draw: int
    decoded: int


@dataclass(frozen=True)
class Architecture(Views):
    """What of a cell its networks depend on: the modalities, and the model's configuration."""

    config: ModelConfig


@dataclass(frozen=True)
class Problem:
    """What of a cell its counts depend on: cells that agree in this share them."""

    architecture: Architecture
    objective: ObjectiveConfig
    batch: int

    @classmethod
    def of(cls, cell: Cell) -> "Problem":
        form = shape(cell.data)
        objective = cell.objective.model_copy(update={"betas": (1.0,)})
        batch = min(cell.train.batch_size, form.train)
        return cls(Architecture(form.dims, form.likelihoods, cell.model), objective, batch)

    @property
    def subsets(self) -> int:
        """Subsets of every sample that a step looks at."""
        return 2**self.architecture.modalities if self.objective.subset_law == "all_subsets" else 1

    def fingerprint(self) -> str:
        sizes = [self.architecture.dims, self.architecture.likelihoods, self.batch]
        parts = [*sizes, self.architecture.config.model_dump(), self.objective.model_dump()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


# Of `bound`: outputs of a modality's layers for each of its widths, passes of its networks in a step. With these, and
# the margins of a request, no cell of the repository would be asked too little for.
OUTPUTS, PASSES = 20, 4


def bound(problem: Problem) -> Counts:
    """About what the largest scheme takes with these widths, for most several times too much; needs no torch."""
    m, width, model = problem.architecture.modalities, problem.architecture.width, problem.architecture.config
    hidden, latent = sum(model.encoder_widths) + model.pooling_width, model.latent + model.private_latent
    parameters = m * hidden * (width + hidden)
    rows = problem.batch * problem.subsets * problem.objective.importance_samples
    before_last = width if model.networks == "vector" else max(model.encoder_widths)
    decoder = 2 * m * (width * (latent + before_last) + (model.private_latent > 0) * model.pooling_width**2)
    components = max(m * m, model.components)
    return Counts(
        parameters=parameters,
        operations=PASSES * 6 * rows * parameters,
        activations=OUTPUTS * rows * m * (width + hidden),
        components=components,
        particle=2 * decoder,
        draw=components * decoder,
        decoded=2 * m * (width + hidden),
    )
