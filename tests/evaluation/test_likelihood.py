"""Importance-sampled likelihoods of linear-Gaussian VAEs against the exact ones."""

import math

import pytest
import torch
from builders import DIMS, ExactVAE, double_precision, generator, linear_gaussian, normal, observations, vae

from pimvae import registry
from pimvae.evaluation import likelihood
from pimvae.evaluation.bounds import linear_gaussian as learned
from pimvae.evaluation.likelihood import importance_log_likelihood
from pimvae.posteriors import single
from pimvae.subsets import all_subsets

float64 = pytest.fixture(double_precision, autouse=True)
SUBSETS = all_subsets(len(DIMS))
# Every observed set O with every set that the proposal may see, all as samples of one batch.
OBSERVED, SEEN = (m.reshape(-1, 3) for m in (SUBSETS.repeat_interleave(len(SUBSETS), 0), SUBSETS.repeat(8, 1)))
PARTICLES = 4_000


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Several blocks of samples and several chunks of particles, as for large data."""
    monkeypatch.setattr(likelihood, "CHUNK", 2**13)


@pytest.fixture
def x():
    """One sample and all of its parts: blanks where a modality is not observed."""
    return torch.where(OBSERVED.T.unsqueeze(-1), observations(1, seed=7), 0.0)


@pytest.mark.parametrize("name", registry.names("aggregators"))
def test_agrees_with_the_exact_value_for_every_subset(name, x):
    """Every observed set (the empty one: log 1) under the proposal of every subset, random decoders and encoders.

    Wide proposals near a prior that x hardly narrows: what is tested needs weights of finite variance.
    """
    model = vae(name, seed=3, noise_scale=4.0, encoder_floor=1.0)
    with torch.no_grad():
        model.encoder.layers[-1].weight *= 0.1
    exact = learned(model).log_likelihood(x.movedim(0, 1), OBSERVED)
    found = importance_log_likelihood(model, x, OBSERVED, PARTICLES, generator(1), SEEN)
    assert ((found.log_likelihood - exact).abs() <= 5 * found.error + 1e-12).all()
    # How large the worst error is depends on the weights, and these differ between versions of torch.
    assert found.error.median() < 0.1 and found.error.max() < 1
    assert exact[OBSERVED.any(-1)].max() < -5 and (exact[~OBSERVED.any(-1)] == 0).all()


@pytest.mark.parametrize("particles", [1, 3, 1_000])
def test_exact_posteriors_give_the_exact_value_from_every_particle(particles, x):
    oracle = linear_gaussian()
    found = importance_log_likelihood(ExactVAE(oracle), x, OBSERVED, particles, generator())
    exact = oracle.log_likelihood(x.movedim(0, 1), OBSERVED)
    torch.testing.assert_close(found.log_likelihood, exact, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.ess_fraction, torch.ones(len(x[0])))
    assert found.error.max() < 1e-6


def test_the_proposal_is_that_of_the_observed_set_by_default(x):
    model = vae("moe", seed=3)
    first = importance_log_likelihood(model, x, OBSERVED, 10, generator(2))
    second = importance_log_likelihood(model, x, OBSERVED, 10, generator(2), OBSERVED)
    assert torch.equal(first.log_likelihood, second.log_likelihood)


class Scripted:
    """A posterior whose draws are written down, [particle, sample, latent], whatever number is asked for."""

    def __init__(self, draws, loc, scale):
        self.waiting, self.density = draws, single(loc, scale)

    def sample(self, count, generator=None):
        drawn, self.waiting = self.waiting[:count], self.waiting[count:]
        return drawn

    def log_prob(self, z):
        return self.density.log_prob(z)


class ScriptedVAE(ExactVAE):
    """Proposals N(0, 1.5²) whose draws are written down, block by block of the samples."""

    def __init__(self, oracle, draws):
        super().__init__(oracle)
        self.draws, self.place = draws, 0

    def posterior(self, x, mask):
        rows = slice(self.place, self.place + len(mask))
        self.place += len(mask)
        zeros = torch.zeros(len(mask), self.latent_size)
        return Scripted(self.draws[:, rows], zeros, zeros + 1.5)


@pytest.mark.parametrize("chunk", [1, 500, 5_000, 10**9])
def test_chunks_of_any_size_give_the_mean_over_particles_of_each_sample(chunk, monkeypatch):
    """Two samples 60 nats apart and others between: the mean goes over particles, never over samples."""
    monkeypatch.setattr(likelihood, "CHUNK", chunk)
    oracle, batch, particles = linear_gaussian(), 9, 37
    x = observations(batch, seed=4) * torch.linspace(0.1, 4.0, batch)[:, None]
    z, mask = 1.5 * normal(particles, batch, 2, seed=6), torch.ones(batch, 3, dtype=torch.bool)
    found = importance_log_likelihood(ScriptedVAE(oracle, z), x, mask, particles)

    log_likelihood = oracle.log_likelihood_given(x.movedim(0, 1), z).sum(-1)
    prior, proposal = (torch.distributions.Normal(0.0, scale).log_prob(z).sum(-1) for scale in (1.0, 1.5))
    weights = (log_likelihood + prior - proposal).exp()
    torch.testing.assert_close(found.log_likelihood, weights.mean(0).log())
    relative = weights / weights.mean(0)
    torch.testing.assert_close(found.error, relative.std(0, correction=0) / math.sqrt(particles))
    torch.testing.assert_close(found.ess_fraction, weights.sum(0).square() / weights.square().sum(0) / particles)
    assert found.log_likelihood.max() - found.log_likelihood.min() > 60


def test_the_error_is_that_of_repeated_estimates():
    """300 estimates of one sample: their spread is the error that each of them states."""
    oracle = linear_gaussian()
    model = ExactVAE(oracle, shift=0.2, stretch=1.2)
    x, mask = observations(1, seed=5).expand(-1, 300, -1), torch.ones(300, 3, dtype=torch.bool)
    found = importance_log_likelihood(model, x, mask, 400, generator())
    assert found.log_likelihood.std() == pytest.approx(found.error.mean().item(), rel=0.15)


def test_no_gradients_are_kept(x):
    model = vae("sum_pooling")
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not importance_log_likelihood(model, x, OBSERVED, 3, generator()).log_likelihood.requires_grad
