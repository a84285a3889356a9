"""A multi-modal VAE of own data: made from them, trained, saved."""

__all__ = ["MultimodalVAE"]

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pimvae import arguments
from pimvae.config.schema import Cell
from pimvae.data.modality import Modality
from pimvae.data.readers import read_memory
from pimvae.errors import UserError
from pimvae.files import check_writable
from pimvae.kernels import COMPILED, kernels_in
from pimvae.library import settings as sizes
from pimvae.library.answers import Answers
from pimvae.library.data import divided, modalities_of, start_at_means
from pimvae.library.files import Past, save
from pimvae.models.vae import MultimodalVAE as Core
from pimvae.models.vae import build_model
from pimvae.training.checkpoint import Checkpoint
from pimvae.training.device import choose_device
from pimvae.training.divergence import Diverged, divergence
from pimvae.training.fit import Fitted, fit
from pimvae.training.streams import Purpose, derived_seed

TOLD = ("step", "bound", "log_likelihood", "diverged", "priors")  # of `Fitted`, in run.json


class MultimodalVAE(Answers):
    """A multi-modal VAE of one's own modalities: p(z) ∏_s p(x_s | z) with a posterior q(z | x_S) for every subset S.

    `from_data` makes one (untrained), `fit` trains it with several seeds at once, `load` reads a saved one. Data are
    dicts of name → array, tensor or data frame, see `pimvae.data.readers.memory`, or what `pimvae.read` gave. Results
    are tensors where the data were tensors, else numpy arrays.

    Attributes:
        cell: the configuration.
        modalities: what is known of each modality, in order.
        models: one torch module per seed; untrained ones if none are given.
        seed: the seed whose model encodes, the best on its validation samples. The average of all seeds answers
            everything else (Lakshminarayanan et al., 2017); `replica` gives a single one.
        training: steps and validation bounds of each seed, and which diverged; empty before `fit`.
    """

    def __init__(self, cell: Cell, modalities: Sequence[Modality], models: Sequence[Core] | None = None) -> None:
        super().__init__(cell, modalities, models or ())
        if models is None:
            self.models = [self.fresh(seed) for seed in cell.seeds]
        self.training: dict[str, Any] = {}
        self.data_record: dict[str, Any] = {}  # what the command line says of the data
        self.seconds = 0.0
        self.fitted: Fitted | None = None  # of the last `fit`
        self.past: Past | None = None  # where it was loaded

    @classmethod
    def from_data(
        cls,
        data: Any,
        aggregator: str = sizes.AGGREGATOR,
        objective: str = sizes.OBJECTIVE,
        latent: int | None = None,
        kinds: Mapping[str, str] | None = None,
        mask: Any = None,
        standardise: bool = True,
        settings: Mapping[str, Any] | None = None,
        name: str = "data",
    ) -> "MultimodalVAE":
        """An untrained model whose modalities are those of the data.

        Args:
            data: training samples; kinds, classes, means and standard deviations are learned from them.
            aggregator: name of a file in ``pimvae/aggregators``.
            objective: name of a file in ``pimvae/objectives``.
            latent: size of z; default: two thirds of the columns, 4 … 48, and no more than columns.
            kinds: name → kind, where the values leave a doubt (`pimvae.data.modality.KINDS`).
            mask: [n, M], 0 where a modality is missing.
            standardise: whether Gaussian columns are centred and scaled inside the model (log-likelihoods are those of
                the data as they are, either way).
            settings: changes of `pimvae.config.schema`, ``{"model.decoder": "injective", "train.steps": 500}``.
            name: what to call the data in tables.

        Raises:
            UserError: if the data are ambiguous or unusable, or a name or value does not exist.
        """
        found = read_memory(data, mask)
        modalities = modalities_of(found, kinds, standardise)
        changes = {} if settings is None else arguments.mapping("settings", settings, '{"train.steps": 500}')
        cell = sizes.cell(modalities, len(found), aggregator, objective, latent, changes, name, found.source)
        return cls(cell, modalities)

    def fit(
        self,
        data: Any,
        steps: int | None = None,
        seeds: int | Sequence[int] = 3,
        mask: Any = None,
        validation: float | None = None,
        callbacks: Sequence[Any] = (),
        progress: bool = True,
        device: str = "auto",
        polish: bool | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> "MultimodalVAE":
        """Train with all seeds at once; their average then answers, and the best on its validation samples encodes.

        Args:
            data: training samples, of the modalities of `from_data`.
            steps: at most so many; default: the configuration's.
            seeds: a number of seeds (0, 1, …) or the seeds.
            mask: [n, M], 0 where a modality is missing.
            validation: share of the samples that decides when to stop; 0: train on all of them to the last step.
            callbacks: called with (step, {term: one number per seed}); True ends the training.
            progress: whether to show a bar.
            device: ``auto``, ``cpu`` or ``cuda``.
            polish: whether decoders, prior, encoders are then refined (`pimvae.training.fit`); default: if no images.
            checkpoint: from where a cut-off training goes on, as ``pimvae train`` does; compiled kernels lie beside it.

        Raises:
            UserError: if the data are not of these modalities, or a number is out of range.
            pimvae.training.divergence.Diverged: if every seed diverged; the message says what to try.
        """
        start = time.perf_counter()
        packed = self._pack(read_memory(data, mask))
        chosen, callbacks, polished = sizes.seeds_of(seeds), _callables(callbacks), self._refines(polish, "polish")
        cell = sizes.for_training(self.cell, len(packed), steps, chosen, validation)
        train, held_out = zip(*(divided(packed, cell.data.validation, seed) for seed in chosen), strict=True)
        models = [self.fresh(seed, cell) for seed in chosen]
        for model, part in zip(models, train, strict=True):
            start_at_means(model, part)
        with kernels_in(checkpoint and checkpoint.path and checkpoint.path.parent / COMPILED, cell.train.compile):
            found = fit(cell, models, train, held_out if cell.data.validation else None, choose_device(device),
                        callbacks, progress, polished, checkpoint)  # fmt: skip
        if all(found.diverged):
            raise Diverged(divergence(len(chosen), len(chosen), cell))
        self._take(cell, models, found)  # only now: a training that fails leaves the model as it was
        self.seconds = time.perf_counter() - start
        return self

    def _take(self, cell: Cell, models: Sequence[Core], found: Fitted) -> None:
        """Answer by models that were trained; nothing of an earlier training is left."""
        self.cell = cell.model_copy(update={"model": models[0].config})  # the prior may be another one
        self.models, self.fitted, self.data_record = list(models), found, {}
        self.past = None
        self.training = {name: getattr(found, name) for name in TOLD}
        self.choose_best()

    def choose_best(self) -> None:
        """Let the seed encode whose validation samples are likeliest (log-likelihood, else the bound)."""
        likelihoods = [after for _, after in self.training.get("log_likelihood", [])]
        scores = likelihoods or self.training.get("bound", [])
        self.alone = False
        usable = bool(scores) and bool(np.isfinite(scores).any())
        self.seed = self.seeds[int(np.nanargmax(scores))] if usable else self.seeds[0]

    @property
    def diverged(self) -> bool:
        """Whether the training left no usable weights of the chosen seed."""
        return self.lost(self.seed)

    def lost(self, seed: int) -> bool:
        """Whether the training left no usable weights of a seed."""
        flags = self.training.get("diverged", [False] * len(self.seeds))
        return flags[self.seeds.index(seed)] or super().lost(seed)

    def save(self, folder: Path | str) -> None:
        """Write ``weights.safetensors``, ``history.csv`` and ``run.json``; `load` reads them.

        Raises:
            UserError: if this is no folder, or one that cannot be written to.
        """
        path = arguments.path("folder", folder)
        check_writable(path)
        save(self, path)

    def fresh(self, seed: int, cell: Cell | None = None) -> Core:
        """An untrained module of a seed, of the model's own configuration or of another one."""
        dims = [modality.dim for modality in self.modalities]
        kinds = [modality.likelihood for modality in self.modalities]
        config = (cell or self.cell).model
        return build_model(config, dims, max(dims), kinds, None, derived_seed(seed, Purpose.INITIALISATION))


def _callables(callbacks: Any) -> tuple[Any, ...]:
    """The callbacks, all of which can be called.

    Raises:
        UserError: if one cannot, or they are no list.
    """
    found = arguments.sequence("callbacks", callbacks, "functions of (step, terms)")
    for callback in found:
        if not callable(callback):
            raise UserError(f"callbacks holds {callback!r:.80}, must be a list of functions of (step, terms)")
    return found
