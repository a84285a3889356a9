"""A mixture in the place of the standard prior: where it starts, when it is taken, what is kept of it."""

from math import nan
from pathlib import Path

import numpy as np
import pytest
import torch

import pimvae
from pimvae.cli import main
from pimvae.data.readers import read_memory
from pimvae.library import MultimodalVAE
from pimvae.library.data import pack_collection
from pimvae.models.priors import LearnedMixturePrior, StandardPrior
from pimvae.training import fit as training
from pimvae.training.prior_choice import preferred, with_mixture

SMALL = {"model.encoder_widths": [4], "model.features": 4, "model.pooling_width": 4, "train.history_every": 2}
CENTRES = torch.tensor([[-4.0, 0.0], [0.0, 4.0], [4.0, 0.0]])
SHARES = torch.tensor([0.5, 0.3, 0.2])


def groups(n=60):
    """Three groups of samples, seen with little noise."""
    g = torch.Generator().manual_seed(0)
    counts = (SHARES * n).round().long()
    z = CENTRES.repeat_interleave(counts, 0) + 0.3 * torch.randn(n, 2, generator=g)
    return {"a": z.numpy(), "b": z.flip(1).numpy() + 0.1}


def test_components_start_at_the_groups_of_samples():
    model = MultimodalVAE.from_data(groups(), latent=2, settings=SMALL, standardise=False)
    with torch.no_grad():
        for network, turned in zip(model.module.decoder.networks, (torch.eye(2), torch.eye(2).flip(1)), strict=True):
            network.weight.copy_(turned)
            network.bias.zero_()
        for likelihood in model.module.decoder.likelihoods:
            likelihood.log_scale.fill_(np.log(0.1))
    before = {name: values.clone() for name, values in model.module.state_dict().items()}
    found = with_mixture(model.module, pack_collection(read_memory(groups()), model.modalities), 0)
    order = found.prior.loc[:, 0].argsort()
    torch.testing.assert_close(found.prior.loc[order].detach(), CENTRES, atol=0.25, rtol=0)
    torch.testing.assert_close(found.prior.logits.softmax(0)[order].detach(), SHARES, atol=1e-3, rtol=0)
    kept = found.state_dict()
    assert all(torch.equal(values, before[name]) and torch.equal(values, kept[name])
               for name, values in model.module.state_dict().items())  # fmt: skip
    assert isinstance(model.module.prior, StandardPrior) and model.module.config.prior == "standard"
    again = with_mixture(model.module, pack_collection(read_memory(groups()), model.modalities), 0)
    assert torch.equal(again.prior.loc, found.prior.loc)
    lost = with_mixture(model.module, None, 0)
    assert lost.prior.loc.shape == (3, 2) and torch.equal(lost.prior.logits, torch.zeros(3))


@pytest.mark.parametrize(("plain", "mixture", "said"), [
    ([-2.0, -3.0], [-1.0, -2.9], True),
    ([-2.0, -3.0], [-1.0, -3.0], False),  # not in every replica
    ([-2.0, nan], [-1.0, nan], True),  # which diverged counts for nothing
    ([nan], [nan], False),
])  # fmt: skip
def test_every_replica_must_be_likelier(plain, mixture, said):
    assert preferred(plain, mixture) is said


@pytest.mark.parametrize("taken", [True, False])
def test_the_prior_that_is_taken_is_saved(monkeypatch, tmp_path, taken):
    monkeypatch.setattr(training, "preferred", lambda *likelihoods: taken)
    model = MultimodalVAE.from_data(groups(), latent=2, settings=SMALL)
    kind, name = (LearnedMixturePrior, "mixture") if taken else (StandardPrior, "standard")
    for _ in range(2):  # the second training starts from the standard prior again
        model.fit(groups(), steps=4, seeds=2, progress=False)
        assert model.cell.model.prior == name and all(isinstance(part.prior, kind) for part in model.models)
        assert {key: len(values) for key, values in model.training["priors"].items()} == {"standard": 2, "mixture": 2}
        assert [after for _, after in model.training["log_likelihood"]] == model.training["priors"][name]
    model.save(tmp_path / "run")
    again = pimvae.load(tmp_path / "run")
    np.testing.assert_array_equal(again.log_likelihood(groups()).value, model.log_likelihood(groups()).value)


@pytest.mark.parametrize(("settings", "options"), [
    ({"model.prior": "standard"}, {}), ({"model.prior": "mixture"}, {}), ({"model.family": "laplace"}, {}),
    ({}, {"validation": 0.0}), ({}, {"polish": False}),
])  # fmt: skip
def test_a_prior_that_is_set_or_cannot_be_compared_stays(settings, options):
    model = MultimodalVAE.from_data(groups(), latent=2, settings=SMALL | settings)
    asked = model.cell.model
    model.fit(groups(), steps=2, seeds=1, progress=False, **options)
    assert model.cell.model == asked and model.training["priors"] == {}


def test_the_same_command_may_train_again_whatever_prior_was_taken(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(training, "preferred", lambda *likelihoods: True)
    monkeypatch.chdir(tmp_path)
    np.savez("my.npz", **groups())
    settings = [text for key, value in (SMALL | {"train.steps": 2}).items() for text in ("--set", f"{key}={value}")]
    command = ["train", "--data", "my.npz", "--seeds", "1", "--out", "run", *settings]
    assert main(command) == 0
    first = Path("run/weights.safetensors").read_bytes()
    assert main(command) == 0 and Path("run/weights.safetensors").read_bytes() == first
    assert main([*command, "--set", "model.prior=standard"]) == 1
    assert "holds a run of other settings (model)" in capsys.readouterr().err
