"""Better decoders: what is said of validation samples is exact, and memory does not grow with their number."""

import numpy as np
import pytest
import torch
from scipy import stats

from pimvae.data.readers import read_memory
from pimvae.library import MultimodalVAE
from pimvae.library.data import pack_collection
from pimvae.models.vae import MultimodalVAE as Core
from pimvae.training import polish as training

SMALL = {"model.encoder_widths": [4], "model.features": 4, "model.pooling_width": 4}


def views(n, seed):
    g = np.random.default_rng(seed)
    z = g.normal(size=(n, 2))
    return {"a": z @ [[1.0, 0.5, 0.0], [0.0, 1.0, -1.0]] + g.normal(size=(n, 3)), "b": z + g.normal(size=(n, 2))}


@pytest.mark.parametrize("samples", [100, 700])
def test_validation_samples_in_blocks_have_their_exact_likelihood(monkeypatch, samples):
    """Of a linear-Gaussian model: log N(x; b, W Wᵀ + diag σ²)."""
    model = MultimodalVAE.from_data(views(1100, 0), latent=2, settings=SMALL, standardise=False)
    train, validation = (pack_collection(read_memory(views(n, seed)), model.modalities)
                         for n, seed in ((1100, 0), (samples, 1)))  # fmt: skip
    decoder, x = model.module.decoder, np.concatenate(list(views(samples, 1).values()), 1)
    parts = [(network.weight, network.bias, likelihood.log_scale)
             for network, likelihood in zip(decoder.networks, decoder.likelihoods, strict=True)]  # fmt: skip
    w, b, log_scale = (torch.cat(part, -1).detach().double().numpy() for part in zip(*parts, strict=True))
    exact = stats.multivariate_normal(b, w.T @ w + np.diag((np.exp(log_scale) + 5e-4) ** 2)).logpdf(x).mean()

    encoded, looked, posterior, draw = [], [], Core.posterior, training.draw

    def encoding(self, x, mask):
        encoded.append(x.shape[1])
        return posterior(self, x, mask)

    def drawing(model, x, mask, proposal, count, generator):
        if count == training.LOOK_DRAWS:
            looked.append(x.shape[1])
        return draw(model, x, mask, proposal, count, generator)

    monkeypatch.setattr(Core, "posterior", encoding)
    monkeypatch.setattr(training, "draw", drawing)
    before, after = training.polish(model.module, train, validation, 0, rounds=1)
    assert before == pytest.approx(exact, abs=1e-5) and after >= before
    assert max(looked) == min(samples, 256) and sum(looked) == 2 * samples  # before and after the round
    assert max(encoded) <= 1024
