"""Simple models as rows of metrics: closed forms, samples, and nothing of what is held out in any fit."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import laplace, norm

from pimvae.config.schema import BimodalData, EvaluationConfig, ImagesData, LinearData, ModelConfig, MultimodalData
from pimvae.data import job as data_job
from pimvae.data.bimodal import bimodal
from pimvae.data.dataset import Dataset, Split
from pimvae.data.images import images
from pimvae.data.linear import linear
from pimvae.data.multimodal import multimodal
from pimvae.evaluation.baselines import baseline_rows, held_out, run
from pimvae.evaluation.baselines_images import SMOOTHING, image_likelihoods, laplace_location, letter_probabilities

SIZES = EvaluationConfig(samples=40, llh_samples=20)
MODEL = ModelConfig(aggregator="poe", latent=2)
EVERYTHING = EvaluationConfig(llh_samples=10_000)


def found(data: Dataset, model: ModelConfig = MODEL, sizes: EvaluationConfig = SIZES) -> dict[tuple, float]:
    return {row[:4]: row[4] for row in baseline_rows(data, model, sizes, seed=0)}


def views(**settings: object) -> Dataset:
    return multimodal(
        MultimodalData(samples=150, test_samples=60, modalities=3, dim=4, latent=2, clusters=3, **settings), 0
    )


def test_a_linear_model_without_latents_is_a_gaussian_of_known_variance():
    data = linear(LinearData(loading="dense", samples=50, modalities=2, dim_low=6, dim_high=9), 1)
    model = ModelConfig(aggregator="poe", latent=5, noise_scale="data")
    rows = found(data, model)
    x = np.concatenate(data.train.x, axis=1).astype(np.float64)
    exact = norm(x.mean(0), data.noise_scale).logpdf(x).sum(1).mean()
    assert rows["no_latent", "train", "all", "llh"] == pytest.approx(exact, abs=1e-9)
    best = rows["maximum_likelihood", "train", "all", "llh"]
    assert rows["no_latent", "train", "all", "llh_gap"] == pytest.approx((best - exact) / abs(best), abs=1e-12)
    assert rows["maximum_likelihood", "train", "all", "llh_gap"] == 0
    assert best > exact


def test_independent_gaussians_are_evaluated_on_the_observed_samples_of_the_cells():
    data = views(missing_rate=0.5)
    rows = found(data)
    part, total = data.test.spread(20), 0.0
    for s in range(3):
        seen, shown = data.train.mask[:, s], part.mask[:, s]
        fitted = norm(data.train.x[s][seen].mean(0, dtype=float), data.train.x[s][seen].std(0, dtype=float))
        total += fitted.logpdf(part.x[s][shown]).sum()
    assert rows["independent", "test", "all", "llh"] == pytest.approx(total / 20, abs=1e-6)
    names = {key[0] for key in rows if key[3] == "llh"}
    assert names == {"independent", "gaussian", "ppca", "gaussian_mixture"}


def test_labels_and_vectors_have_their_own_densities():
    data = bimodal(BimodalData(samples=400, test_samples=200), 0)
    rows = found(data, sizes=EVERYTHING)
    labels = data.train.x[0].argmax(1)
    counts = np.bincount(labels, minlength=5) + 0.1
    x, y = data.test.x[1].astype(float), data.test.x[0].argmax(1)
    fitted = norm(data.train.x[1].mean(0, dtype=float), data.train.x[1].std(0, dtype=float))
    exact = np.log(counts / counts.sum())[y] + fitted.logpdf(x).sum(1)
    assert rows["independent", "test", "all", "llh"] == pytest.approx(exact.mean(), abs=1e-6)
    assert ("ppca", "test", "all", "llh") not in rows  # as wide as the vector
    assert rows["gaussian_mixture", "test", "all", "llh"] > rows["gaussian", "test", "all", "llh"]


def test_a_class_without_samples_is_no_error():
    data = bimodal(BimodalData(samples=60, test_samples=60), 0)
    kept = data.train.x[0].argmax(1) != 2
    split = Split(tuple(x[kept] for x in data.train.x), data.train.mask[kept],
                  {name: values[kept] for name, values in data.train.truth.items()})  # fmt: skip
    assert all(np.isfinite(value) for value in found(replace(data, train=split)).values())


@pytest.mark.parametrize("data", [views(missing_rate=0.0), views(missing_rate=0.5)], ids=["complete", "half"])
def test_nothing_held_out_is_used_in_a_fit(data):
    other = Split(tuple(x * 0 + 7 for x in data.test.x), data.test.mask, data.test.truth)
    one, two = found(data), found(replace(data, test=other))
    train = [key for key in one if key[1] == "train"]
    assert {key: one[key] for key in train} == {key: two[key] for key in train}
    assert all(one[key] != two[key] for key in one if key[1] == "test" and key[3] == "llh")


def test_recovery_of_random_codes():
    rows = found(views(missing_rate=0.0))
    assert rows["linear_mix", "test", "all", "mcc_weak_mean"] == pytest.approx(1, abs=1e-9)
    for name in ("label_code", "linear_mix"):
        assert 0.2 < rows[name, "test", "all", "mcc_strong_mean"] < 0.99
    assert rows["label_code", "test", "all", "mcc_weak_mean"] < 0.99


def test_a_weighted_median_is_the_most_likely_location():
    generator = np.random.default_rng(0)
    table, weights = generator.integers(0, 256, (7, 130)).astype(np.uint8), np.array([0, 3, 1, 1, 2, 5, 1])
    location = laplace_location(table, weights)
    loss = (weights[:, None, None] * np.abs(table[:, None, :].astype(int) - table.astype(int))).sum(0)
    assert location.shape == (130,)
    chosen = (weights[:, None] * np.abs(table.astype(int) - location.astype(int))).sum(0)
    assert (chosen == loss.min(0)).all()  # a minimum is at one of the values


@pytest.fixture(scope="module")
def triples() -> Dataset:
    return images(ImagesData(mnist_side=14, svhn_side=16, samples=300, test_samples=60), 0)


def test_images_and_letters_of_a_class(triples):
    part = held_out(triples.test, SIZES)
    values = {row[:2]: row[2] for row in image_likelihoods(triples, part, 0.75)}
    assert set(values) == {(name, subset) for name in ("independent", "class_conditional")
                           for subset in ("all", "mnist", "svhn", "text")}  # fmt: skip
    labels, train = triples.train.truth["labels"], triples.train
    for s, name in enumerate(("mnist", "svhn")):
        terms = []
        for c in range(10):
            table = np.sort(train.values(s)[labels == c], axis=0)
            lower = table[(len(table) - 1) // 2]
            terms.append(np.log((labels == c).mean()) + laplace(lower, 0.75).logpdf(part.values(s)).sum(1))
        assert values["class_conditional", name] == pytest.approx(logsumexp(terms, axis=0).mean(), abs=1e-4)
    marginals = sum(values["independent", name] for name in ("mnist", "svhn", "text"))
    assert values["independent", "all"] == pytest.approx(marginals, abs=1e-9)
    assert values["class_conditional", "all"] > values["independent", "all"]


def test_letters_are_smoothed_frequencies():
    rows = np.zeros((2, 8 * 71))
    rows[0, np.arange(8) * 71] = 1
    rows[1, np.arange(8) * 71 + 3] = 1
    found = letter_probabilities(rows, np.array([3, 1])).reshape(8, 71)
    total = 4 + 71 * SMOOTHING
    assert found[:, 0] == pytest.approx(np.full(8, (3 + SMOOTHING) / total))
    assert found[:, 3] == pytest.approx(np.full(8, (1 + SMOOTHING) / total))
    assert found.sum(1) == pytest.approx(np.ones(8))


def test_the_stage_writes_rows_of_every_seed(tmp_path: Path):
    data_job.run(BimodalData(samples=60, test_samples=40), (0, 4), tmp_path)
    out = tmp_path / "base.csv"
    run("bimodal", "clusters", MODEL, SIZES, (0, 4), tmp_path, out)
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["seed"] for row in rows} == {"0", "4"}
    assert {row["aggregator"] + row["objective"] + row["prior"] for row in rows} == {"nonenonenone"}
    assert {(float(row["share"]), float(row["beta"])) for row in rows} == {(1.0, 1.0)}
    run("bimodal", "clusters", MODEL, SIZES, (0, 4), tmp_path, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == out.read_bytes()
