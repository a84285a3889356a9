"""Gradients of every bound with every registered aggregator: complete, right, and unbiased where parts are cut."""

import pytest
import torch
from builders import BATCH, CHOSEN, OBSERVED, PAIRS, BoundCase, double_precision, gradients, normal, within
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from pimvae import registry
from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import Draws
from pimvae.training.stack import Stack

float64 = pytest.fixture(double_precision, autouse=True)
AGGREGATORS = registry.names("aggregators")


@pytest.fixture(params=PAIRS, ids="-".join)
def case(request):
    return BoundCase(*request.param)


def test_gradients_reach_every_parameter(case):
    """Encoders, aggregator, decoders, scales."""
    case = BoundCase(case.name, case.model.config.aggregator, decoder="injective", decoder_scale="learned")
    names = [name for name, _ in case.model.named_parameters()]
    for name, gradient in zip(names, gradients(case.model, case().value), strict=True):
        assert gradient.isfinite().all() and gradient.abs().max() > 0, name


@pytest.mark.parametrize(("objective", "trained"), [("masked", True), ("mixture", True), ("tc", False)])
def test_learned_priors_are_trained_by_the_bounds_that_have_a_prior(objective, trained):
    """tc has q(z|x_S) where the others have the prior."""
    case = BoundCase(objective, "sum_pooling", prior="mixture")
    found = gradients(case.model.prior, case().value)
    assert all((gradient.abs().max() > 0) == trained for gradient in found)


@pytest.mark.parametrize("samples", [1, 3])
def test_plain_gradients_are_derivatives(case, samples):
    """Without sticking the landing nothing is cut: central differences along random directions of all parameters."""
    parameters, settings = list(case.model.parameters()), {"draws": case.noise(samples), "sticking_the_landing": False}
    start = parameters_to_vector(parameters).detach()
    gradient = torch.cat([g.flatten() for g in gradients(case.model, case(beta=0.7, **settings).value)])
    for seed in range(3):
        direction, values = normal(len(start), seed=seed), []
        for step in (1e-6, -1e-6):
            vector_to_parameters(start + step * direction, parameters)
            values.append(case(beta=0.7, **settings).value.sum().item())
        vector_to_parameters(start, parameters)
        slope = (values[0] - values[1]) / 2e-6
        assert slope == pytest.approx((gradient @ direction).item(), rel=1e-5, abs=1e-4)


def test_sticking_the_landing_is_for_one_sample(case):
    """Cut gradients of importance-weighted bounds would be biased: with several samples they stay plain."""
    cut, plain = (case(3, sticking_the_landing=on).value for on in (True, False))
    for first, second in zip(gradients(case.model, cut), gradients(case.model, plain), strict=True):
        assert torch.equal(first, second)


def test_sticking_the_landing_changes_gradients_and_no_values(case):
    value, plain = case().value, case(sticking_the_landing=False).value
    assert torch.equal(value, plain)
    pairs = zip(*(gradients(case.model, v) for v in (value, plain)), case.model.named_parameters(), strict=True)
    for first, second, (name, _) in pairs:
        if name.startswith("decoder"):
            torch.testing.assert_close(first, second)
        elif name.startswith("encoder"):
            assert (first - second).abs().max() > 1e-6, name


REPEATS = 2_000
CUT = [("masked", name) for name in AGGREGATORS] + [
    (objective, name)
    for objective in ("mixture", "tc", "mmvae_plus", "mmvm", "mvtcae")
    for name in ("poe", "moe", "sum_pooling_mixture", "private_moe", "private_self_attention")
]


@pytest.mark.parametrize(("objective", "aggregator"), CUT)
def test_sticking_the_landing_keeps_the_mean_gradient(objective, aggregator):
    """One model per draw, in a stack: the mean difference of the two gradients is 0 for every parameter."""
    case = BoundCase(objective, aggregator)
    stack = Stack([case.model])
    flat = stack.flat.detach().expand(REPEATS, -1).clone().requires_grad_()
    stack.flat, stack.buffers = flat, {n: b.expand(REPEATS, *b.shape[1:]) for n, b in stack.buffers.items()}
    noise = normal(REPEATS, case.components, 1, 3, BATCH, case.model.latent_size, seed=3)

    def value(model: MultimodalVAE, noise: torch.Tensor, stl: bool) -> torch.Tensor:
        draws = Draws(noise[:, :, :-1], noise[:, :, -1:])
        return case.bound(model, case.x, OBSERVED, CHOSEN[1:], draws, 1.0, stl).value.sum()

    with_, without = (
        torch.autograd.grad(stack.map(lambda m, e, on=stl: value(m, e, on), noise).sum(), flat)[0]
        for stl in (True, False)
    )
    difference = with_ - without
    moved = difference.std(0) > 1e-9
    assert moved.any()
    assert (difference[:, ~moved].abs() < 1e-9).all()
    within(difference[:, moved], 0.0)
