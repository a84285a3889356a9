"""The public model against closed forms of linear-Gaussian data, and every call of it."""

import copy
import json
import pickle
import re
import shutil
import weakref

import numpy as np
import pandas as pd
import pytest
import torch
from builders import single_cell
from scipy import stats

import pimvae
from pimvae import registry
from pimvae.config.schema import BimodalData, LinearData
from pimvae.data.dataset import load as load_data
from pimvae.data.job import data_file
from pimvae.data.job import run as draw_data
from pimvae.data.readers import read_memory
from pimvae.errors import UserError
from pimvae.evaluation.job import load_models
from pimvae.library import MultimodalVAE, inference
from pimvae.library.data import pack_collection
from pimvae.models.vae import MultimodalVAE as Core
from pimvae.objectives._base import Draws, as_objective
from pimvae.subsets import sample_subsets
from pimvae.training.divergence import Diverged
from pimvae.training.job import run as train_cell
from pimvae.training.loop import Trainer
from pimvae.training.packing import pack

DIMS = {"a b": 3, "c/d": 2, "é": 4}
LATENT, DRAWS = 2, 4000


class Truth:
    """x = scale (W z + b + ε σ) + centre, all modalities side by side, and exact answers in the units of the data."""

    def __init__(self, seed=0):
        g = np.random.default_rng(seed)
        total = sum(DIMS.values())
        self.w = g.normal(size=(total, LATENT)).astype(np.float32).astype(float)
        self.b = g.normal(size=total).astype(np.float32).astype(float)
        self.sigma = np.exp(g.uniform(-1, 0, size=total).astype(np.float32).astype(float)) + 5e-4
        z = g.normal(size=(60, LATENT))
        model_units = z @ self.w.T + self.b + self.sigma * g.normal(size=(60, total))
        self.centre, self.scale = 100 + 10 * g.normal(size=total), g.uniform(0.1, 50, size=total)
        self.x = self.centre + self.scale * model_units
        ends = np.cumsum([0, *DIMS.values()])
        self.places = {name: slice(ends[s], ends[s + 1]) for s, name in enumerate(DIMS)}

    def data(self, rows=slice(None)):
        return {name: self.x[rows, place] for name, place in self.places.items()}

    def model(self, **changes):
        """A model with exactly these parameters: the centres and scales are those that it found in the data."""
        model = MultimodalVAE.from_data(self.data(), latent=LATENT, settings=changes)
        self.centre = np.concatenate([m.centre for m in model.modalities])
        self.scale = np.concatenate([m.scale for m in model.modalities])
        with torch.no_grad():
            for s, place in enumerate(self.places.values()):
                decoder = model.module.decoder
                decoder.networks[s].weight.copy_(torch.from_numpy(self.w[place].T))
                decoder.networks[s].bias.copy_(torch.from_numpy(self.b[place]))
                decoder.likelihoods[s].log_scale.copy_(torch.from_numpy(np.log(self.sigma[place] - 5e-4)))
        return model

    def moments(self):
        """Mean and covariance of the data in their units."""
        covariance = self.w @ self.w.T + np.diag(self.sigma**2)
        return self.centre + self.scale * self.b, self.scale[:, None] * covariance * self.scale

    def conditional(self, x, target):
        """E and sd of the target's columns given all others."""
        mean, cov = self.moments()
        t = np.zeros(len(mean), bool)
        t[self.places[target]] = True
        gain = cov[np.ix_(t, ~t)] @ np.linalg.inv(cov[np.ix_(~t, ~t)])
        variance = np.diag(cov[np.ix_(t, t)] - gain @ cov[np.ix_(~t, t)])
        return mean[t] + (x[:, ~t] - mean[~t]) @ gain.T, np.sqrt(variance)


@pytest.fixture(scope="module")
def truth():
    return Truth()


@pytest.fixture(scope="module")
def model(truth):
    return truth.model()


def test_log_likelihood_is_exact_in_the_units_of_the_data(truth, model):
    mean, cov = truth.moments()
    found = model.log_likelihood(truth.data(), draws=64)
    exact = stats.multivariate_normal(mean, cov).logpdf(truth.x)
    np.testing.assert_allclose(found.value, exact, atol=2e-4)
    assert found.error.max() < 1e-4 and found.ess_fraction.min() > 0.999
    # some modalities missing: by a mask, by NaN, by not naming them
    mask = np.ones((60, 3), int)
    mask[:, 1] = 0
    kept = np.ones(len(mean), bool)
    kept[truth.places["c/d"]] = False
    exact = stats.multivariate_normal(mean[kept], cov[np.ix_(kept, kept)]).logpdf(truth.x[:, kept])
    holed = truth.data() | {"c/d": np.full((60, 2), np.nan)}
    unnamed = {name: values for name, values in truth.data().items() if name != "c/d"}
    for data, given in ((truth.data(), mask), (holed, None), (unnamed, None)):
        np.testing.assert_allclose(model.log_likelihood(data, given, draws=16).value, exact, atol=2e-4)


def test_the_encoders_importance_sampling_agrees_within_its_error(truth, model):
    mean, cov = truth.moments()
    found = model.log_likelihood(truth.data(slice(0, 8)), refined=False, draws=200_000)
    exact = stats.multivariate_normal(mean, cov).logpdf(truth.x[:8])
    good = found.ess_fraction > 1e-3  # an untrained encoder proposes badly
    assert good.sum() >= 2
    assert (np.abs(found.value - exact)[good] < 5 * found.error[good] + 1e-3).all()


@pytest.mark.parametrize("target", DIMS)
def test_imputation_has_the_exact_mean_and_deviation(truth, model, target):
    mean, sd = truth.conditional(truth.x, target)
    found = model.predict(truth.data(), target=target, draws=DRAWS, samples=7)
    np.testing.assert_allclose(found.mean, mean, atol=1e-4 * sd.max())  # draws in pairs: exact, not only on average
    np.testing.assert_allclose(found.sd, np.broadcast_to(sd, found.sd.shape), rtol=5 / np.sqrt(DRAWS))
    for end, quantile in ((found.lower, -1.96), (found.upper, 1.96)):
        wanted = (mean + quantile * sd - end) / sd
        assert np.abs(wanted.mean()) < 0.03 and np.abs(wanted).max() < 0.25
    assert found.samples.shape == (7, *found.mean.shape) and found.labels is None


def test_latents_are_the_exact_posterior(truth, model):
    found = model.encode(truth.data())
    precision = np.eye(LATENT) + (truth.w / truth.sigma[:, None] ** 2).T @ truth.w
    standardised = (truth.x - truth.centre) / truth.scale
    mean = (standardised - truth.b) / truth.sigma**2 @ truth.w @ np.linalg.inv(precision)
    np.testing.assert_allclose(found.mean, mean, atol=1e-5)
    np.testing.assert_allclose(found.scale, np.sqrt(np.diag(np.linalg.inv(precision)))[None].repeat(60, 0), rtol=1e-5)
    exact = np.array([stats.multivariate_normal(m, np.linalg.inv(precision)).logpdf(m) for m in mean])
    np.testing.assert_allclose(found.log_prob(mean), exact, atol=1e-5)
    assert found.sample(5).shape == (5, 60, LATENT)


def test_draws_have_the_models_moments(truth, model):
    drawn = np.concatenate(list(model.sample(20_000).values()), 1)
    mean, cov = truth.moments()
    sd = np.sqrt(np.diag(cov))
    assert (np.abs(drawn.mean(0) - mean) < 5 * sd / np.sqrt(20_000)).all()
    np.testing.assert_allclose(np.cov(drawn.T) / np.outer(sd, sd), cov / np.outer(sd, sd), atol=0.05)


@pytest.fixture(scope="module")
def grouped(truth):
    """A model whose prior has two groups, and its exact components: share, mean and covariance of z."""
    model = truth.model(**{"model.prior": "mixture", "model.prior_components": 2})
    logits, loc, scale = np.log([0.3, 0.7]), np.array([[2.0, -3.0], [-2.0, 1.0]]), np.array([[0.5, 1.0], [1.5, 0.2]])
    with torch.no_grad():
        for parameter, values in zip((model.module.prior.logits, model.module.prior.loc, model.module.prior.log_scale),
                                     (logits, loc, np.log(scale)), strict=True):  # fmt: skip
            parameter.copy_(torch.from_numpy(values))
    return model, [(share, mean, np.diag(s**2)) for share, mean, s in zip([0.3, 0.7], loc, scale, strict=True)]


def test_groups_of_a_learned_prior_are_all_in_the_posterior(truth, grouped):
    """Exact: p(z | x) = Σ_c w_c N(m_c, S_c), though a sample may lie between groups that are far apart."""
    model, components = grouped
    target = truth.places["é"]
    kept = np.ones(len(truth.b), bool)
    kept[target] = False
    w, sigma = truth.w[kept], 30 * truth.sigma[kept]  # what is kept says little
    with torch.no_grad():
        for likelihood, place in zip(model.module.decoder.likelihoods, truth.places.values(), strict=True):
            likelihood.log_scale.copy_(torch.from_numpy(np.log(30 * truth.sigma[place] - 5e-4)))
    y = ((truth.x - truth.centre) / truth.scale - truth.b)[:, kept]
    shares, means, covs = [], [], []
    for share, loc, prior in components:
        marginal = w @ prior @ w.T + np.diag(sigma**2)
        gain = prior @ w.T @ np.linalg.inv(marginal)
        shares.append(np.log(share) + stats.multivariate_normal(w @ loc, marginal).logpdf(y))
        means.append(loc + (y - w @ loc) @ gain.T)
        covs.append(prior - gain @ w @ prior)
    total = np.logaddexp(*shares)
    weight, means = np.exp(np.stack(shares) - total), np.stack(means)
    assert ((weight > 0.1).all(0)).any()  # samples of which both groups must be kept

    data = {name: values for name, values in truth.data().items() if name != "é"}
    jacobian = -np.log(truth.scale[kept]).sum()
    found = model.log_likelihood(data, draws=64)
    np.testing.assert_allclose(found.value, total + jacobian, atol=1e-3)
    assert found.ess_fraction.min() > 0.999

    mean = (weight[..., None] * means).sum(0)
    variance = sum(weight[c][:, None] * (np.diag(covs[c]) + (means[c] - mean) ** 2) for c in range(2))
    q = model.encode(data)
    np.testing.assert_allclose(q.mean, mean, atol=1e-4)
    np.testing.assert_allclose(q.scale, np.sqrt(variance), rtol=1e-4)
    density = [stats.multivariate_normal(np.zeros(2), covs[c]).logpdf(mean - means[c]) for c in range(2)]
    np.testing.assert_allclose(q.log_prob(mean), np.logaddexp(*(np.log(weight) + density)), atol=1e-3)
    drawn = q.sample(4000)
    assert (np.abs(drawn.mean(0) - mean) < 5 * np.sqrt(variance / 4000)).all()

    predicted = model.predict(data, "é", draws=DRAWS)
    exact = truth.centre[target] + truth.scale[target] * (mean @ truth.w[target].T + truth.b[target])
    error = truth.scale[target] * np.abs(truth.w[target]).sum(1) * 3 / DRAWS  # of a share of the draws: 1/n
    assert (np.abs(predicted.mean - exact) < 4 * error + 1e-6).all()


def test_several_seeds_answer_by_their_average(truth, model):
    """p = (p_1 + p_2) / 2, of densities, predictions and draws; one that diverged has no part in it."""
    other = Truth(seed=1)
    other.x = truth.x
    cell = model.cell.model_copy(update={"seeds": (0, 1, 2)})
    lost = other.model().module
    with torch.no_grad():
        next(lost.parameters()).fill_(float("nan"))
    both = MultimodalVAE(cell, model.modalities, [model.module, other.model().module, lost])
    assert both.answering == (0, 1) and both.replica(1).answering == (1,)

    moments = truth.moments(), other.moments()
    each = [stats.multivariate_normal(*found).logpdf(truth.x) for found in moments]
    found = both.log_likelihood(truth.data(), draws=64)
    np.testing.assert_allclose(found.value, np.logaddexp(*each) - np.log(2), atol=3e-4)
    np.testing.assert_allclose(both.replica(1).log_likelihood(truth.data(), draws=64).value, each[1], atol=3e-4)

    (first, s1), (second, s2) = (t.conditional(truth.x, "é") for t in (truth, other))
    found = both.predict(truth.data(), "é", draws=DRAWS, samples=4000)
    np.testing.assert_allclose(found.mean, (first + second) / 2, atol=1e-4 * max(s1.max(), s2.max()))
    sd = np.sqrt((s1**2 + s2**2) / 2 + (first - second) ** 2 / 4)
    np.testing.assert_allclose(found.sd, sd, rtol=5 / np.sqrt(DRAWS))
    np.testing.assert_allclose(found.samples[::2].mean(0), first, atol=0.1 * s1.max())  # they draw in turn
    np.testing.assert_allclose(found.samples[1::2].mean(0), second, atol=0.1 * s2.max())

    drawn = np.concatenate(list(both.sample(20_001).values()), 1)
    for start, (mean, cov) in enumerate(moments):
        error = np.sqrt(np.diag(cov) / 10_000)
        assert (np.abs(drawn[start::2].mean(0) - mean) < 5 * error).all()
    np.testing.assert_array_equal(both.encode(truth.data()).mean, model.encode(truth.data()).mean)


def test_imputed_data_keep_what_is_observed(truth, model):
    data = truth.data()
    data["c/d"] = data["c/d"].copy()
    data["c/d"][:10] = np.nan
    values, sd = model.impute(data, draws=256)["c/d"]
    np.testing.assert_array_equal(values[10:], data["c/d"][10:])
    assert (sd[10:] == 0).all() and (sd[:10] > 0).all()
    np.testing.assert_allclose(values[:10], truth.conditional(truth.x, "c/d")[0][:10], rtol=1e-4)


def test_imputed_frames_keep_each_value_under_the_name_of_its_column():
    """Columns may come in another order than in training."""
    g = np.random.default_rng(0)
    data = {
        "x": pd.DataFrame(g.normal([0, 100], 1, (30, 2)), columns=["a", "b"]),
        "y": pd.DataFrame(g.normal(size=(30, 1))),
    }
    model = MultimodalVAE.from_data(data, latent=2)
    turned = data | {"x": data["x"][["b", "a"]].copy()}
    turned["x"].iloc[0] = np.nan
    values, _ = model.impute(turned, draws=8)["x"]
    np.testing.assert_array_equal(values[1:], data["x"].to_numpy()[1:])
    assert abs(values[0, 0]) < 20 and abs(values[0, 1] - 100) < 20


def test_tensors_give_tensors_and_frames_give_ids(truth, model):
    tensors = {name: torch.from_numpy(values) for name, values in truth.data().items()}
    assert isinstance(model.encode(tensors).mean, torch.Tensor)
    assert isinstance(model.predict(tensors, "é").mean, torch.Tensor)
    assert isinstance(model.impute(tensors)["é"][0], torch.Tensor)
    assert isinstance(model.log_likelihood(tensors).value, torch.Tensor)
    assert isinstance(model.encode(truth.data()).mean, np.ndarray)
    ids = [f"id {i:03d}" for i in range(60)]
    frames = {name: pd.DataFrame(values, index=ids) for name, values in truth.data().items()}
    assert model.encode(frames).ids[:2] == ("id 000", "id 001")


def test_the_loss_is_a_differentiable_scalar(truth):
    model = truth.model()
    loss = model.loss(truth.data(), generator=torch.Generator().manual_seed(0))
    loss.backward()
    assert loss.shape == () and all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    again = model.loss(truth.data(), generator=torch.Generator().manual_seed(0))
    assert again.item() == loss.item()
    before = loss.item()
    optimiser = torch.optim.Adam(model.parameters(), 1e-4)  # decoders start at the truth
    for _ in range(30):
        optimiser.zero_grad()
        model.loss(truth.data(), generator=torch.Generator().manual_seed(0)).backward()
        optimiser.step()
    assert model.loss(truth.data(), generator=torch.Generator().manual_seed(0)).item() < before


MANY = np.arange(1100) % 60  # samples, more than are encoded at once


@pytest.fixture
def at_once(monkeypatch):
    """Numbers of samples that encoders were given."""
    plain, seen = Core.posterior, []

    def counted(self, x, mask):
        seen.append(x.shape[1])
        return plain(self, x, mask)

    monkeypatch.setattr(Core, "posterior", counted)
    return seen


@pytest.mark.parametrize(("aggregator", "settings"), [
    ("sum_pooling", {}), ("moe", {}), ("sum_pooling", {"model.prior": "mixture"}),
    ("private_poe", {"model.private_latent": 1}), ("private_sum_pooling", {"model.private_latent": 1}),
])  # fmt: skip
@pytest.mark.parametrize("refined", [True, False])
def test_many_samples_are_encoded_in_blocks_to_the_same_numbers(truth, at_once, aggregator, settings, refined):
    """Memory does not grow with them, but for what is found."""
    small = {"model.encoder_widths": [8], "model.features": 8, "model.pooling_width": 8}
    model = MultimodalVAE.from_data(truth.data(), aggregator, latent=2, settings=small | settings)
    few = model.encode(truth.data(), refined=refined)
    found = model.encode(truth.data(MANY), refined=refined)
    assert max(at_once) == (256 if refined else 1024)
    tolerance = 1e-6 if refined else 1e-5
    np.testing.assert_allclose(found.mean, few.mean[MANY], atol=tolerance)
    drawn = 0 if refined or "private" not in aggregator else 0.2  # of draws, where there is no closed form
    np.testing.assert_allclose(found.scale, few.scale[MANY], atol=tolerance, rtol=drawn)
    assert found.sample(3).shape == (3, 1100, found.mean.shape[1])
    tolerance = 1e-6 if refined else 1e-3
    np.testing.assert_allclose(found.log_prob(found.mean), few.log_prob(few.mean)[MANY], atol=tolerance)


def test_draws_of_earlier_blocks_are_not_kept(truth, model, monkeypatch):
    plain, drawn, kept = inference.draw, [], []

    def watched(*arguments):
        found = plain(*arguments)
        drawn.append(weakref.ref(found.z))
        assert sum(z() is not None for z in drawn) <= 2  # of the last block, and of this one
        return found

    def averaged(found, samples, interval, function=inference._averaged):
        parts = function(found, samples, interval)
        kept.append(parts[-1].untyped_storage().nbytes())
        return parts

    monkeypatch.setattr(inference, "draw", watched)
    monkeypatch.setattr(inference, "_averaged", averaged)
    model.log_likelihood(truth.data(MANY), draws=4)
    model.predict(truth.data(MANY), "é", draws=4)
    assert len(drawn) == 10 and kept == [0] * 5


@pytest.mark.parametrize("far", [1e5, 1e9, 1e30])
@pytest.mark.parametrize("refined", [True, False])
def test_weights_sum_to_one_however_far_a_sample_is(far, refined):
    """|log p| is so large that no difference of two of them can be told from a rounded one."""
    data, kinds = everything()
    model = MultimodalVAE.from_data(data, kinds=kinds, latent=2)
    numeric = next(m.name for m in model.modalities if m.kind == "gaussian")
    values = np.array(data[numeric], dtype=float)
    values[0] = far
    found = model.predict(data | {numeric: values}, draws=64, refined=refined)["label"].mean
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-9)
    shares = model.log_likelihood(data | {numeric: values}, draws=64, refined=refined).ess_fraction
    assert (shares <= 1 + 1e-9).all()


def test_wide_data_are_drawn_in_smaller_blocks(truth, model, monkeypatch):
    """At most so many numbers at once, whatever the width, the draws and the seeds."""
    plain, sizes = inference.draw, []

    def watched(module, x, *arguments):
        sizes.append(x.shape[1])
        return plain(module, x, *arguments)

    monkeypatch.setattr(inference, "draw", watched)
    monkeypatch.setattr(inference, "DRAWN", 16 * max(DIMS.values()) * 10)
    model.log_likelihood(truth.data(), draws=16)
    assert sizes == [10] * 6
    sizes.clear()
    model.predict(truth.data(), "é", draws=16, samples=32)
    assert sizes == [5] * 12
    sizes.clear()
    monkeypatch.setattr(inference, "DRAWN", 1)
    assert model.predict(truth.data(), "é", draws=16).mean.shape == (60, 4) and sizes == [1] * 60


LAWS = {name: as_objective(registry.lookup("objectives", name)) for name in registry.names("objectives")}
LAWS = {name: objective for name, objective in LAWS.items() if objective.subset_law}


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("law", ["uniform_size", "independent"])
def test_the_loss_draws_subsets_by_the_objectives_own_law(truth, name, law):
    """As training does, whatever the configuration says."""
    aggregator = LAWS[name].aggregator or "sum_pooling"
    model = MultimodalVAE.from_data(truth.data(), aggregator, name, latent=2, settings={"objective.subset_law": law})
    data = truth.data()
    data["c/d"] = np.where(np.arange(60)[:, None] < 20, np.nan, data["c/d"])
    packed, g = pack_collection(read_memory(data), model.modalities), torch.Generator().manual_seed(0)
    subset = sample_subsets(packed.mask[None], torch.rand(1, 60, 4, generator=g), LAWS[name].subset_law)
    components = model.module.posterior(packed.x, packed.mask).components
    noise = torch.randn(components, model.cell.objective.importance_samples, 2, 60, 2, generator=g)
    bound = LAWS[name](model.module, packed.x, packed.mask, subset, Draws(noise[:, :, :1], noise[:, :, 1:]))
    assert model.loss(data, generator=torch.Generator().manual_seed(0)).item() == -bound.value.mean().item()


@pytest.fixture(scope="module")
def trained(truth):
    """A fitted model, its trainers, and its predictions."""
    trainers, plain = [], Trainer.__init__

    def made(self, *arguments, **options):
        trainers.append(weakref.ref(self))
        plain(self, *arguments, **options)

    small = {"model.encoder_widths": [8], "model.features": 8, "model.pooling_width": 8, "train.history_every": 2}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Trainer, "__init__", made)
        model = MultimodalVAE.from_data(truth.data(), latent=2, settings=small)
        model.fit(truth.data(), steps=4, seeds=2, progress=False)
    return model, trainers, model.predict(truth.data(), "é", draws=16).mean


def test_a_fitted_model_keeps_no_trainers(trained):
    _, trainers, _ = trained
    assert len(trainers) == 2 and all(trainer() is None for trainer in trainers)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_fitted_model_can_be_copied_and_pickled(truth, trained, tmp_path, copied):
    model, _, predicted = trained
    again = copied(model)
    np.testing.assert_array_equal(again.predict(truth.data(), "é", draws=16).mean, predicted)
    np.testing.assert_array_equal(again.encode(truth.data()).mean, model.encode(truth.data()).mean)
    for name, part in (("a", model), ("b", again)):
        part.save(tmp_path / name)
    for file in ("weights.safetensors", "history.csv", "run.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    with torch.no_grad():
        next(again.parameters()).fill_(0)  # nothing is shared
    np.testing.assert_array_equal(model.predict(truth.data(), "é", draws=16).mean, predicted)


def test_a_model_that_is_saved_again_keeps_what_its_training_left(trained, tmp_path):
    trained[0].save(tmp_path)
    files = ("weights.safetensors", "history.csv", "run.json")
    before = {file: (tmp_path / file).read_bytes() for file in files}
    pimvae.load(tmp_path).save(tmp_path)
    assert {file: (tmp_path / file).read_bytes() for file in files} == before
    (tmp_path / "history.csv").write_bytes(b"\xff")
    pimvae.load(tmp_path).save(tmp_path)  # curves that are not those of the training are left out
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1


def interrupted(step, terms):
    raise KeyboardInterrupt


@pytest.mark.parametrize(("error", "options"), [
    (KeyboardInterrupt, {"callbacks": [interrupted]}), (Diverged, {}), (UserError, {"validation": 2.0}),
])  # fmt: skip
def test_a_second_training_that_fails_leaves_the_model_as_it_was(truth, trained, error, options):
    model, _, predicted = copy.copy(trained[0]), *trained[1:]
    if error is Diverged:
        wild = model.cell.train.model_copy(update={"learning_rate": 1e30})
        model.cell = model.cell.model_copy(update={"train": wild})
    before = dict(vars(model))
    with pytest.raises(error):
        model.fit(truth.data(), steps=4, seeds=[5], progress=False, **options)
    assert all(vars(model)[name] is value for name, value in before.items()) and model.seeds == (0, 1)
    np.testing.assert_array_equal(model.predict(truth.data(), "é", draws=16).mean, predicted)


def test_nothing_of_the_first_training_is_said_of_the_second(truth, trained):
    model = copy.copy(trained[0])
    model.data_record = {"sha256": "of other data"}
    model.fit(truth.data(), steps=1, seeds=[5], progress=False, polish=False)
    assert model.seeds == (5,) and len(model.models) == 1 and model.data_record == {}
    assert model.training["step"] == [[1]] and [part.steps for part in model.fitted.parts] == [1]


def test_what_has_nothing_to_be_predicted_from_is_refused(truth, model):
    data = truth.data()
    for name in ("a b", "c/d"):
        data[name] = np.where(np.arange(60)[:, None] == 7, np.nan, data[name])
    for target in ("é", ["a b", "é"]):
        with pytest.raises(UserError, match=r"^data: sample '7' has no other modality to predict 'é' from: leave it"):
            model.predict(data, target)
    assert np.isfinite(model.predict(data, "a b", draws=4).mean).all()  # which 'é' tells of
    assert np.isfinite(model.predict(data, draws=4)["é"].mean).all()  # from itself
    assert (model.impute(data, draws=4)["é"][1] == 0).all()


@pytest.mark.parametrize(("columns", "latent"), [(2, 2), (5, 4), (9, 6), (100, 48)])
def test_the_default_size_of_the_latent_is_what_is_said_of_it(root, columns, latent):
    g = np.random.default_rng(0)
    model = MultimodalVAE.from_data({"a": g.normal(size=(9, 1)), "b": g.normal(size=(9, columns - 1))})
    assert model.cell.model.latent == latent
    said = re.search(r"`model.latent` \| ([^|]+?) \|", (root / "docs" / "own_data.md").read_text(encoding="utf-8"))[1]
    assert said == "two thirds of the columns, 4 … 48, and no more than columns"
    assert said in MultimodalVAE.from_data.__doc__


def everything(n=60, seed=0):
    g = np.random.default_rng(seed)
    z = g.normal(size=(n, 2))
    data = {
        "numbers": z @ g.normal(size=(2, 3)) + 0.3 * g.normal(size=(n, 3)),
        "label": np.where(z[:, 0] > 0, "yes", "no").astype(object),
        "bits": (z @ g.normal(size=(2, 4)) > 0).astype(int),
        "counts": g.poisson(np.exp(z @ g.normal(size=(2, 3)))),
        "rare": g.poisson(np.exp(0.3 * z[:, :1])),
        "pixels": g.normal(size=(n, 1, 4, 4)) + z[:, :1, None, None],
    }
    data["numbers"][:5] = np.nan
    data["label"][5:10] = None
    return data, {"counts": "counts", "rare": "poisson", "pixels": "image"}


@pytest.mark.parametrize("decoder", ["linear", "injective"])
def test_every_kind_is_trained_saved_and_read_back(tmp_path, decoder):
    data, kinds = everything()
    small = {"model.encoder_widths": [8], "model.features": 8, "model.pooling_width": 8, "model.decoder": decoder,
             "train.history_every": 5}  # fmt: skip
    seen = []
    model = MultimodalVAE.from_data(data, kinds=kinds, latent=2, settings=small)
    untrained = model.log_likelihood(data).value.mean()
    model.fit(data, steps=40, seeds=[3, 7], progress=False, callbacks=[lambda step, terms: seen.append((step, terms))],
              polish=True)  # fmt: skip
    assert model.seeds == (3, 7) and model.seed in (3, 7) and seen[0][0] == 5
    assert len(seen[0][1]["validation_bound"]) == 2 and {"loss"} <= set(seen[0][1])
    assert model.log_likelihood(data).value.mean() > untrained

    found = model.predict(data, draws=32, samples=2)
    assert found["label"].mean.shape == (60, 2) and set(found["label"].labels) <= {"yes", "no"}
    np.testing.assert_allclose(found["label"].mean.sum(1), 1)
    assert found["pixels"].mean.shape == (60, 1, 4, 4) and found["pixels"].lower.shape == (60, 1, 4, 4)
    assert (found["counts"].mean > 0).all() and ((found["bits"].mean >= 0) & (found["bits"].mean <= 1)).all()
    drawn = model.sample(5)
    assert set(drawn) == set(data) and (drawn["counts"] == drawn["counts"].round()).all()
    values, _ = model.impute(data, draws=16)["label"]
    assert set(values) <= {"yes", "no"} and list(values[10:]) == list(data["label"][10:])

    model.save(tmp_path / "saved")
    again = pimvae.load(tmp_path / "saved")
    assert again.seed == model.seed and again.modalities == model.modalities and again.cell == model.cell
    for seed in model.seeds:
        np.testing.assert_array_equal(again.replica(seed).encode(data).mean, model.replica(seed).encode(data).mean)
    assert pimvae.load(tmp_path / "saved", seed=7).seed == 7
    record = json.loads((tmp_path / "saved" / "run.json").read_text())
    assert record["modalities"][1]["classes"] == ["no", "yes"]


@pytest.mark.parametrize("aggregator", ["poe", "moe", "private_poe", "self_attention_mixture"])
def test_other_schemes_answer_too(truth, aggregator):
    settings = {"model.encoder_widths": [8], "model.private_latent": 1 if aggregator == "private_poe" else 0}
    model = MultimodalVAE.from_data(truth.data(), aggregator, "mixture", latent=2, settings=settings)
    model.fit(truth.data(), steps=3, seeds=1, progress=False)
    width = 2 + 3 * (aggregator == "private_poe")
    assert model.encode(truth.data(), refined=False).mean.shape == (60, width)
    assert np.isfinite(model.log_likelihood(truth.data()).value).all()


def test_the_same_seeds_give_the_same_model(truth):
    first, second = (
        MultimodalVAE.from_data(truth.data()).fit(truth.data(), steps=5, seeds=1, progress=False).encode(truth.data())
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.mean, second.mean)


REFUSED = {
    "aggregator": (lambda d: MultimodalVAE.from_data(d, "sum"), "unknown aggregator 'sum'"),
    "objective": (lambda d: MultimodalVAE.from_data(d, objective="maskd"), "did you mean 'masked'"),
    "kind": (lambda d: MultimodalVAE.from_data(d, kinds={"x": "counts"}), "'x', which is no modality"),
    "setting": (lambda d: MultimodalVAE.from_data(d, settings={"train.step": 3}), "did you mean 'steps'"),
    "part": (lambda d: MultimodalVAE.from_data(d, settings={"step": 3}), "expected part.key"),
    "owner": (lambda d: MultimodalVAE.from_data(d, settings={"model.aggregator": "poe"}), "say aggregator instead"),
    "betas": (lambda d: MultimodalVAE.from_data(d, settings={"objective.betas": [1, 2]}), "one β at a time"),
    "one": (lambda d: MultimodalVAE.from_data({"é": d["é"]}), "at least 2 modalities are needed, found 1"),
    "steps": (lambda d: MultimodalVAE.from_data(d).fit(d, steps=0), "steps is 0"),
    "seeds": (lambda d: MultimodalVAE.from_data(d).fit(d, seeds=[1, 1]), "distinct"),
    "share": (lambda d: MultimodalVAE.from_data(d).fit(d, validation=1.0), "validation share is 1.0"),
    "stranger": (lambda d: MultimodalVAE.from_data(d).encode(d | {"x": d["é"]}), "unknown modality 'x'"),
    "target": (lambda d: MultimodalVAE.from_data(d).predict(d, "x"), "unknown modality 'x'"),
    "interval": (lambda d: MultimodalVAE.from_data(d).predict(d, interval=1.0), "the interval is 1.0"),
    "draws": (lambda d: MultimodalVAE.from_data(d).predict(d, draws=1), "draws is 1"),
    "count": (lambda d: MultimodalVAE.from_data(d).sample(0), "draws is 0"),
    "replica": (lambda d: MultimodalVAE.from_data(d).replica(9), "no seed 9"),
    "width": (lambda d: MultimodalVAE.from_data(d).encode({"é": d["é"][:, :2]}), "2 numbers per sample, expected 4"),
    "nothing": (lambda d: MultimodalVAE.from_data(d).encode(d, np.zeros((60, 3))), "no observed modality"),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_one_line(truth, call, message):
    with pytest.raises(UserError, match=message) as error:
        call(truth.data())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["no record", "no weights", "cut weights", "one bit", "other record", "no JSON"])
def test_a_damaged_folder_is_one_line(truth, tmp_path, damage):
    truth.model().save(tmp_path)
    if damage == "no record":
        (tmp_path / "run.json").unlink()
    elif damage == "no weights":
        (tmp_path / "weights.safetensors").unlink()
    elif damage == "one bit":
        content = bytearray((tmp_path / "weights.safetensors").read_bytes())
        content[-100] ^= 1
        (tmp_path / "weights.safetensors").write_bytes(content)
    elif damage == "cut weights":
        (tmp_path / "weights.safetensors").write_bytes((tmp_path / "weights.safetensors").read_bytes()[:100])
    else:
        (tmp_path / "run.json").write_text('{"cell": {}}' if damage == "other record" else "{")
    with pytest.raises(UserError):
        pimvae.load(tmp_path)


def test_weights_can_be_read_by_others(truth, tmp_path):
    truth.model().save(tmp_path)
    assert (tmp_path / "weights.safetensors").stat().st_mode & 0o777 == (tmp_path / "run.json").stat().st_mode & 0o777


@pytest.mark.parametrize(("kind", "names"), [("linear", ["0", "1"]), ("bimodal", ["0", "1"])])
def test_a_cell_of_the_experiments_can_be_loaded(tmp_path, kind, names):
    sizes = {"linear": {"loading": "dense", "modalities": 2, "dim_low": 3, "dim_high": 9, "latent": 2, "samples": 40},
             "bimodal": {"samples": 40, "test_samples": 40}}[kind]  # fmt: skip
    config = {"linear": LinearData, "bimodal": BimodalData}[kind](**sizes)
    cell = single_cell(kind, config, "poe", "standard").model_copy(update={"seeds": (0, 4), "dataset": "d"})
    two_moments = {"averaging": 0.1, "shares": (0.5, 1.0), "steps": 4, "history_every": 1}  # both in one file
    train = cell.train.model_copy(update=two_moments)
    cell = cell.model_copy(update={"train": train})
    draw_data(config, cell.seeds, tmp_path / "data" / "d")
    train_cell(cell, tmp_path / "data" / "d", tmp_path / "d-poe-masked", "cpu")
    model = pimvae.load(tmp_path / "d-poe-masked", seed=4)
    assert model.seed == 4 and list(model.names) == names
    dataset = load_data(data_file(tmp_path / "data" / "d", 4))
    packed = pack(dataset.train, dataset.max_dim).to(torch.float64)
    expected = load_models(tmp_path / "d-poe-masked", cell, {s: load_data(data_file(tmp_path / "data" / "d", s))
                                                             for s in cell.seeds})[1]  # fmt: skip
    data = {"0": dataset.train.x[0].argmax(1) if kind == "bimodal" else dataset.train.x[0].astype(float)}
    data["1"] = dataset.train.x[1].astype(float)
    found = model.encode(data, refined=False)
    np.testing.assert_allclose(found.mean, expected.posterior(packed.x, packed.mask).mean().detach(), atol=1e-6)
    assert model.predict(data, target="1").mean.shape == dataset.train.x[1].shape
    assert len(model.sample(3)["0"]) == 3 and np.isfinite(model.log_likelihood(data).value).all()
    with pytest.raises(UserError, match="no seed 1"):
        pimvae.load(tmp_path / "d-poe-masked", seed=1)
    with pytest.raises(UserError, match="leave data= out"):
        pimvae.load(tmp_path / "d-poe-masked", data=tmp_path)
    assert "missing" in model.describe() and model.describe(data).count("0 of 40 missing") == 2
    shutil.rmtree(tmp_path / "data")  # they are drawn again
    again = pimvae.load(tmp_path / "d-poe-masked", seed=4)
    again.save(tmp_path / "alone")
    written, whole = (json.loads((tmp_path / name / "run.json").read_text()) for name in ("alone", "d-poe-masked"))
    assert written["replicas"] == [line for line in whole["replicas"] if line["seed"] == 4]
    assert (written["steps"], written["times"]) == (whole["steps"], whole["times"])
    curves = [(tmp_path / name / "history.csv").read_text().splitlines() for name in ("alone", "d-poe-masked")]
    assert len(curves[0]) > 1 and curves[0][1:] == [row for row in curves[1][1:] if row.split(",")[1] == "4"]
    np.testing.assert_array_equal(again.encode(data, refined=False).mean, found.mean)


def test_data_that_are_not_standardised_are_described(truth):
    plain = MultimodalVAE.from_data(truth.data(), standardise=False)
    assert "taken as they are" in plain.describe() and "means" not in plain.describe()
