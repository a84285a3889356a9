"""Near-exact log-likelihoods against answers that are known."""

import math

import pytest
import torch
from builders import DIMS, OBSERVED, ExactVAE, double_precision, generator, linear_gaussian, observations, vae
from torch import Tensor

from pimvae.evaluation import near_exact
from pimvae.evaluation import quadrature as module
from pimvae.evaluation.annealing import annealed_log_weights
from pimvae.evaluation.bounds import linear_gaussian as read_off
from pimvae.evaluation.likelihood import importance_log_likelihood
from pimvae.evaluation.near_exact import log_likelihood
from pimvae.evaluation.pareto import TRUSTED, pareto_shape
from pimvae.evaluation.quadrature import quadrature
from pimvae.evaluation.refinement import DenseGaussian, refine
from pimvae.models.vae import build_model


@pytest.fixture(autouse=True)
def float64():
    yield from double_precision()


def data(points: int = 24, modalities: int = 3) -> tuple[Tensor, Tensor]:
    """Observations with missing modalities, whose entries are 0."""
    x, mask = observations(points), OBSERVED.repeat(points // 4, 1)[:, :modalities]
    return torch.where(mask.T.unsqueeze(-1), x, 0.0), mask


@pytest.mark.parametrize("latent", [3, 12])
def test_linear_gaussian_models_are_exact(latent):
    """Also with missing modalities and a posterior that is not diagonal; the error that is stated holds."""
    x, mask = data()
    model = vae("poe", latent=latent)
    exact = read_off(model).log_likelihood(x.movedim(0, 1), mask).detach()
    found = log_likelihood(model, x, mask, generator())
    assert float((found.log_likelihood - exact).abs().mean()) < 0.03
    assert abs(float((found.log_likelihood - exact).mean())) < max(0.01, found.mean_error())
    assert float(found.ess_fraction.min()) > 0.4 and not (found.k_hat > TRUSTED).any()


@pytest.mark.parametrize("name", ["private_poe", "private_sum_pooling", "private_self_attention", "moe", "mopoe"])
def test_every_kind_of_encoder_can_start_it(name):
    """Mixtures and hierarchical posteriors, untrained: where they start, they end."""
    x, mask = data()
    model = vae(name, latent=3)
    exact = read_off(model).log_likelihood(x.movedim(0, 1), mask).detach()
    found = log_likelihood(model, x, mask, generator())
    assert abs(float((found.log_likelihood - exact).mean())) < 0.02


def test_an_encoder_that_is_far_off_does_no_harm():
    """Twenty standard deviations away: importance sampling from it is dozens of nats low."""
    x, mask = data()
    oracle = linear_gaussian(latent=3)
    exact = oracle.log_likelihood(x.movedim(0, 1), mask)
    model = ExactVAE(oracle, shift=5.0, stretch=0.5)
    naive = importance_log_likelihood(model, x, mask, 64, generator()).log_likelihood
    assert float((naive - exact).mean()) < -30
    found = log_likelihood(model, x, mask, generator())
    assert abs(float((found.log_likelihood - exact).mean())) < 0.01


@pytest.mark.parametrize("lost", [1, 2])
def test_a_refinement_that_does_not_arrive_starts_again(monkeypatch, lost):
    """Lost once, it starts again at the best draw; lost twice, annealing still goes some of the way, and it is said."""
    x, mask = data()
    model = vae("poe", latent=12)
    exact = read_off(model).log_likelihood(x.movedim(0, 1), mask).detach()
    arrived, starts = near_exact.refine, []

    def refined(target, start, steps, source):
        starts.append((start, steps))
        if len(starts) > lost:
            return arrived(target, start, steps, source)
        return DenseGaussian(start.loc + 0.3, 0.3 * start.factor)

    monkeypatch.setattr(near_exact, "refine", refined)
    found = log_likelihood(model, x, mask, generator(), steps=40)
    assert [steps for _, steps in starts] == [40, 80]
    (first, _), (second, _) = starts
    assert torch.equal(second.factor, 0.1 * torch.eye(12).expand_as(second.factor))
    heavy = len(second.loc)
    assert 0 < heavy <= len(first.loc)
    off = found.log_likelihood - exact
    if lost == 1:
        assert float(off.abs().max()) < 0.3 and abs(float(off.mean())) < max(0.02, found.mean_error())
    else:
        assert -3 < float(off.mean()) < 0.3 and float(found.bias.min()) < -0.1


def test_two_estimates_are_averaged_and_what_they_differ_by_is_said():
    """Alike: the error falls by √2. Hundreds of nats apart, one is lost: the other counts, at half its weight."""

    def estimate(value: list[float], ess: float) -> near_exact.Estimate:
        columns = torch.tensor(value), torch.full((2,), 0.2), torch.zeros(2), torch.full((2,), ess), torch.ones(2)
        return near_exact.Estimate(*columns)

    for values in ([-2000.0, -300.0], [-2000.0, -2000.0]), ([-2000.0, -2000.0], [-2000.0, -300.0]):
        found = near_exact._averaged(estimate(values[0], 0.1), estimate(values[1], 0.5))
        expected = torch.tensor([-2000.0, -300 - math.log(2)])
        torch.testing.assert_close(found.log_likelihood, expected)
        torch.testing.assert_close(found.error, torch.tensor([0.2 / math.sqrt(2), 0.2]))
        torch.testing.assert_close(found.bias, torch.tensor([-0.01, -1700 + 0.6 * math.sqrt(2)]))
        assert found.ess_fraction.tolist() == [0.5, 0.5]


def test_the_same_generator_gives_the_same_numbers():
    x, mask = data(8)
    model = vae("sum_pooling", latent=3)
    first, second = (log_likelihood(model, x, mask, generator(4), 128, 10) for _ in range(2))
    for name in ("log_likelihood", "error", "bias", "ess_fraction", "k_hat"):
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_categorical_text_against_plain_monte_carlo():
    """Three letters of one modality: p(x) is a mean over the prior, which many draws give."""
    model = vae("moe", likelihoods=("gaussian", "categorical", "gaussian"), latent=3)
    x = observations(6)
    x[1] = torch.nn.functional.one_hot(torch.arange(6) % DIMS[1], x.shape[-1]).to(x.dtype)
    mask = torch.zeros(6, 3, dtype=torch.bool)
    mask[:, 1] = True
    x = torch.where(mask.T.unsqueeze(-1), x, 0.0)
    z = model.prior.distribution().sample(400_000, generator(3))
    expected = torch.stack([model.log_likelihood(x[:, i : i + 1], z.unsqueeze(1))[:, 0, 1] for i in range(6)])
    expected = expected.logsumexp(1) - math.log(z.shape[0])
    found = log_likelihood(model, x, mask, generator())
    torch.testing.assert_close(found.log_likelihood, expected, rtol=0, atol=0.03)


def bimodal(z: Tensor) -> Tensor:
    """log of .7 N(−2, .1²) + .3 N(2, .2²) in every latent, times e³: the integral is 3 for one latent."""
    left = math.log(0.7) - 0.5 * ((z + 2) / 0.1) ** 2 - math.log(0.1)
    right = math.log(0.3) - 0.5 * ((z - 2) / 0.2) ** 2 - math.log(0.2)
    return (torch.logaddexp(left, right) - 0.5 * math.log(2 * math.pi)).sum(-1) + 3


@pytest.mark.parametrize("latent", [1, 2])
def test_quadrature_finds_narrow_modes_far_apart(latent):
    low, high = torch.full((latent,), -9.0), torch.full((latent,), 11.0)
    value, change = quadrature(lambda some: lambda z: bimodal(z).expand(-1, len(some)), 3, low, high)
    torch.testing.assert_close(value, torch.full((3,), 3.0), rtol=0, atol=1e-3)
    assert float(change.max()) < 1e-2


def test_absurd_slopes_take_no_more_than_their_share_of_cells(monkeypatch):
    """Each of the points gets as many cells as the others; what is plain beside it stays exact."""
    monkeypatch.setattr(module, "MOST", 3000)
    asked = []

    def target(some: Tensor):
        def joint(z: Tensor) -> Tensor:
            asked.append(z.shape[0] * z.shape[1])
            wild = 1e5 * torch.sin(1e3 * z).sum(-1)
            return torch.where(some == 1, wild, bimodal(z))

        return joint

    value, _ = quadrature(target, 3, torch.full((2,), -9.0), torch.full((2,), 11.0))
    assert max(asked[1:]) <= 4 * 3000 and value.isfinite().all()
    torch.testing.assert_close(value[[0, 2]], torch.full((2,), 3.0), rtol=0, atol=1e-2)


def test_two_latents_are_integrated():
    x, mask = data()
    model = vae("poe", latent=2)
    exact = read_off(model).log_likelihood(x.movedim(0, 1), mask).detach()
    found = log_likelihood(model, x, mask)
    torch.testing.assert_close(found.log_likelihood, exact, rtol=0, atol=2e-3)


def test_refinement_solves_a_gaussian_without_noise():
    """Correlations that no diagonal Gaussian has; every draw agrees, so the fit is exact."""
    root = torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.3, 0.0], [-0.5, 0.2, 2.0]])
    target = DenseGaussian(torch.tensor([[1.0, -2.0, 3.0]]), root.unsqueeze(0))
    start = DenseGaussian(torch.zeros(1, 3), 0.2 * torch.eye(3).unsqueeze(0))
    found = refine(target.log_prob, start, 120, generator())
    torch.testing.assert_close(found.loc, target.loc, rtol=0, atol=1e-3)
    covariance = (found.factor @ found.factor.mT, target.factor @ target.factor.mT)
    torch.testing.assert_close(*covariance, rtol=5e-3, atol=5e-3)


def test_annealing_is_right_where_the_gaussian_is_not():
    """From N(0, I) to a Laplace density, scaled by e²: heavier tails than the proposal has."""
    start = DenseGaussian(torch.zeros(50, 2), torch.eye(2).expand(50, 2, 2))

    def laplace(z: Tensor) -> Tensor:
        return -(z - 0.5).abs().sum(-1) - 2 * math.log(2) + 2

    weights = annealed_log_weights(laplace, start, 64, 60, generator())
    value = weights.logsumexp(0) - math.log(64)
    assert abs(float(value.mean()) - 2) < 0.03


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9])
def test_the_shape_of_a_pareto_tail_is_found(shape):
    """Weights u^{−k} have a generalised Pareto tail of shape k; the estimate is drawn towards 1/2 a little."""
    u = torch.rand(4000, 40, generator=generator(), dtype=torch.float64)
    found = pareto_shape(-shape * u.log())
    assert abs(float(found.mean()) - shape) < 0.06


@pytest.mark.parametrize("bad", [0, 5, 7])
def test_a_sum_in_single_precision_that_degenerates_is_done_again(monkeypatch, bad):
    """Wherever the point is: those that are estimated with it are done again in double precision, and no others."""
    x, mask = data(8)
    model, marked = vae("sum_pooling", latent=3).float(), x[:, bad].float()
    monkeypatch.setattr(near_exact, "NUMBERS", 3 * 16 * x[:, 0].numel())  # three points at a time
    monkeypatch.setattr(
        near_exact, "_degenerate", lambda _, part, *rest: bool((part == marked[:, None]).all(2).all(0).any())
    )
    sampled, dtypes = near_exact._sampled, []

    def recorded(model, part, *rest):
        dtypes.append(part.dtype)
        return sampled(model, part, *rest)

    monkeypatch.setattr(near_exact, "_sampled", recorded)
    found = log_likelihood(model, x.float(), mask, generator(), 64, 5)
    again = 1 + bad // 3
    assert dtypes == [torch.float32] * again + [torch.float64] + [torch.float32] * (3 - again)
    assert found.log_likelihood.dtype == torch.float64 and len(found.log_likelihood) == 8
    assert next(model.parameters()).dtype == torch.float32


@pytest.mark.parametrize("point", [0, 3, 7])
@pytest.mark.parametrize(("error", "degenerate"), [(0.0, False), (0.02, False), (0.2, True), (math.nan, True)])
def test_every_point_is_weighed_again_where_it_counts(point, error, degenerate):
    """One value of one point is off: the largest one is noticed, the smallest carries nothing."""
    x, mask = data(8)
    model = vae("sum_pooling", latent=3)
    single = x.float()
    z = torch.randn(100, 8, 3, generator=generator()).float()
    values = near_exact._target(model, single.double(), mask)(z.double()).float()
    largest, smallest = values.clone(), values.clone()
    largest[values[:, point].argmax(), point] += error
    smallest[values[:, point].argmin(), point] -= 0.2
    assert near_exact._degenerate(model, single, mask, z, largest) is degenerate
    assert not near_exact._degenerate(model, single, mask, z, smallest)


def test_single_precision_is_good_where_nothing_degenerates():
    x, mask = data(8)
    model = vae("sum_pooling", latent=3)
    exact = read_off(model).log_likelihood(x.movedim(0, 1), mask).detach()
    found = log_likelihood(model.float(), x.float(), mask, generator())
    assert abs(float((found.log_likelihood - exact).mean())) < 0.03


def test_laplace_pixels_against_annealing_from_the_prior():
    """Pixels with Laplace noise: no closed form; long annealing from the prior is another way to the same number."""
    from pimvae.config.schema import ModelConfig

    config = ModelConfig(aggregator="poe", latent=4, networks="image_mlp", encoder_widths=(8,), noise_scale=0.75)
    model = build_model(config, (16, 16), 16, ("laplace", "laplace"), None, 1)
    x, mask = torch.rand(2, 6, 16, generator=generator(), dtype=torch.float64), torch.ones(6, 2, dtype=torch.bool)
    found = log_likelihood(model, x, mask, generator())
    prior = DenseGaussian(torch.zeros(6, 4), torch.eye(4).expand(6, 4, 4))

    def log_joint(z: Tensor) -> Tensor:
        return model.log_likelihood(x, z).sum(-1) + model.log_prior(z)

    chains = annealed_log_weights(log_joint, prior, 200, 60, generator(2))
    expected = chains.logsumexp(0) - math.log(200)
    torch.testing.assert_close(found.log_likelihood, expected, rtol=0, atol=0.05)
