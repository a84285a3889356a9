"""Replicas in one program give what each gives alone."""

import pytest
import torch
from builders import DIMS, double_precision, observations, trained, training_cell, vae
from torch import nn

from pimvae import registry
from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Draws
from pimvae.training.stack import Stack

float64 = pytest.fixture(double_precision, autouse=True)
AGGREGATORS, OBJECTIVES = registry.names("aggregators"), registry.names("objectives")
PAIRS = [(name, "masked") for name in AGGREGATORS] + [
    (name, objective) for objective in OBJECTIVES for name in ("moe", "private_sum_pooling") if objective != "masked"
]
BATCH = 5
EXACT = {"rtol": 0.0, "atol": 1e-10}


def loss(
    model: MultimodalVAE, x: torch.Tensor, noise: torch.Tensor, beta: torch.Tensor, objective: str
) -> torch.Tensor:
    observed = torch.ones(BATCH, len(DIMS), dtype=torch.bool)
    subset = torch.tensor([True, False, True]).expand(2, BATCH, -1) & torch.tensor([True, False])[:, None, None]
    draws = Draws(noise[:, :, :-1], noise[:, :, -1:])
    return registry.lookup("objectives", objective)(model, x, observed, subset, draws, beta).value.mean()


@pytest.mark.parametrize(("aggregator", "objective"), PAIRS)
def test_map_equals_a_loop_over_the_models(aggregator, objective):
    """Values and gradients; every argument carries the leading axis of replicas."""
    models = [vae(aggregator, seed, prior="mixture") for seed in range(3)]
    x = torch.stack([observations(BATCH, seed=seed) for seed in range(3)])
    components = models[0].posterior(x[0], torch.ones(BATCH, len(DIMS), dtype=torch.bool)).components
    noise = torch.randn(3, components, 1, 3, BATCH, models[0].latent_size)
    beta = torch.tensor([0.5, 1.0, 2.0])

    stack = Stack(models)
    stacked = stack.map(lambda *arguments: loss(*arguments, objective), x, noise, beta)
    (gradient,) = torch.autograd.grad(stacked.sum(), stack.flat)
    for r, model in enumerate(models):
        alone = loss(model, x[r], noise[r], beta[r], objective)
        torch.testing.assert_close(stacked[r], alone)
        single = torch.autograd.grad(alone, list(model.parameters()), allow_unused=True, materialize_grads=True)
        torch.testing.assert_close(gradient[r], torch.cat([part.flatten() for part in single]))


@pytest.mark.parametrize(("aggregator", "objective"), PAIRS)
def test_training_in_a_stack_equals_training_alone(aggregator, objective):
    """Ten steps: weights, history and counts of a replica, whoever else is in the stack; once in whatever place."""
    cell, seeds = training_cell(aggregator, objective, clip=20.0), [4, 0, 7]
    together = trained(cell, seeds)
    for place in range(3) if (aggregator, objective) == PAIRS[0] else [1]:
        alone = trained(cell, seeds[place : place + 1])
        torch.testing.assert_close(together.stack.flat[place], alone.stack.flat[0], **EXACT)
        assert together.optimiser.clipped[place] == alone.optimiser.clipped[0]
        for (_, terms), (_, expected) in zip(together.history.rows, alone.history.rows, strict=True):
            for name, value in expected.items():
                torch.testing.assert_close(terms[name][place], value[0], rtol=1e-10, atol=1e-10)
    assert (together.stack.flat[0] - together.stack.flat[1]).abs().max() > 0.1


@pytest.mark.parametrize("changes", [{"importance_samples": 3}, {"subset_law": "all_subsets"}], ids=str)
def test_the_forms_of_the_bound_too(changes):
    cell = training_cell("sum_pooling_mixture", **changes)
    together, alone = trained(cell, [3, 1]), trained(cell, [1])
    torch.testing.assert_close(together.stack.flat[1], alone.stack.flat[0], **EXACT)


def test_betas_in_a_stack_equal_each_beta_alone():
    """Replicas of one seed differ in β alone: same weights, data and noise at the start."""
    cell, betas = training_cell("private_sum_pooling"), [0.1, 1.0, 4.0]
    together = trained(cell, [5] * 3, betas)
    for place, beta in enumerate(betas):
        torch.testing.assert_close(together.stack.flat[place], trained(cell, [5], [beta]).stack.flat[0], **EXACT)
    assert (together.stack.flat[0] - together.stack.flat[1]).abs().max() > 1e-3
    first = together.history.rows[0][1]
    assert (first["log_likelihood_subset"] == first["log_likelihood_subset"][0]).all()


class Pair(nn.Module):
    """A module with a parameter, a persistent and a passing buffer."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.register_buffer("shift", torch.tensor(float(seed)))
        self.register_buffer("scale", torch.tensor(2.0 + seed), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * self.layer(x) + self.shift


def test_buffers_belong_to_their_replica():
    models = [Pair(seed) for seed in range(3)]
    x = torch.randn(3, 4, 2)
    result = Stack(models).map(lambda model, x: model(x), x)
    torch.testing.assert_close(result, torch.stack([model(row) for model, row in zip(models, x, strict=True)]))


def test_parameters_are_views():
    models = [Pair(seed) for seed in range(3)]
    stack = Stack(models)
    assert len(stack) == 3
    for name, value in stack.parameters().items():
        expected = torch.stack([model.get_parameter(name) for model in models])
        assert torch.equal(value, expected) and value.data_ptr() >= stack.flat.data_ptr()
    assert stack.flat.requires_grad
    assert torch.equal(models[0].layer.weight, stack.parameters()["layer.weight"][0])  # models keep their own copy
