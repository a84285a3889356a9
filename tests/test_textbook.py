"""The plain models that the trainer is timed against have the same bounds and gradients: a second implementation."""

import pytest
import torch
from builders import double_precision, generator, normal

from benchmarks.measure import MINIMAL
from benchmarks.stacking import CELLS
from benchmarks.textbook import TextbookVAE, bound
from benchmarks.trainings import cell, models_and_data
from pimvae import registry
from pimvae.objectives._base import Draws

float64 = pytest.fixture(double_precision, autouse=True)


@pytest.mark.parametrize("objective", ["masked", "mixture"])
@pytest.mark.parametrize(("experiment", "name"), CELLS)
def test_bounds_and_gradients_are_those_of_the_models(experiment, name, objective):
    """For some subsets S ⊆ O, the empty one and O itself among them; the gradient of x passes through every network."""
    (model,), (split,) = models_and_data(cell(MINIMAL, "laptop", experiment, name))
    x, observed = split.x[:, :16].double(), split.mask[:16]
    subset = observed & (torch.rand(observed.shape, generator=generator()) < 0.5)
    subset[0], subset[1] = False, observed[1]
    with torch.no_grad():
        components = model.posterior(x, observed).components
    noise = normal(components, 2, len(observed), model.latent_size)
    draws = Draws(noise[:, None, :1], noise[:, None, 1:])

    def gradients(value, x):
        return torch.autograd.grad(value.sum(), x)[0]

    mine, its = (x.clone().requires_grad_() for _ in range(2))
    expected = registry.lookup("objectives", objective)(model, mine, observed, subset.unsqueeze(0), draws).value[0]
    actual = bound(TextbookVAE(model), objective, its, observed, subset, noise)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(gradients(actual, its), gradients(expected, mine), rtol=1e-8, atol=1e-8)
