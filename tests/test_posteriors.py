"""The mixture posterior against torch.distributions, its own moments and change of variables."""

import math

import pytest
import torch
from builders import double_precision, generator, normal, within
from torch.distributions import Categorical, Independent, Laplace, MixtureSameFamily, Normal

from pimvae.posteriors import Mixture, single, standard, standard_noise

float64 = pytest.fixture(double_precision, autouse=True)
BATCH, COMPONENTS, LATENT = 4, 3, 2
FAMILIES = {"gaussian": Normal, "laplace": Laplace}


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def mixture(family):
    """Four mixtures of three components; the second has one component less, the third only one."""
    logits = normal(BATCH, COMPONENTS, seed=1)
    logits[1, 0] = logits[2, 0] = logits[2, 2] = -torch.inf
    loc = 2 * normal(BATCH, COMPONENTS, LATENT, seed=2)
    return Mixture(logits, loc, (0.5 * normal(BATCH, COMPONENTS, LATENT, seed=3)).exp(), family)


def reference(q):
    components = Independent(FAMILIES[q.family](q.loc, q.scale), 1)
    return MixtureSameFamily(Categorical(logits=q.logits), components)


def test_log_prob_is_that_of_torch(mixture):
    z = 2 * normal(7, 5, BATCH, LATENT)
    expected = reference(mixture).log_prob(z)
    torch.testing.assert_close(mixture.log_prob(z), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mixture.log_prob(z[0, 0]), expected[0, 0], rtol=1e-12, atol=1e-12)


def test_moments_are_those_of_torch(mixture):
    torch.testing.assert_close(mixture.mean(), reference(mixture).mean)
    torch.testing.assert_close(mixture.variance(), reference(mixture).variance)


def test_one_component_ignores_its_logit(family):
    loc, scale, z = normal(BATCH, LATENT), normal(BATCH, LATENT, seed=1).exp(), normal(6, BATCH, LATENT, seed=2)
    expected = FAMILIES[family](loc, scale).log_prob(z).sum(-1)
    torch.testing.assert_close(single(loc, scale, family).log_prob(z), expected)
    shifted = Mixture(torch.full((BATCH, 1), 3.0), loc.unsqueeze(-2), scale.unsqueeze(-2), family)
    torch.testing.assert_close(shifted.log_prob(z), expected)


def test_standard_has_no_batch_axes_and_the_type_of_its_example(family):
    q = standard(LATENT, torch.zeros(1, dtype=torch.float32), family)
    z = normal(5, 3, LATENT)
    assert q.loc.shape == (1, LATENT) and q.loc.dtype == torch.float32
    torch.testing.assert_close(q.log_prob(z), FAMILIES[family](0.0, 1.0).log_prob(z).sum(-1))


def test_stratified_draws_move_and_scale_their_noise(mixture):
    noise = normal(COMPONENTS, 2, 5, BATCH, LATENT)
    z = mixture.rsample(noise)
    for k in range(COMPONENTS):
        torch.testing.assert_close(z[k], mixture.loc[:, k] + mixture.scale[:, k] * noise[k])
    assert torch.equal(mixture.rsample(noise[:, 0, 0]), z[:, 0, 0])


def test_stratified_draws_have_the_moments_of_the_mixture(mixture):
    noise = standard_noise((COMPONENTS, 20_000, BATCH, LATENT), mixture.family, generator())
    z = mixture.rsample(noise)
    assert z.shape == noise.shape
    weights = mixture.log_weights().exp()[:, None, :, None]
    torch.testing.assert_close(weights.sum(0), torch.ones_like(weights[0]))
    within((weights * z).sum(0), mixture.mean())
    within((weights * (z - mixture.mean()).square()).sum(0), mixture.variance())


def test_stratified_draws_weigh_any_function_as_the_density_does(mixture):
    """Σ_k π_k E[r(z_k)/q(z_k)] = ∫ r = 1 for a density r with lighter tails than q: draws, weights, density agree."""
    z = mixture.rsample(standard_noise((COMPONENTS, 20_000, BATCH, LATENT), mixture.family, generator()))
    best = mixture.logits.argmax(-1)[:, None, None].expand(-1, 1, LATENT)
    loc, scale = (p.gather(1, best).squeeze(1) for p in (mixture.loc, mixture.scale))
    ratio = (FAMILIES[mixture.family](loc, 0.7 * scale).log_prob(z).sum(-1) - mixture.log_prob(z)).exp()
    within((mixture.log_weights().exp().unsqueeze(1) * ratio).sum(0), 1.0)


def test_ordinary_draws_have_the_moments_and_frequencies_of_the_mixture(mixture):
    z = mixture.sample(20_000, generator())
    assert z.shape == (20_000, BATCH, LATENT)
    within(z, mixture.mean())
    within((z - mixture.mean()).square(), mixture.variance())
    narrow = Mixture(mixture.logits, 100 * torch.arange(3.0)[:, None].expand_as(mixture.loc), mixture.scale * 0.01)
    chosen = narrow.sample(20_000, generator()).mean(-1).div(100).round().long()
    within(torch.nn.functional.one_hot(chosen, COMPONENTS).double(), mixture.logits.softmax(-1))


def test_ordinary_draws_are_those_of_their_generator(mixture):
    first, again, other = (mixture.sample(5, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert standard(LATENT, first).sample(5).shape == (5, LATENT)


def test_gradients_stay_finite_with_components_of_weight_zero(mixture):
    logits, loc, scale = (p.clone().requires_grad_() for p in (mixture.logits, mixture.loc, mixture.scale))
    q = Mixture(logits, loc, scale, mixture.family)
    z = q.rsample(standard_noise((COMPONENTS, 3, BATCH, LATENT), q.family, generator()))
    total = (q.log_weights().exp().unsqueeze(1) * q.log_prob(z)).sum() + q.mean().sum() + q.variance().sum()
    for gradient in torch.autograd.grad(total, (logits, loc, scale)):
        assert gradient.isfinite().all() and gradient.abs().max() > 0
    absent = mixture.logits.isinf()
    (gradient,) = torch.autograd.grad(q.log_prob(z).sum(), loc)
    assert gradient[~absent].abs().min() > 0 and not gradient.isnan().any()


def test_detached_parameters_get_no_gradient_but_draws_do(mixture):
    loc = mixture.loc.clone().requires_grad_()
    q = Mixture(mixture.logits, loc, mixture.scale, mixture.family)
    z = normal(COMPONENTS, BATCH, LATENT)
    assert not q.detach().log_prob(z).requires_grad
    torch.testing.assert_close(q.detach().log_prob(z), q.log_prob(z), rtol=0, atol=0)
    (gradient,) = torch.autograd.grad(q.detach().log_prob(q.rsample(z)).sum(), loc)
    assert gradient.abs().max() > 0


def test_select_takes_the_first_batch_axis(mixture):
    z = normal(6, BATCH, LATENT)
    part = mixture.select(slice(1, 3))
    torch.testing.assert_close(part.log_prob(z[:, 1:3]), mixture.log_prob(z)[:, 1:3])
    torch.testing.assert_close(mixture.select(torch.tensor([2, 0])).mean(), mixture.mean()[[2, 0]])


def test_log_prob_normalises(family):
    """∫ q(z) dz = 1 by the trapezoidal rule in one dimension."""
    q = Mixture(normal(3), normal(3, 1), (0.3 * normal(3, 1)).exp(), family)
    grid = torch.linspace(-40, 40, 400_001)
    total = torch.trapezoid(q.log_prob(grid[:, None]).exp(), grid)
    assert total == pytest.approx(1.0, abs=1e-7)


def test_standard_noise_is_standard(family):
    draws = standard_noise((40_000,), family, generator())
    distribution = FAMILIES[family](0.0, 1.0)
    within(draws, 0.0)
    within(draws.square(), distribution.variance)
    for edge in (-2.0, -0.3, 0.8, 3.0):
        within((draws < edge).double(), distribution.cdf(torch.tensor(edge)))
    assert standard_noise((3,), family, generator(), torch.float32).dtype == torch.float32


def test_laplace_noise_is_finite_at_the_ends_of_the_unit_interval(monkeypatch):
    ends = torch.tensor([0.0, 1.0 - 2**-53, 0.5])
    monkeypatch.setattr(torch, "rand", lambda *_, **__: ends)
    draws = standard_noise((3,), "laplace")
    assert draws.isfinite().all() and draws[0] < -10 and draws[1] > 10 and draws[2] == 0
    assert math.isclose(draws[0], -draws[1])


@pytest.mark.parametrize("family", ["gaussian", "laplace"])
def test_the_variance_of_a_narrow_posterior_keeps_its_digits(family):
    """In single precision E[z²] − E[z]² would be 0, or below, from a location of a few units on."""
    factor = 2.0 if family == "laplace" else 1.0
    loc = torch.linspace(0.0, 10.0, 101).unsqueeze(-1)
    found = single(loc, torch.full_like(loc, 1e-3), family).variance()
    torch.testing.assert_close(found, torch.full_like(loc, factor * 1e-6), rtol=1e-5, atol=0.0)
    apart = Mixture(torch.zeros(1, 2), torch.tensor([[[7.0], [7.002]]]), torch.full((1, 2, 1), 1e-3), family)
    assert apart.variance().item() == pytest.approx(factor * 1e-6 + 1e-6, rel=1e-2)
