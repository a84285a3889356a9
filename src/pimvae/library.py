"""The library: multi-modal VAEs of own data in a few calls: `MultimodalVAE` and `load`."""

__all__ = ["MultimodalVAE", "load"]

import copy
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch comes: models are small, more threads only wait

import numpy as np
import torch
from torch import Tensor, nn

from pimvae import settings as sizes
from pimvae.config.schema import Cell
from pimvae.data.modality import Modality, describe
from pimvae.data.readers import Collection, read_memory
from pimvae.data.understand import understand
from pimvae.errors import UserError, did_you_mean
from pimvae.inference import LogLikelihood, Posterior, Sampler
from pimvae.models.vae import MultimodalVAE as Core
from pimvae.models.vae import build_model
from pimvae.training.device import choose_device
from pimvae.training.packing import PackedSplit
from pimvae.training.streams import derived_seed


class MultimodalVAE:
    """A multi-modal VAE of one's own modalities: p(z) ∏_s p(x_s | z) with a posterior q(z | x_S) for every subset S.

    `from_data` makes one (untrained), `fit` trains it with several seeds at once, `load` reads a saved one. Data are
    dicts of name → array, tensor or data frame, see `pimvae.data.readers.memory`, or what `pimvae.read` gave. Results
    are tensors where the data were tensors, else numpy arrays.

    Attributes:
        cell: the configuration.
        modalities: what is known of each modality, in order.
        models: one torch module per seed.
        seed: the seed whose model answers; `replica` gives the others.
        training: steps and validation bounds of each seed; empty before `fit`.
    """

    def __init__(self, cell: Cell, modalities: Sequence[Modality], models: Sequence[Core]) -> None:
        self.cell, self.modalities, self.models = cell, tuple(modalities), list(models)
        self.seed = cell.seeds[0]
        self.training: dict[str, Any] = {}
        self.data_record: dict[str, Any] = {}  # what the command line says of the data
        self.seconds = 0.0
        self.width: int | None = None  # to which modalities are padded, where it is more than the widest one's
        self._fitted: Any = None

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
            latent: size of z; default: half of the columns, 2 … 16.
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
        cell = sizes.cell(modalities, len(found), aggregator, objective, latent, settings or {}, name, found.source)
        model = cls(cell, modalities, [])
        model.models = [model._fresh(seed) for seed in cell.seeds]
        return model

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
    ) -> "MultimodalVAE":
        """Train with all seeds at once; afterwards the seed with the best validation bound answers.

        Args:
            data: training samples, of the modalities of `from_data`.
            steps: at most so many; default: the configuration's.
            seeds: a number of seeds (0, 1, …) or the seeds.
            mask: [n, M], 0 where a modality is missing.
            validation: share of the samples that decides when to stop; 0: train on all of them to the last step.
            callbacks: called with (step, {term: one number per seed}); True ends the training.
            progress: whether to show a bar.
            device: ``auto``, ``cpu`` or ``cuda``.
            polish: whether the decoders are then fitted to posteriors refined sample by sample, and the encoders once
                more to these decoders (`pimvae.training.fit`); default: yes, where no modality is an image.

        Raises:
            UserError: if the data are not of these modalities, or a number is out of range.
        """
        from pimvae.training.fit import fit

        start = time.perf_counter()
        packed = self._pack(read_memory(data, mask))
        chosen = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
        self.cell = sizes.for_training(self.cell, len(packed), steps, chosen, validation)
        share = self.cell.data.validation
        parts = [_divided(packed, share, seed) for seed in chosen]
        self.models = [self._fresh(seed) for seed in chosen]
        for model, (train, _) in zip(self.models, parts, strict=True):
            _start(model, train)
        held_out = [other for _, other in parts] if share else None
        train = [part for part, _ in parts]
        self._fitted = fit(self.cell, self.models, train, held_out, choose_device(device), callbacks, progress,
                           self._refines(polish))  # fmt: skip
        self.training = {"step": self._fitted.step, "bound": self._fitted.bound}
        self.training["log_likelihood"] = self._fitted.log_likelihood
        self.seconds = time.perf_counter() - start
        self.choose_best()
        return self

    def choose_best(self) -> None:
        """Let the seed answer whose validation samples are likeliest (log-likelihood, else the bound)."""
        likelihoods = [after for _, after in self.training.get("log_likelihood", [])]
        scores = likelihoods or self.training.get("bound", [])
        usable = bool(scores) and bool(np.isfinite(scores).any())
        self.seed = self.seeds[int(np.nanargmax(scores))] if usable else self.seeds[0]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that there are models of."""
        return self.cell.seeds

    @property
    def module(self) -> Core:
        """The torch module of the chosen seed."""
        return self.models[self.seeds.index(self.seed)]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(modality.name for modality in self.modalities)

    def replica(self, seed: int) -> "MultimodalVAE":
        """The same with the model of another seed.

        Raises:
            UserError: if there is none.
        """
        if seed not in self.seeds:
            raise UserError(f"there is no seed {seed} (known: {', '.join(map(str, self.seeds))})")
        other = copy.copy(self)
        other.seed = seed
        return other

    def parameters(self) -> Iterator[nn.Parameter]:
        """Those of the chosen seed, for optimisers of one's own."""
        return self.module.parameters()

    def describe(self, data: Any = None, mask: Any = None) -> str:
        """What the modalities were understood as; with data, also how many samples lack them."""
        if data is None:
            masks = np.ones((0, len(self.modalities)), dtype=bool)
        else:
            masks = self._pack(read_memory(data, mask)).mask.numpy()
        return "\n".join(describe(self.modalities, masks))

    def loss(self, data: Any, mask: Any = None, generator: torch.Generator | None = None) -> Tensor:
        """The training loss: minus the bound, mean over the samples, in nats of the model's units; differentiable.

        Subsets and noise are drawn anew by ``generator`` (default: torch's own).
        """
        packed = self._pack(read_memory(data, mask))
        return Sampler(self.module, self.modalities, packed).loss(self.cell, generator)

    def encode(self, data: Any, mask: Any = None, refined: bool | None = None) -> Posterior:
        """q(z | x_O): mean and scale [n, latent], ``sample(count)`` [count, n, latent], ``log_prob(z)`` [n].

        Args:
            data: samples; modalities that are not named are missing.
            mask: [n, M], 0 where a modality is missing.
            refined: True: the Gaussian at the mode of each sample's p(z | x_O), by Newton's method, exact for
                linear-Gaussian decoders; False: the encoder's, faster; default: True where no modality is an image.
        """
        return self._sampler(data, mask).posterior(self._refines(refined), _as_tensors(data))

    def predict(
        self,
        data: Any,
        target: str | Sequence[str] | None = None,
        mask: Any = None,
        samples: int = 0,
        interval: float = 0.95,
        refined: bool | None = None,
        draws: int = 512,
        seed: int = 0,
    ) -> Any:
        """x_s given the other modalities: expectation, standard deviation, interval, draws; probabilities of classes.

        Args:
            data: samples; modalities that are not named are missing.
            target: a modality (gives a `Prediction`) or several (gives a dict), each predicted from *all others* that
                are observed; None: every modality from *all* that are observed, itself included.
            mask: [n, M], 0 where a modality is missing.
            samples: number of draws of x to return, [samples, n, …].
            interval: coverage of the interval between ``lower`` and ``upper``.
            refined: posteriors by Newton's method and importance weights instead of the encoder's; default: yes, where
                no modality is an image.
            draws: of z.
            seed: of the random numbers.

        Raises:
            UserError: if a target is unknown, or a sample has nothing to predict from.
        """
        wanted = self.names if target is None else (target,) if isinstance(target, str) else tuple(target)
        for name in wanted:
            if name not in self.names:
                raise UserError(f"unknown modality '{name}' ({did_you_mean(name, self.names)})")
        sampler = self._sampler(data, mask)
        options = (samples, interval, self._refines(refined), draws, seed, _as_tensors(data))
        if target is None:
            return sampler.predict(wanted, None, *options)
        found = {name: sampler.predict((name,), name, *options)[name] for name in wanted}
        return found[target] if isinstance(target, str) else found

    def impute(self, data: Any, mask: Any = None, **options: Any) -> dict[str, tuple[Any, Any]]:
        """name → (values, standard deviations): what is observed as it is (deviation 0), what is missing predicted."""
        sampler = self._sampler(data, mask)
        found = self.predict(data, None, mask, **options)
        return {name: sampler.filled(name, prediction) for name, prediction in found.items()}

    def sample(self, count: int, seed: int = 0) -> dict[str, np.ndarray]:
        """``count`` draws of the model: z from the prior, then every modality, in the units of the data."""
        return Sampler(self._double(), self.modalities, None).prior_draws(count, seed)

    def log_likelihood(
        self, data: Any, mask: Any = None, refined: bool | None = None, draws: int = 512, seed: int = 0
    ) -> LogLikelihood:
        """log p(x_O) of every sample in nats, in the units of the data, with its standard error.

        Importance sampling with ``draws`` draws, from posteriors refined by Newton's method (default where no modality
        is an image) or from the encoder's (Burda et al., 2016). Below the truth on average, by about half the square of
        the error.
        """
        sampler = self._sampler(data, mask)
        return sampler.log_likelihood(self._refines(refined), draws, seed, _as_tensors(data))

    def save(self, folder: Path | str) -> None:
        """Write ``weights.safetensors``, ``history.csv`` and ``run.json``; `load` reads them."""
        from pimvae.library_files import save

        save(self, Path(folder))

    def _fresh(self, seed: int) -> Core:
        dims = [modality.dim for modality in self.modalities]
        kinds = [modality.likelihood for modality in self.modalities]
        return build_model(self.cell.model, dims, max(dims), kinds, None, derived_seed(seed, 0))

    def _pack(self, data: Collection) -> PackedSplit:
        return pack_collection(data, self.modalities, self.width)

    def _double(self) -> Core:
        return copy.deepcopy(self.module).to(torch.float64).requires_grad_(False).eval()

    def _sampler(self, data: Any, mask: Any) -> Sampler:
        found = read_memory(data, mask)
        return Sampler(self._double(), self.modalities, self._pack(found).to(torch.float64), found)

    def _refines(self, refined: bool | None) -> bool:
        return all(m.kind != "image" for m in self.modalities) if refined is None else refined


def load(folder: Path | str, seed: int | None = None, data: Path | str | None = None) -> MultimodalVAE:
    """A saved model: of `MultimodalVAE.save`, of ``pimvae train``, or of a cell of the experiments.

    Args:
        folder: with ``weights.safetensors`` and ``run.json``.
        seed: the seed whose model answers; default: the best by its validation bound.
        data: experiments: folder of the data files; default: where the workflow puts them.

    Raises:
        UserError: if files are missing or damaged, or there is no such seed.
    """
    from pimvae.library_files import load_folder

    return load_folder(Path(folder), seed, data)


def modalities_of(data: Collection, kinds: Mapping[str, str] | None, standardise: bool = True) -> tuple[Modality, ...]:
    """What the modalities of training samples are, see `pimvae.data.understand`.

    Raises:
        UserError: if a kind is stated of a modality that is not there, or there are fewer than two modalities.
    """
    kinds = dict(kinds or {})
    for name in kinds:
        if name not in data.names:
            raise UserError(f"a kind is stated of '{name}', which is no modality ({did_you_mean(name, data.names)})")
    if len(data.raws) < 2:
        raise UserError(f"{data.source}: it has {len(data.raws)} modalities, 2 needed")
    held_out = data.test.raws if data.test else [None] * len(data.raws)
    try:
        return tuple(
            understand(raw, kinds.get(raw.name), standardise, also)
            for raw, also in zip(data.raws, held_out, strict=True)
        )
    except UserError as error:
        raise UserError(f"{data.source}: {error}") from None


def pack_collection(data: Collection, modalities: Sequence[Modality], width: int | None = None) -> PackedSplit:
    """The model's numbers [M, n, max_dim] and mask [n, M]; modalities that the data do not have are missing.

    Raises:
        UserError: if a modality is unknown, values are not of its kind, or a sample has no modality at all.
    """
    names = [modality.name for modality in modalities]
    for name in data.names:
        if name not in names:
            raise UserError(f"{data.source}: unknown modality '{name}' ({did_you_mean(name, names)})")
    dims = tuple(modality.dim for modality in modalities)
    x = torch.zeros(len(modalities), len(data), width or max(dims))
    mask = torch.zeros(len(data), len(modalities), dtype=torch.bool)
    for s, modality in enumerate(modalities):
        if modality.name in data.names:
            try:
                values, seen = modality.encode(data.raw(modality.name))
            except UserError as error:
                raise UserError(f"{data.source}: {error}") from None
            x[s, :, : modality.dim], mask[:, s] = torch.from_numpy(values), torch.from_numpy(seen)
    empty = torch.nonzero(~mask.any(1)).flatten()
    if len(empty):
        raise UserError(f"{data.source}: sample '{data.ids[int(empty[0])]}' has no observed modality")
    return PackedSplit(x, mask, dims)


def _divided(packed: PackedSplit, share: float, seed: int) -> tuple[PackedSplit, PackedSplit]:
    """Training and validation samples of one seed."""
    order = torch.from_numpy(np.random.default_rng([seed, 4]).permutation(len(packed)))
    count = round(share * len(packed))
    parts = (order[count:].sort().values, order[:count].sort().values)
    train, other = (PackedSplit(packed.x[:, rows], packed.mask[rows], packed.dims) for rows in parts)
    return train, other


def _start(model: Core, train: PackedSplit) -> None:
    """Let the decoders start at the means of the training samples."""
    for s, dim in enumerate(train.dims):
        seen = train.mask[:, s]
        if seen.any():
            model.decoder.start_at(s, train.x[s, seen, :dim].mean(0))


def _as_tensors(data: Any) -> bool:
    """Whether results are tensors: where the data are."""
    return isinstance(data, Mapping) and any(isinstance(values, Tensor) for values in data.values())
