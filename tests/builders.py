"""Small models and exact references that several test files share, all in float64."""

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from pimvae import registry
from pimvae.aggregators._base import Aggregator
from pimvae.config.schema import (
    Cell,
    DataConfig,
    EvaluationConfig,
    LinearData,
    ModelConfig,
    ObjectiveConfig,
    TrainConfig,
)
from pimvae.data.dataset import Split
from pimvae.evaluation.oracle import LinearGaussian
from pimvae.models.vae import MultimodalVAE, build_model, seeded
from pimvae.objectives._base import Draws, as_objective
from pimvae.posteriors import Mixture, Posterior, single
from pimvae.training.loop import Trainer
from pimvae.training.packing import PackedSplit, pack

Module = TypeVar("Module", bound=torch.nn.Module)
DIMS, MAX_DIM = (3, 5, 4), 6


def double_precision() -> Iterator[None]:
    """Body of a fixture under which float64 is the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def model_config(aggregator: str, **changes: object) -> ModelConfig:
    """A tiny model; private latents where the aggregator has them."""
    private = 2 if registry.lookup("aggregators", aggregator).private else 0
    sizes = {"latent": 2, "private_latent": private, "encoder_widths": (8,), "pooling_width": 8, "components": 3}
    return ModelConfig(**({"aggregator": aggregator, "attention_heads": 2} | sizes | changes))


def aggregator(name: str, seed: int = 0, **changes: object) -> tuple[Aggregator, int]:
    """An aggregator with random weights (biases too: those that start at 0 would hide mistakes) and its input width."""
    config = model_config(name, **changes)
    scheme = registry.lookup("aggregators", name)
    features = 2 * (config.latent + config.private_latent) if scheme.experts else 5
    with seeded(seed):
        return randomised(scheme(config, features), seed), features


def randomised(module: Module, seed: int) -> Module:
    """The module with every parameter moved by N(0, 0.1²), in place; entries that are 0 because they pad stay 0."""
    draws = generator(seed)
    pads = {id(p) for layer in module.modules() if hasattr(layer, "sizes") for p in layer.parameters()}
    with torch.no_grad():
        for parameter in module.parameters():
            step = 0.1 * torch.randn(parameter.shape, generator=draws, dtype=torch.float64).to(parameter.dtype)
            parameter += torch.where(parameter == 0, 0.0, step) if id(parameter) in pads else step
    return module


def vae(name: str, seed: int = 0, likelihoods: tuple[str, ...] = ("gaussian",) * 3, **changes: object) -> MultimodalVAE:
    config = model_config(name, **changes)
    return randomised(build_model(config, DIMS[: len(likelihoods)], MAX_DIM, likelihoods, 0.7, seed), seed)


def observations(batch: int, dims: tuple[int, ...] = DIMS, max_dim: int = MAX_DIM, seed: int = 0) -> Tensor:
    """Standard normal x [M, batch, max_dim], padding zero."""
    valid = torch.arange(max_dim) < torch.tensor(dims)[:, None, None]
    return torch.where(valid, normal(len(dims), batch, max_dim, seed=seed), 0.0)


def same(first: Posterior, second: Posterior, z: Tensor, **tolerance: float) -> None:
    """Assert that two posteriors have one mean and one density (their components may come in another order)."""
    torch.testing.assert_close(first.mean(), second.mean(), **tolerance)
    torch.testing.assert_close(first.log_prob(z), second.log_prob(z), **tolerance)


def within(values: Tensor, expected: Tensor | float, errors: float = 5.0) -> None:
    """Assert that the mean over the first axis is within ``errors`` standard errors of ``expected``, everywhere."""
    error = values.std(0) / math.sqrt(len(values))
    distance = (values.mean(0) - expected).abs()
    assert (distance <= errors * error + 1e-12).all(), f"{(distance / error).max():.1f} standard errors apart"


def linear_gaussian(latent: int = 2, seed: int = 0) -> LinearGaussian:
    """Orthogonal dense loadings of unequal lengths: the posterior of every subset is diagonal."""
    loading = torch.zeros(len(DIMS), MAX_DIM, latent)
    for s, dim in enumerate(DIMS):
        columns, _ = torch.linalg.qr(normal(dim, latent, seed=seed + s))
        loading[s, :dim] = columns * torch.linspace(0.6, 1.5, latent + s)[s:]
    offset = observations(1, seed=seed + 100)[:, 0]
    return LinearGaussian(loading, offset, 0.49, torch.tensor(DIMS))


class ExactVAE(MultimodalVAE):
    """A VAE whose linear decoder is a linear-Gaussian model p, with q(z|x_S) = p(z|x_S) or off by a known amount.

    Args:
        oracle: p, its posteriors diagonal.
        shift: added to the posterior means.
        stretch: factor of the posterior scales.
    """

    def __init__(self, oracle: LinearGaussian, shift: Tensor | float = 0.0, stretch: Tensor | float = 1.0) -> None:
        noise_scale = math.sqrt(oracle.noise_variance)
        super().__init__(model_config("poe", latent=oracle.latent), DIMS, MAX_DIM, ("gaussian",) * 3, noise_scale)
        self.decoder.layers[0].weight.data = oracle.loading.mT.clone()
        self.decoder.layers[0].bias.data = oracle.offset.clone()
        self.oracle, self.shift, self.stretch = oracle, shift, stretch

    def posterior(self, x: Tensor, mask: Tensor) -> Mixture:
        mean = variance = torch.zeros(*mask.shape[:-1], self.oracle.latent)
        for subset in mask.flatten(0, -2).unique(dim=0):
            exact = self.oracle.posterior(x.movedim(0, 1), subset)
            diagonal = exact.covariance.diagonal()
            assert torch.allclose(exact.covariance, diagonal.diag(), atol=1e-12)
            here = (mask == subset).all(-1, keepdim=True)
            mean, variance = torch.where(here, exact.mean, mean), torch.where(here, diagonal, variance)
        return single(mean + self.shift, self.stretch * variance.sqrt())


def draws(components: int, samples: int, subsets: int, batch: int, latent: int, seed: int = 0) -> Draws:
    """Gaussian noise for the bounds."""
    noise = normal(components, samples, subsets + 1, batch, latent, seed=seed)
    return Draws(noise[:, :, :-1], noise[:, :, -1:])


# O of four samples, and three subsets S of each: empty, full and something between.
OBSERVED = torch.tensor([[1, 1, 1], [1, 1, 0], [0, 1, 1], [0, 1, 0]]).bool()
CHOSEN = torch.stack([torch.zeros(4, 3).bool(), OBSERVED, OBSERVED & torch.tensor([1, 0, 1]).bool()])
BATCH = len(OBSERVED)


FAMILY = ("masked", "mixture", "tc")  # the bounds that look at a subset; the others come with a scheme of their own
KINDS = ("poe", "moe", "self_attention", "sum_pooling_mixture", "private_moe", "private_self_attention")
BOUNDS = {name: as_objective(registry.lookup("objectives", name)) for name in registry.names("objectives")}
# Objectives that are another one's bound under a law of their own are left out: the laws here are about bounds.
DISTINCT = [name for name, entry in BOUNDS.items() if name == entry.bound.__name__.removesuffix("_bound")]
# The masked bound with every aggregator, the others with one aggregator of each kind.
PAIRS = [
    (objective, aggregator)
    for objective in DISTINCT
    for aggregator in registry.names("aggregators")
    if objective == "masked" or aggregator in KINDS
]


class BoundCase:
    """A model, a bound, cleaned observations with missing modalities and noise."""

    def __init__(self, objective, aggregator, **changes):
        self.model = vae(aggregator, **changes)
        self.name = objective
        self.bound = registry.lookup("objectives", objective)
        self.x = torch.where(OBSERVED.T.unsqueeze(-1), observations(BATCH), 0.0)
        with torch.no_grad():
            self.components = self.model.posterior(self.x, OBSERVED).components

    def noise(self, samples=1, subsets=3, seed=0):
        return draws(self.components, samples, subsets, BATCH, self.model.latent_size, seed)

    def __call__(self, samples=1, **changes):
        if "draws" not in changes:
            changes["draws"] = self.noise(samples)
        return self.bound(self.model, **({"x": self.x, "observed": OBSERVED, "subset": CHOSEN} | changes))


def gradients(model, value):
    return torch.autograd.grad(value.sum(), list(model.parameters()), allow_unused=True, materialize_grads=True)


def training_cell(aggregator: str = "sum_pooling", objective: str = "masked", **changes: object) -> Cell:
    """A short training; ``changes`` are split between the objective's and the trainer's settings."""
    options = {key: value for key, value in changes.items() if key in ObjectiveConfig.model_fields}
    train = {"steps": 10, "batch_size": 8, "learning_rate": 1e-2, "history_every": 1}
    return Cell(
        experiment="linear", dataset="dense", data=LinearData(loading="dense"), model=model_config(aggregator),
        objective=ObjectiveConfig(name=objective, **options), evaluation=EvaluationConfig(), seeds=(0,),
        train=TrainConfig(**(train | {key: value for key, value in changes.items() if key not in options})),
    )  # fmt: skip


def training_data(seed: int, samples: int = 35) -> PackedSplit:
    """Observations with missing modalities (NaN before packing)."""
    mask = torch.rand(samples, len(DIMS), generator=generator(seed)) < 0.7
    mask[:, 0] |= ~mask.any(-1)
    x = torch.where(mask.T.unsqueeze(-1), 2 * observations(samples, seed=seed) + 1, torch.nan).float().numpy()
    split = Split(tuple(values[:, :dim] for values, dim in zip(x, DIMS, strict=True)), mask.numpy())
    return pack(split, MAX_DIM).to(torch.float64)


def trainer(cell: Cell, seeds: Sequence[int], betas: Sequence[float] | None = None) -> Trainer:
    """A trainer of one replica per seed, each with data and initial weights of that seed."""
    models = [build_model(cell.model, DIMS, MAX_DIM, ("gaussian",) * 3, 0.7, seed) for seed in seeds]
    return Trainer(cell, models, [training_data(seed) for seed in seeds], seeds, betas or [1.0] * len(seeds))


def trained(cell: Cell, seeds: Sequence[int], betas: Sequence[float] | None = None) -> Trainer:
    """A trainer that has run."""
    result = trainer(cell, seeds, betas)
    result.run()
    return result


def operations(replay):
    """Names of the operations that are done in every run."""
    return [call.operation._schema.name for call in replay.calls]


def assert_replayed(replay, function, *inputs):
    """Results, types and strides are those of the function; twice, as the second run meets what the first has left."""
    for _ in range(2):
        for mine, its in zip(replay(*inputs), function(*inputs), strict=True):
            assert torch.equal(mine, its) and mine.dtype == its.dtype and mine.stride() == its.stride()


def affine(layer, s, size_in, size_out, h):
    """One modality's part of a batched layer, padding cut off."""
    return h @ layer.weight[s, :size_in, :size_out] + layer.bias[s, :size_out]


def single_cell(experiment: str, data: DataConfig, aggregator: str, prior: str, family: str = "gaussian") -> Cell:
    """A cell of an identifiable experiment with one seed, small enough to evaluate untrained."""
    vector = {"decoder_scale": "fixed", "noise_scale": "data"} if experiment == "bimodal" else {}
    model = model_config(aggregator, latent=data.latent, prior=prior, family=family, decoder="injective", **vector)
    return Cell(
        experiment=experiment, dataset="data", data=data, model=model, objective=ObjectiveConfig(name="masked"),
        train=TrainConfig(steps=1, batch_size=8), seeds=(0,),
        evaluation=EvaluationConfig(samples=20, particles=8, draws=4, llh_samples=20, ceiling_particles=16),
    )  # fmt: skip
