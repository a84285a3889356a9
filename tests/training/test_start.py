"""A start from the data: the same function of raw data as the plain model is of standardised data."""

import pytest
import torch
from builders import DIMS, MAX_DIM, double_precision, model_config, observations

from pimvae.models.vae import build_model
from pimvae.training.packing import PackedSplit
from pimvae.training.start import entry_moments, start_from_data

KINDS = ("gaussian", "categorical", "gaussian")


@pytest.fixture(autouse=True)
def float64():
    yield from double_precision()


def data(likelihoods, samples=60):
    """Offsets and scales of their own in every entry, a constant column, missing modalities, padding."""
    x = observations(samples)
    steps = torch.arange(MAX_DIM, dtype=torch.float64)
    raw = torch.where(x == 0, 0.0, 40 * (steps - 2) + (1 + 3 * steps) * x)
    raw[0, :, 1] = 7.25
    for s, kind in enumerate(likelihoods):
        if kind == "categorical":
            raw[s] = torch.nn.functional.one_hot(torch.arange(samples) % DIMS[s], MAX_DIM).double()
    mask = torch.ones(samples, len(DIMS), dtype=torch.bool)
    mask[::3, 0] = False
    mask[1::4, 2] = False
    return PackedSplit(torch.where(mask.T.unsqueeze(-1), raw, 0.0), mask, DIMS)


def standardised(split, likelihoods, kind):
    """The data that the plain model sees, missing and padded entries 0, and μ, σ by themselves."""
    x, mean, scale = split.x.clone(), torch.zeros(len(DIMS), MAX_DIM), torch.ones(len(DIMS), MAX_DIM)
    for s, dim in enumerate(DIMS):
        if likelihoods[s] == "categorical":
            continue
        seen = split.x[s, split.mask[:, s], :dim]
        spread = seen.std(0, correction=0)
        mean[s, :dim] = seen.mean(0)
        if kind == "standardised":
            scale[s, :dim] = torch.where(spread < 1e-9, 1.0, spread)
        x[s, :, :dim] = torch.where(split.mask[:, s, None], (x[s, :, :dim] - mean[s, :dim]) / scale[s, :dim], 0.0)
    return x, mean, scale


@pytest.mark.parametrize("kind", ["framework", "centred", "standardised"])
@pytest.mark.parametrize("decoder", ["linear", "injective"])
@pytest.mark.parametrize("likelihoods", [("gaussian",) * 3, KINDS], ids=["gaussian", "with categories"])
@pytest.mark.parametrize("aggregator", ["poe", "sum_pooling", "private_sum_pooling"])
def test_raw_data_are_to_it_what_standardised_data_are_to_the_plain_model(kind, decoder, likelihoods, aggregator):
    split = data(likelihoods)
    config = model_config(aggregator, decoder=decoder)
    plain, started = (build_model(config, DIMS, MAX_DIM, likelihoods, 0.7, 3) for _ in range(2))
    start_from_data(started, split, kind)
    x, mean, scale = standardised(split, likelihoods, kind)
    if kind == "framework":
        x, mean, scale = split.x, torch.zeros_like(mean), torch.ones_like(scale)
    expected, found = plain.posterior(x, split.mask), started.posterior(split.x, split.mask)
    torch.testing.assert_close(found.mean(), expected.mean(), rtol=1e-9, atol=1e-9)
    z = expected.sample(2, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found.log_prob(z), expected.log_prob(z), rtol=1e-9, atol=1e-9)
    raw = plain.decoder(plain.modality_latents(z)) * scale[:, None, None] + mean[:, None, None]
    torch.testing.assert_close(started.decoder(started.modality_latents(z)), raw, rtol=1e-9, atol=1e-9)


def test_moments_of_constant_padded_and_unseen_entries():
    split = data(("gaussian",) * 3)
    split.mask[:, 1] = False
    split.x[1] = 0.0
    mean, scale = entry_moments(split)
    assert scale[0, 1] == 1.0 and mean[0, 1] == 7.25
    assert torch.equal(mean[1], torch.zeros(MAX_DIM)) and torch.equal(scale[1], torch.ones(MAX_DIM))
    assert torch.equal(scale[0, DIMS[0] :], torch.ones(MAX_DIM - DIMS[0]))


def test_values_that_are_missing_do_not_count():
    split = data(("gaussian",) * 3)
    other = PackedSplit(torch.where(split.mask.T.unsqueeze(-1), split.x, 99.0), split.mask, DIMS)
    for first, second in zip(entry_moments(split), entry_moments(other), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-12, atol=1e-12)
