"""What a model of own data is asked: posteriors, predictions, imputations, log-likelihoods, draws, losses."""

__all__ = ["Answers"]

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from pimvae import arguments
from pimvae.config.schema import Cell
from pimvae.data.modality import Modality, describe
from pimvae.data.readers import Collection, read_memory
from pimvae.errors import UserError, check_known
from pimvae.library.data import as_tensors, pack_collection
from pimvae.library.inference import LogLikelihood, Posterior, Prediction, Sampler
from pimvae.models.vae import MultimodalVAE as Core
from pimvae.training.packing import PackedSplit

Same = TypeVar("Same", bound="Answers")


class Answers:
    """Models of several seeds, whose average answers; only one encodes, as their latents have nothing in common.

    Attributes:
        cell: the configuration.
        modalities: what is known of each modality, in order.
        models: one torch module per seed.
        seed: the seed whose model encodes.
        width: to which modalities are padded, where it is more than the widest one's.
    """

    def __init__(self, cell: Cell, modalities: Sequence[Modality], models: Sequence[Core]) -> None:
        self.cell, self.modalities, self.models = cell, tuple(modalities), list(models)
        self.seed = cell.seeds[0]
        self.width: int | None = None
        self.alone = False

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

    def replica(self: Same, seed: int) -> Same:
        """The same with the model of one seed, which then answers everything alone.

        Raises:
            UserError: if there is none.
        """
        if seed not in self.seeds:
            raise UserError(f"there is no seed {seed} (known: {', '.join(map(str, self.seeds))})")
        other = copy.copy(self)
        other.seed, other.alone = seed, True
        return other

    def lost(self, seed: int) -> bool:
        """Whether there are no usable weights of a seed."""
        return not all(p.isfinite().all() for p in self.models[self.seeds.index(seed)].parameters())

    @property
    def answering(self) -> tuple[int, ...]:
        """The seeds whose average answers: all that are usable; after `replica` that one."""
        usable = () if self.alone else tuple(seed for seed in self.seeds if not self.lost(seed))
        return usable or (self.seed,)

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
        if generator is not None and not isinstance(generator, torch.Generator):
            raise UserError(f"the generator is {generator!r:.80}, must be a torch.Generator")
        return Sampler([self.module], self.modalities, packed).loss(self.cell, generator)

    def encode(self, data: Any, mask: Any = None, refined: bool | None = None) -> Posterior:
        """q(z | x_O): mean and scale [n, latent], ``sample(count)`` [count, n, latent], ``log_prob(z)`` [n].

        Args:
            data: samples; modalities that are not named are missing.
            mask: [n, M], 0 where a modality is missing.
            refined: True: the Gaussian at the mode of each sample's p(z | x_O), by Newton's method, one for each
                component of a learned prior, exact for linear-Gaussian decoders; False: the encoder's, faster (in
                single precision); default: True where no modality is an image.
        """
        refines = self._refines(refined)
        sampler = self.replica(self.seed)._sampler(data, mask, torch.float64 if refines else torch.float32)
        return sampler.posterior(refines)

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
            UserError: if a target is unknown, or a sample has nothing to predict it from.
        """
        wanted = self.names if target is None else arguments.several("target", target, "names")
        check_known("modality", self.names, *wanted)
        sampler = self._sampler(data, mask)
        options = (samples, interval, self._refines(refined), draws, seed)
        if target is None:
            return sampler.predict(wanted, None, *options)
        for name in wanted:
            sampler.check_others(name)
        found = {name: sampler.predict((name,), name, *options)[name] for name in wanted}
        return found[target] if isinstance(target, str) else found

    def impute(self, data: Any, mask: Any = None, **options: Any) -> dict[str, tuple[Any, Any]]:
        """name → (values, standard deviations): what is observed as it is (deviation 0), what is missing predicted."""
        return self.filled(data, self.predict(data, None, mask, **options), mask)

    def filled(self, data: Any, predictions: Mapping[str, Prediction], mask: Any = None) -> dict[str, tuple[Any, Any]]:
        """The same from what ``predict(data)`` gave, which takes the time."""
        arguments.mapping("predictions", predictions, "what predict(data) gave")
        sampler = self.replica(self.seed)._sampler(data, mask)  # no model is asked
        return {name: sampler.filled(name, prediction) for name, prediction in predictions.items()}

    def sample(self, count: int, seed: int = 0) -> dict[str, np.ndarray]:
        """``count`` draws of the model: z from the prior, then every modality, in the units of the data."""
        return Sampler(self._evaluated(), self.modalities, None).prior_draws(count, seed)

    def log_likelihood(
        self, data: Any, mask: Any = None, refined: bool | None = None, draws: int = 512, seed: int = 0
    ) -> LogLikelihood:
        """log p(x_O) of every sample in nats, in the units of the data, with its standard error.

        Importance sampling with ``draws`` draws, from posteriors refined by Newton's method (default where no modality
        is an image) or from the encoder's (Burda et al., 2016). Below the truth on average, by about half the square of
        the error.
        """
        return self._sampler(data, mask).log_likelihood(self._refines(refined), draws, seed)

    def _pack(self, data: Collection) -> PackedSplit:
        return pack_collection(data, self.modalities, self.width)

    def double(self) -> Core:
        """A copy of the chosen seed's module in double precision, for evaluation."""
        return self.replica(self.seed)._evaluated()[0]

    def _evaluated(self, dtype: torch.dtype = torch.float64) -> list[Core]:
        """Copies of the models that answer."""
        models = [self.models[self.seeds.index(seed)] for seed in self.answering]
        return [copy.deepcopy(model).to(dtype).requires_grad_(False).eval() for model in models]

    def _sampler(self, data: Any, mask: Any, dtype: torch.dtype = torch.float64) -> Sampler:
        found = read_memory(data, mask)
        packed = self._pack(found).to(dtype)
        return Sampler(self._evaluated(dtype), self.modalities, packed, found, as_tensors(data))

    def _refines(self, refined: bool | None, name: str = "refined") -> bool:
        if refined is None:
            return all(m.kind != "image" for m in self.modalities)
        if not isinstance(refined, (bool, np.bool_)):
            raise UserError(f"{name} is {refined!r:.80}, must be True, False or None")
        return bool(refined)
