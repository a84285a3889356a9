"""Decoders fitted to refined posteriors: which samples they see."""

import numpy as np
import pytest
import torch

from pimvae.data.readers import read_memory
from pimvae.library import MultimodalVAE
from pimvae.library_data import divided, pack_collection
from pimvae.training import polish as part


def flat(model):
    return torch.cat([values.detach().double().flatten() for values in model.decoder.parameters()])


@pytest.fixture
def given():
    g = np.random.default_rng(0)
    z = g.normal(size=(60, 2))
    data = {name: z @ g.normal(size=(2, 3)) + 0.5 * g.normal(size=(60, 3)) for name in "ab"}
    small = {"model.encoder_widths": [4], "model.features": 4, "model.pooling_width": 4}
    model = MultimodalVAE.from_data(data, latent=2, settings=small)
    return model.module, *divided(pack_collection(read_memory(data), model.modalities), 0.25, 0)


@pytest.mark.parametrize("few", [True, False])
def test_few_samples_are_all_seen_from_the_start(given, monkeypatch, few):
    model, train, validation = given
    monkeypatch.setattr(part, "ROWS", 60 if few else 59)
    plain, seen = part._rounds, []

    def rounds(work, data, count, *rest):
        seen.append((len(data), count, torch.equal(flat(work), first)))
        return plain(work, data, count, *rest)

    first = flat(model)
    monkeypatch.setattr(part, "_rounds", rounds)
    found = part.polish(model, train, validation, 0, 10)
    assert found.rounds == 10 and found.after > found.before
    again = [(60, 10, True)] if few else []
    assert seen == [(45, 10, True), *again, (60, 3, False)]


def test_without_validation_samples_it_is_one_pass(given):
    model, train, _ = given
    found = part.polish(model, train, None, 0, 3)
    assert found.rounds == 3 and np.isnan(found.after)
