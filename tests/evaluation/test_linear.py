"""The evaluation of the linear experiment on tiny models: what is written, on which samples, and how sure it is."""

import math

import numpy as np
import pytest
from builders import double_precision, randomised, training_cell

from pimvae.config.schema import DigitsData, EvaluationConfig, LinearData
from pimvae.data.dataset import Dataset, Split
from pimvae.data.linear import linear as draw
from pimvae.evaluation.linear import LinearEvaluation
from pimvae.evaluation.rows import Rows
from pimvae.models.vae import build_model

float64 = pytest.fixture(double_precision, autouse=True)
DATA = LinearData(loading="dense", modalities=3, dim_low=4, dim_high=7, latent=2, samples=60, noise_variance=0.25)
SIZES = EvaluationConfig(samples=20, llh_samples=30, particles=200, draws=8)


def evaluated(aggregator="sum_pooling", objective="masked", data=None, noise_scale="data"):
    """Metrics of an untrained model by (metric, subset), and the examples."""
    data = data or draw(DATA, 3)
    cell = training_cell(aggregator, objective).model_copy(update={"evaluation": SIZES})
    if data.kind == "digits":
        cell = cell.model_copy(update={"data": DigitsData()})
    config = cell.model.model_copy(update={"noise_scale": noise_scale})
    model = build_model(config, data.train.dims, data.max_dim, data.likelihoods, data.noise_scale, 0)
    model = randomised(model, 1).requires_grad_(False)
    rows = Rows(cell, seed=3, beta=1.0)
    examples = LinearEvaluation(cell=cell, model=model, data=data, rows=rows, seed=3).measure()
    found = {(row[-2], row[-3]): row[-1] for row in rows.rows}
    assert len(found) == len(rows.rows) and all(math.isfinite(value) for value in found.values())
    return found, examples


@pytest.mark.parametrize("objective", ["masked", "mixture", "tc"])
@pytest.mark.parametrize("aggregator", ["sum_pooling", "moe", "private_self_attention"])
def test_every_metric_is_there_once_and_its_relations_hold(aggregator, objective):
    found, examples = evaluated(aggregator, objective)
    assert not examples
    best = found["llh_mle", "all"]
    assert found["llh_gap", "all"] == pytest.approx((best - found["llh", "all"]) / abs(best))
    assert best > found["llh_true", "all"] > found["llh", "all"]
    assert ("bound", "average") in found or objective == "tc"
    if objective != "tc":
        gap = found["llh_bound_samples", "all"] - found["bound", "average"]
        assert found["bound_gap", "average"] == pytest.approx(gap)
    if aggregator == "sum_pooling":
        assert found["kl_posterior_se", "all"] == found["kl_posterior_se", "unimodal"] == 0
    else:
        assert 0 < found["kl_posterior_se", "all"] < 0.2 * found["kl_posterior", "all"]
    for metric in ("rate", "kl_posterior", "reconstruction"):
        assert (metric, "all") in found
    for metric in ("rate", "cross_rate", "kl_posterior", "reconstruction_marginal", "reconstruction_cross"):
        assert (metric, "unimodal") in found


def test_the_true_likelihood_has_the_noise_of_the_data():
    """By dense covariances, with the noise variance 0.25 that the data were drawn with and the model does not have."""
    data = draw(DATA, 3)
    w, b = (
        np.concatenate([part[:dim] for part, dim in zip(data.truth[name], data.train.dims, strict=True)])
        for name in ("W", "b")
    )
    covariance = w @ w.T + 0.25 * np.eye(len(w))
    residual = np.concatenate(data.train.x, axis=1) - b
    squares = np.einsum("nd,nd->n", residual @ np.linalg.inv(covariance), residual)
    expected = -0.5 * (squares.mean() + np.linalg.slogdet(2 * np.pi * covariance)[1])
    assert evaluated(data=data, noise_scale=1.0)[0]["llh_true", "all"] == pytest.approx(expected, rel=1e-9)


def sorted_by_class(scale):
    """Images of two pixels squared: sixty of class 0, then sixty of class 1 that lie elsewhere."""
    labels = np.repeat([0, 1], 60)
    noise = np.random.default_rng(0).standard_normal((3, 120, 4))
    x = tuple((scale * labels[:, None] + part).astype(np.float32) for part in noise)
    split = Split(x, np.ones((120, 3), dtype=bool), {"labels": labels})
    return Dataset("digits", ("gaussian",) * 3, 4, 1.0, split)


def test_parts_of_data_that_are_sorted_by_class_hold_every_class():
    """Half of the samples, at equal distances, have nearly the likelihood of all; the first half does not."""
    found, _ = evaluated(data=sorted_by_class(4.0))
    for name in ("llh_bound_samples", "llh_exact_same"):
        assert found[name, "all"] == pytest.approx(found["llh", "all"], rel=0.1), name


def test_examples_are_one_of_each_class_and_what_is_given_stays():
    data = sorted_by_class(1.0)
    _, examples = evaluated(data=data)
    assert set(examples) == {"true", "inferred", "exact", "given"} and examples["true"].shape == (2, 3, 2, 2)
    given = int(examples["given"])
    for s in range(3):
        stays = np.array_equal(examples["inferred"][:, s], examples["true"][:, s])
        assert stays == (s == given)
    np.testing.assert_array_equal(examples["exact"][:, given], examples["true"][:, given])
    np.testing.assert_array_equal(examples["true"][:, 0].reshape(2, 4), data.train.x[0][[0, 60]].round(4))


def test_the_same_seed_gives_the_same_numbers():
    assert evaluated("moe")[0] == evaluated("moe")[0]
