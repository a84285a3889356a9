"""What a trained model of own data answers: posteriors, predictions, log-likelihoods, draws."""

__all__ = ["LogLikelihood", "Posterior", "Prediction", "Sampler"]

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pimvae import arguments
from pimvae.config.schema import Cell
from pimvae.data.modality import Modality
from pimvae.data.raw import numbers
from pimvae.data.readers import Collection
from pimvae.errors import UserError
from pimvae.library.results import Array, LogLikelihood, Posterior, Prediction, as_given, joined, seeded
from pimvae.models.likelihoods.view import likelihood_of, output_of
from pimvae.models.mode import WeightedDraws, at_modes, draw
from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import drawn_bound
from pimvae.training.packing import PackedSplit

FOUND = ("log_likelihood", "error", "ess_fraction")  # of draws
ROWS = 256  # samples that are refined at once, fewer where that would fill the memory
DRAWN = 2**25  # numbers of the widest modality that are drawn at once, 256 MiB; a few such tensors are there at a time
ENCODED = 1024  # samples that are encoded at once
SPREAD_DRAWS = 1000


class Sampler:
    """Models of one or more seeds, samples in their numbers, and everything that is asked of them.

    With K models densities are averages, p(x) = 1/K Σ_k p_k(x) and, of predictions, 1/K Σ_k p_k(x_s | x_O).
    Posteriors and losses are of the first model alone.

    Args:
        models: the torch modules.
        modalities: of the data.
        packed: the samples; None for draws of the prior alone.
        source: the samples as they were read.
        tensors: whether what is found is given as tensors.
    """

    def __init__(
        self,
        models: Sequence[MultimodalVAE],
        modalities: Sequence[Modality],
        packed: PackedSplit | None,
        source: Collection | None = None,
        tensors: bool = False,
    ) -> None:
        self.models, self.modalities, self.packed, self.source = tuple(models), tuple(modalities), packed, source
        self.model = self.models[0]
        self.ids, self.tensors = source.ids if source else (), tensors

    def loss(self, cell: Cell, generator: torch.Generator | None) -> Tensor:
        """Minus the bound, mean over the samples, for one random subset each."""
        beta = cell.objective.betas[0]
        return -drawn_bound(cell.objective, self.model, self.packed.x, self.packed.mask, beta, generator).value.mean()

    @torch.no_grad()
    def posterior(self, refined: bool) -> Posterior:
        """The encoder's posterior, or the one at the mode; in blocks, which also fit the processor's cache."""
        parts, spread = [], torch.Generator().manual_seed(0)
        for rows in self._blocks(ROWS if refined else ENCODED):
            x, mask = self.packed.x[:, rows], self.packed.mask[rows]
            q = self.model.posterior(x, mask)
            if refined:
                q = at_modes(self.model, x, mask, q.mean())
                parts.append((q, q.mean, q.variance.sqrt()))
            else:
                parts.append((q, q.mean(), _deviations(q, spread)))
        q, mean, scale = map(joined, zip(*parts, strict=True))
        return Posterior(self._given(mean), self._given(scale), self.ids, q, self.tensors)

    @torch.no_grad()
    def log_likelihood(self, refined: bool, draws: int, seed: int) -> LogLikelihood:
        """In the units of the data."""
        generator, draws = seeded(seed), arguments.whole("the number of draws", draws, 2)
        of_models = []
        for model in self.models:
            drawn = (self._weighted(model, rows, None, refined, draws, generator) for rows in self._drawn(draws))
            parts = [[getattr(part, name) for name in FOUND] for part in drawn]  # without the draws themselves
            of_models.append([torch.cat(part) for part in zip(*parts, strict=True)])
        values, errors, shares = (torch.stack(parts) for parts in zip(*of_models, strict=True))
        weight = values.softmax(0)
        jacobian = torch.tensor([modality.log_jacobian for modality in self.modalities], dtype=values.dtype)
        value = values.logsumexp(0) - math.log(len(values)) + self.packed.mask.to(values.dtype) @ jacobian
        error, share = (weight * errors).square().sum(0).sqrt(), (weight * shares).sum(0)
        return LogLikelihood(*map(self._given, (value, error, share)))

    @torch.no_grad()
    def predict(
        self,
        names: Sequence[str],
        hidden: str | None,
        samples: int,
        interval: float,
        refined: bool,
        draws: int,
        seed: int,
    ) -> dict[str, Prediction]:
        """Predictions of modalities; ``hidden`` is not looked at."""
        if not 0 < arguments.number("the interval", interval) < 1:
            raise UserError(f"the interval is {interval}, must lie between 0 and 1")
        generator, draws = seeded(seed), arguments.whole("the number of draws", draws, 2)
        samples = arguments.whole("samples", samples, 0)
        places = {name: self._place(name) for name in names}
        parts: dict[str, list[tuple[Tensor, ...]]] = {name: [] for name in names}
        for rows in self._drawn(len(self.models) * max(draws, samples)):
            moments: dict[str, list[tuple[Tensor, ...]]] = {name: [] for name in names}
            for model in self.models:
                weighted = self._weighted(model, rows, hidden, refined, draws, generator)
                for name, s in places.items():
                    moments[name].append(_moments(model, s, weighted, samples, generator))
            for name, found in moments.items():
                parts[name].append(_averaged(found, samples, interval))
        return {name: self._prediction(self.modalities[places[name]], found, samples) for name, found in parts.items()}

    @torch.no_grad()
    def prior_draws(self, count: int, seed: int) -> dict[str, np.ndarray]:
        """Draws of every modality."""
        generator, count = seeded(seed), arguments.whole("the number of draws", count, 1)
        found = [torch.empty(count, modality.dim, dtype=torch.float64) for modality in self.modalities]
        for k, model in enumerate(self.models):  # in turn
            z = model.sample_prior(len(range(k, count, len(self.models))), generator)
            for s, values in enumerate(found):
                values[k :: len(self.models)] = likelihood_of(model, s).sample(output_of(model, s, z), generator)
        return {modality.name: modality.decode(values.numpy())
                for modality, values in zip(self.modalities, found, strict=True)}  # fmt: skip

    def filled(self, name: str, prediction: Prediction) -> tuple[Array, Array]:
        """Values with what is missing predicted, and standard deviations, 0 where observed."""
        s = self._place(name)
        modality, seen = self.modalities[s], self.packed.mask[:, s].numpy()
        known = modality.decode(self.packed.x[s, :, : modality.dim].numpy())
        sd = np.asarray(prediction.sd)
        given = seen.reshape(-1, *[1] * (sd.ndim - 1))
        deviations = np.where(given, 0.0, sd)
        if modality.kind == "categorical":
            return np.where(seen, known, prediction.labels), deviations
        if name in self.source.names:
            raw = modality.ordered(self.source.raw(name))
            known = numbers(raw).reshape(known.shape)  # the values themselves, not rounded to float32
        return self._given(np.where(given, known, np.asarray(prediction.mean))), self._given(deviations)

    def check_others(self, hidden: str) -> None:
        """Refuse samples that have nothing observed but the modality ``hidden``.

        Raises:
            UserError: for the first one.
        """
        others = self.packed.mask.clone()
        others[:, self._place(hidden)] = False
        lone = torch.nonzero(~others.any(1)).flatten()
        if len(lone):
            fault = f"sample '{self.ids[int(lone[0])]}' has no other modality to predict '{hidden}' from"
            raise UserError(f"{self.source.source}: {fault}: leave it out")

    def _place(self, name: str) -> int:
        return [modality.name for modality in self.modalities].index(name)

    def _drawn(self, draws: int) -> list[slice]:
        """Blocks of samples, of each of which so many draws are held at once."""
        widest = max(modality.dim for modality in self.modalities)
        return self._blocks(max(1, min(ROWS, DRAWN // (draws * widest))))

    def _blocks(self, size: int) -> list[slice]:
        return [slice(start, start + size) for start in range(0, len(self.packed), size)]

    def _weighted(
        self, model: MultimodalVAE, rows: slice, hidden: str | None, refined: bool, draws: int,
        generator: torch.Generator,
    ) -> WeightedDraws:  # fmt: skip
        """Weighted draws of z given what is observed, from the encoder's posterior or the refined one."""
        x, mask = self.packed.x[:, rows], self.packed.mask[rows].clone()
        if hidden is not None:
            mask[:, self._place(hidden)] = False
        q = model.posterior(x, mask)
        proposal = at_modes(model, x, mask, q.mean()) if refined else q
        return draw(model, x, mask, proposal, draws - draws % 2, generator)

    def _prediction(self, modality: Modality, found: Sequence[tuple[Tensor, ...]], samples: int) -> Prediction:
        mean, sd, lower, upper = (torch.cat(parts).numpy() for parts in list(zip(*found, strict=True))[:4])
        drawn = modality.decode(torch.cat([part[4] for part in found], 1).numpy()) if samples else None
        given = self._given
        if modality.kind == "categorical":
            return Prediction(given(mean), given(sd), None, None, modality.labels(mean.argmax(-1)), drawn, self.ids)
        lower, upper = given(modality.decode(lower)), given(modality.decode(upper))
        drawn = given(drawn) if drawn is not None else None
        return Prediction(given(modality.decode(mean)), given(modality.spread(sd)), lower, upper, None, drawn, self.ids)

    def _given(self, values: Tensor | np.ndarray) -> Array:
        found = values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values))
        return as_given(found, self.tensors)


def _moments(
    model: MultimodalVAE, s: int, weighted: WeightedDraws, samples: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance and draws of x_s in the model's numbers."""
    likelihood, weight = likelihood_of(model, s), weighted.weight.unsqueeze(-1)
    output = output_of(model, s, weighted.z)
    means = likelihood.mean(output)
    mean = (weight * means).sum(0)
    variance = (weight * (likelihood.variance(output) + (means - mean).square())).sum(0)
    count = max(samples, len(weighted.z))
    chosen = torch.multinomial(weighted.weight.T, count, replacement=True, generator=generator).T
    drawn = likelihood.sample(output.gather(0, chosen.unsqueeze(-1).expand(-1, -1, output.shape[-1])), generator)
    return mean, variance, drawn


def _averaged(found: Sequence[tuple[Tensor, ...]], samples: int, interval: float) -> tuple[Tensor, ...]:
    """Mean, standard deviation, ends of the interval and draws of the models' average; the models draw in turn."""
    means, variances, draws = (torch.stack(parts) for parts in zip(*found, strict=True))
    mean = means.mean(0)
    variance = (variances + (means - mean).square()).mean(0)
    drawn = draws.transpose(0, 1).flatten(0, 1)
    edges = torch.tensor([(1 - interval) / 2, (1 + interval) / 2], dtype=drawn.dtype)
    lower, upper = drawn.quantile(edges, dim=0)
    return mean, variance.clamp(min=0).sqrt(), lower, upper, drawn[:samples].clone()  # a view would keep all draws


def _deviations(q: Any, generator: torch.Generator) -> Tensor:
    """Standard deviations per dimension of z: in closed form, or of draws where there is none."""
    if hasattr(q, "variance"):
        return q.variance().sqrt()
    return q.sample(SPREAD_DRAWS, generator).std(0)
