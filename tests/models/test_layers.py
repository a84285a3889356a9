"""Layers, encoders and priors: their formulas and their random start."""

import math

import pytest
import torch
from builders import DIMS, MAX_DIM, affine, double_precision, model_config, normal, observations, randomised, within
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from pimvae.models.encoders import VectorEncoder
from pimvae.models.layers import MLP, Dense, ModalityDense
from pimvae.models.priors import LearnedMixturePrior, build_prior
from pimvae.models.vae import seeded

float64 = pytest.fixture(double_precision, autouse=True)
BATCH = 4


def test_encoder_is_one_relu_network_per_modality():
    with seeded(0):
        module = randomised(VectorEncoder(DIMS, MAX_DIM, (8, 7), 5), 0)
    x = observations(BATCH)
    for s, dim in enumerate(DIMS):
        hidden = torch.relu(affine(module.layers[0], s, dim, 8, x[s, :, :dim]))
        hidden = torch.relu(affine(module.layers[1], s, 8, 7, hidden))
        torch.testing.assert_close(module(x)[:, s], affine(module.layers[2], s, 7, 5, hidden))


@pytest.mark.parametrize("fan_in", [1, 25, 400])
def test_dense_layers_start_lecun_normal(fan_in):
    with seeded(1):
        layer = Dense(fan_in, 40_000 // fan_in)
        batched = ModalityDense([fan_in, 3 * fan_in], [40_000 // fan_in] * 2)
    for weight, size in ((layer.weight, fan_in), (batched.weight[0, :fan_in], fan_in), (batched.weight[1], 3 * fan_in)):
        entries = weight.detach().flatten()
        within(entries, 0.0)
        within(entries.square(), 1 / size)
        assert entries.abs().max() <= 2 / (math.sqrt(size) * 0.8796256) * (1 + 1e-6)  # cut at two standard deviations
    assert (layer.bias == 0).all() and (batched.bias == 0).all()


def test_mlp_is_leaky_between_layers_and_affine_at_the_end():
    with seeded(0):
        mlp = MLP([3, 5, 2])
    h = mlp.layers[0](normal(6, 3))
    torch.testing.assert_close(mlp(normal(6, 3)), mlp.layers[1](torch.where(h > 0, h, 0.01 * h)))


def test_mixture_prior_is_that_of_torch():
    prior = randomised(LearnedMixturePrior(2, 4, "gaussian"), 0)
    z = normal(5, BATCH, 2)
    expected = MixtureSameFamily(
        Categorical(logits=prior.logits), Independent(Normal(prior.loc, prior.log_scale.exp()), 1)
    )
    torch.testing.assert_close(prior.distribution().log_prob(z), expected.log_prob(z))


def test_mixture_prior_starts_as_documented():
    """Means and log-scales N(0, 1/(2·latent)), equal logits."""
    latent = 4
    with seeded(0):
        prior = LearnedMixturePrior(latent, 5_000, "gaussian")
    assert (prior.logits == 0).all()
    for entries in (prior.loc.detach().flatten(), prior.log_scale.detach().flatten()):
        within(entries, 0.0)
        within(entries.square(), 1 / (2 * latent))
    assert abs(torch.corrcoef(torch.stack([prior.loc.flatten(), prior.log_scale.flatten()]))[0, 1]) < 0.05


@pytest.mark.parametrize(("family", "reference"), [("gaussian", Normal), ("laplace", torch.distributions.Laplace)])
def test_standard_prior(family, reference):
    prior = build_prior(model_config("poe", family=family))
    z = normal(7, 2)
    torch.testing.assert_close(prior.distribution().log_prob(z), reference(0.0, 1.0).log_prob(z).sum(-1))
    assert not list(prior.parameters())
