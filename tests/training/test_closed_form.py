"""Closed-form M-steps against the exact likelihood of linear-Gaussian data with missing modalities."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from pimvae.data.readers import read_memory
from pimvae.library import MultimodalVAE
from pimvae.library_data import pack_collection
from pimvae.mode import at_mode
from pimvae.training import polish as rounds
from pimvae.training.closed_form import linear_gaussian, maximise

SMALL = {"model.encoder_widths": [4], "model.features": 4, "model.pooling_width": 4}


def given(**settings):
    g = np.random.default_rng(0)
    z = g.normal(size=(80, 2))
    data = {name: z @ g.normal(size=(2, dim)) + 0.3 * g.normal(size=(80, dim)) for name, dim in (("a", 3), ("b", 4))}
    data["a"][:15] = np.nan
    model = MultimodalVAE.from_data(data, latent=2, settings=SMALL | settings)
    return model.module.double(), pack_collection(read_memory(data), model.modalities).to(torch.float64)


def exact(model, data):
    """Σ_i log N(x_i; b, Wᵀ W + diag σ²) of what is observed."""
    weight = torch.cat([network.weight for network in model.decoder.networks], 1)
    bias = torch.cat([network.bias for network in model.decoder.networks])
    scale = torch.cat([likelihood.scale() for likelihood in model.decoder.likelihoods])
    x = torch.cat([data.x[s, :, :dim] for s, dim in enumerate(data.dims)], 1)
    columns = data.mask.repeat_interleave(torch.tensor(data.dims), 1)
    total = 0
    for row, seen in zip(x, columns, strict=True):
        w = weight[:, seen]
        total = total + MultivariateNormal(bias[seen], w.T @ w + torch.diag(scale[seen] ** 2)).log_prob(row[seen])
    return total


def test_no_step_lowers_the_likelihood_of_what_is_observed():
    model, data = given()
    places, values = linear_gaussian(model), [-math.inf]
    assert places == [0, 1]
    for _ in range(10):
        with torch.no_grad():
            start = model.posterior(data.x, data.mask).mean()
        maximise(model, places, data.x, data.mask, at_mode(model, data.x, data.mask, start))
        values.append(float(exact(model, data).detach()))
    assert (np.diff(values) > 0).all()


def test_a_step_reaches_the_maximum_given_the_posteriors():
    model, data = given()
    posterior = at_mode(model, data.x, data.mask, torch.zeros(80, 2).double())
    maximise(model, [0, 1], data.x, data.mask, posterior)
    total = 0
    for s, dim in enumerate(data.dims):
        seen, network, scale = data.mask[:, s], model.decoder.networks[s], model.decoder.likelihoods[s].scale()
        left = data.x[s, seen, :dim] - network(posterior.mean[seen])
        spread = torch.einsum("nkl,kd,ld->nd", posterior.covariance[seen], network.weight, network.weight)
        total = total - (0.5 * (left**2 + spread) / scale**2 + scale.log()).sum()
    for part in torch.autograd.grad(total, list(model.decoder.parameters())):
        torch.testing.assert_close(part, torch.zeros_like(part), atol=1e-8, rtol=0)


def test_a_known_scale_stays_and_what_is_never_observed_is_left_alone():
    model, data = given(**{"model.decoder_scale": "fixed", "model.noise_scale": 0.5})
    before = model.decoder.networks[0].weight.detach().clone()
    data.mask[:, 0] = False
    maximise(model, [0, 1], data.x, data.mask, at_mode(model, data.x, data.mask, torch.zeros(80, 2).double()))
    assert torch.equal(model.decoder.networks[0].weight, before)
    assert torch.equal(model.decoder.likelihoods[1].scale(), torch.full((4,), math.log(0.5)).double().exp())


@pytest.mark.parametrize(("settings", "places"), [
    ({"model.decoder": "injective"}, []), ({"model.private_latent": 1}, []), ({}, [0, 1]),
])  # fmt: skip
def test_only_linear_decoders_of_the_whole_latent_have_one(settings, places):
    aggregator = {"aggregator": "private_poe"} if "model.private_latent" in settings else {}
    data = {"a": np.random.default_rng(0).normal(size=(9, 2)), "b": np.random.default_rng(1).normal(size=(9, 2))}
    model = MultimodalVAE.from_data(data, latent=2, settings=SMALL | settings, **aggregator).module
    assert linear_gaussian(model) == places


def test_polishing_reaches_the_maximum_where_every_round_sees_all_samples(monkeypatch):
    model, data = given()
    found = rounds.polish(model, data.to(torch.float32), None, 0, 60).model
    reached = float(exact(found.double(), data))
    monkeypatch.setattr(rounds, "ROWS", 79)
    assert reached > float(exact(rounds.polish(model, data.to(torch.float32), None, 0, 60).model.double(), data))
