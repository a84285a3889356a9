"""Rates and reconstructions against closed forms and quadrature, whatever the number of draws at a time."""

import pytest
import torch
from builders import DIMS, ExactVAE, double_precision, linear_gaussian, normal, observations, vae
from torch.distributions import Independent, Normal, kl_divergence

from pimvae.evaluation import rates
from pimvae.posteriors import Mixture, single

float64 = pytest.fixture(double_precision, autouse=True)
SAMPLES, DRAWS = 4, 4_000


@pytest.fixture(autouse=True, params=[2**18, 1], ids=["chunks", "draw by draw"])
def chunk(request, monkeypatch):
    monkeypatch.setattr(rates, "CHUNK", request.param)
    return request.param


@pytest.fixture
def draws(chunk):
    return DRAWS if chunk > 1 else 500


def posterior(seed):
    return single(normal(SAMPLES, 2, seed=seed), (0.3 * normal(SAMPLES, 2, seed=seed + 1)).exp())


def as_normal(q):
    return Independent(Normal(q.loc[:, 0], q.scale[:, 0]), 1)


def close(found, expected, draws):
    torch.testing.assert_close(found, expected, rtol=0, atol=20 / draws**0.5)


def test_rates_are_divergences(draws):
    model, q, other = ExactVAE(linear_gaussian()), posterior(1), posterior(5)
    noise = normal(2, draws, SAMPLES, 2)  # more entries than components: the rest is not used
    prior = Independent(Normal(torch.zeros(2), 1.0), 1)
    close(rates.rate(model, q, noise), kl_divergence(as_normal(q), prior), draws)
    close(rates.cross_rate(q, other, noise), kl_divergence(as_normal(q), as_normal(other)), draws)
    assert (rates.cross_rate(q, q, noise) == 0).all()


def test_rate_of_a_mixture_by_quadrature(draws):
    model = ExactVAE(linear_gaussian(latent=1))
    q = Mixture(normal(SAMPLES, 3), 2 * normal(SAMPLES, 3, 1, seed=1), (0.3 * normal(SAMPLES, 3, 1, seed=2)).exp())
    grid = torch.linspace(-12, 12, 8_001)[:, None, None].expand(-1, SAMPLES, 1)
    density = q.log_prob(grid)
    expected = torch.trapezoid(density.exp() * (density - model.log_prior(grid)), grid[:, 0, 0], dim=0)
    close(rates.rate(model, q, normal(3, draws, SAMPLES, 1)), expected, draws)


def test_reconstruction_is_the_expected_log_likelihood_of_every_modality(draws):
    oracle = linear_gaussian()
    x, q = observations(SAMPLES, seed=3), posterior(1)
    found = rates.reconstruction(ExactVAE(oracle), x, q, normal(1, draws, SAMPLES, 2))
    assert found.shape == (SAMPLES, len(DIMS))
    expected = oracle.expected_log_likelihood(x.movedim(0, 1), q.loc[:, 0], q.scale[:, 0].square())
    close(found / expected.abs(), expected / expected.abs(), draws)


@pytest.mark.parametrize("name", ["moe", "private_self_attention"])
def test_the_same_draws_give_the_same_numbers_in_any_chunks(name, monkeypatch):
    model, x = vae(name), observations(SAMPLES)
    mask = torch.tensor([True, False, True]).expand(SAMPLES, -1)
    results = []
    for size in (1, 100, 2**18):
        monkeypatch.setattr(rates, "CHUNK", size)
        q = model.posterior(x, mask)
        noise = normal(q.components, 11, SAMPLES, model.latent_size)
        other = model.posterior(x, ~mask)
        numbers = [rates.rate(model, q, noise), rates.cross_rate(q, other, noise)]
        results.append([*numbers, rates.reconstruction(model, x, q, noise)])
    for values in results[1:]:
        for value, expected in zip(values, results[0], strict=True):
            torch.testing.assert_close(value, expected)
