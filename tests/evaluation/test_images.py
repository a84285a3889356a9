"""Evaluation of images and text: classifiers, coherence, distances, and everything on an untrained model."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import generator, model_config, normal

from pimvae.config.schema import Cell, EvaluationConfig, ImagesData, ObjectiveConfig, TrainConfig
from pimvae.data._text import templates
from pimvae.data.dataset import Dataset, Split, save
from pimvae.data.job import data_file
from pimvae.errors import UserError
from pimvae.evaluation import classifiers as stage
from pimvae.evaluation import images, likelihood, near_exact
from pimvae.evaluation.classifiers import (
    Classifiers,
    ImageClassifier,
    classifiers_file,
    classify_text,
    fit,
    load_classifiers,
    run,
    save_classifiers,
    table,
)
from pimvae.evaluation.classifiers import untrained as untrained_classifiers
from pimvae.evaluation.coherence import frechet_distance, generate_given, probe_accuracy
from pimvae.evaluation.likelihood import importance_log_likelihood
from pimvae.evaluation.rows import Rows
from pimvae.models.vae import build_model
from pimvae.subsets import all_subsets

KINDS = ("laplace", "laplace", "text")
SIDES = (4, 8)
MODALITIES = ("mnist", "svhn", "text")


def split(count: int, seed: int) -> Split:
    """Images whose digit is which of ten pixels is bright, in tables of which every sample has two rows."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    text = templates()
    tables = []
    for pixels in (SIDES[0] ** 2, 3 * SIDES[1] ** 2):
        rows = rng.integers(0, 60, (count, pixels), dtype=np.uint8)
        rows[np.arange(count), labels] = 255
        tables.append(rows)
    own = np.arange(count)
    pairs = np.stack([own, (own + 10) % count, text.first[labels]], axis=1).astype(np.int32)
    return Split((*tables, text.rows), np.ones((count, 3), dtype=bool), {"labels": labels.astype(np.int64)}, pairs)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Dataset("images", KINDS, 568, None, split(200, 0), split(60, 1), provenance="embedded")


@pytest.fixture(scope="module")
def classifiers(data) -> Classifiers:
    return fit(data, 0)


def cell(aggregator: str = "sum_pooling") -> Cell:
    model = model_config(aggregator, networks="image_mlp", noise_scale=0.75, likelihood_weights="balanced")
    return Cell(
        experiment="images", dataset="triples", data=ImagesData(), model=model, seeds=(0,),
        objective=ObjectiveConfig(name="masked"), train=TrainConfig(steps=1, batch_size=8),
        evaluation=EvaluationConfig(samples=50, particles=4, draws=1, llh_samples=10),
    )  # fmt: skip


def untrained(aggregator: str, data: Dataset):
    config = cell(aggregator).model
    return build_model(config, data.train.dims, data.max_dim, KINDS, None, 0).requires_grad_(False).eval()


def evaluation(aggregator: str, data: Dataset, classifiers: Classifiers, beta: float = 1.0) -> images.ImageEvaluation:
    chosen = cell(aggregator)
    held = {"model": untrained(aggregator, data), "data": data, "rows": Rows(chosen, 0, beta), "seed": 0}
    return images.ImageEvaluation(cell=chosen, **held, classifiers=classifiers)


@pytest.fixture
def first(data, classifiers):
    """The first test triples, so many, as the evaluation takes them."""
    return lambda count: evaluation("poe", data, classifiers).first("test", count)


@pytest.mark.parametrize("aggregator", ["mopoe", "private_sum_pooling"])
def test_every_metric_is_there_and_a_number(data, classifiers, aggregator):
    whole = evaluation(aggregator, data, classifiers)
    pictures, rows = whole.measure(), whole.rows
    found = {(row[-2], row[-3]): row[-1] for row in rows.rows}
    assert len(found) == len(rows.rows) and np.isfinite(list(found.values())).all()
    assert {row[-4] for row in rows.rows} == {"test"}
    subsets = [images.subset_name(subset) for subset in all_subsets(3)[1:]]
    assert {subset for metric, subset in found if metric == "latent_accuracy"} == set(subsets)
    wanted = {f"{subset}_to_{name}" for subset in subsets for name in MODALITIES} | {"cross", "prior"}
    assert {subset for metric, subset in found if metric == "coherence"} == wanted
    assert {subset for metric, subset in found if metric == "llh"} == {"all", *MODALITIES}
    crossing = [found["coherence", f"{given}_to_{name}"] for given in subsets for name in MODALITIES
                if name not in given]  # fmt: skip
    assert found["coherence", "cross"] == pytest.approx(np.mean(crossing))
    assert pictures["given_mnist"].shape == (7, 2, 1, 4, 4) and pictures["prior_svhn"].shape == (4, 3, 8, 8)
    assert pictures["true_text"].shape == (2,) and pictures["provenance"] == "embedded"
    assert evaluation(aggregator, data, classifiers, 4.0).measure() == {}


def test_a_decoder_that_copies_is_coherent(data, classifiers, monkeypatch):
    """The modalities of the test triples as "generated" ones: coherence is the accuracy of the classifiers."""
    whole = evaluation("poe", data, classifiers)
    part = whole.first("test", 60)
    copies = [part.x[s, :, :dim] for s, dim in enumerate(part.dims)]
    monkeypatch.setattr(images, "generate_given", lambda *_: copies)
    labels = torch.from_numpy(data.test.truth["labels"])
    whole.conditional(part.x, labels.numpy())
    found = {row[-3]: row[-1] for row in whole.rows.rows}
    accuracy = [float((classifiers.labels(s, copies[s]) == labels).double().mean()) for s in range(3)]
    assert min(accuracy[:2]) > 0.5 and accuracy[2] == 1
    assert [found[f"text_to_{name}"] for name in MODALITIES] == pytest.approx(accuracy)


def test_marginal_likelihoods_decode_one_modality_and_are_the_masked_ones(data, first, monkeypatch):
    """log p(x_s, z): the same whether the other modalities are decoded and left out, or not decoded."""
    model = untrained("poe", data).to(torch.float64)
    part = first(5).to(torch.float64)
    z = normal(7, 5, model.latent_size)
    expected = model.log_likelihood(part.x, z) + model.log_prior(z).unsqueeze(-1)
    monkeypatch.setattr(model, "log_likelihood", None)  # of all modalities
    for s in range(3):
        alone = (torch.arange(3) == s).expand(5, -1)
        torch.testing.assert_close(near_exact._target(model, part.x, alone)(z), expected[..., s])


def test_likelihoods_take_no_memory_that_grows(data, first, monkeypatch):
    """The largest tensor that passes through the decoder is that of one chunk, whatever the particles and samples."""
    model = untrained("poe", data)
    sizes = []
    original = model.decoder.log_likelihood_of
    monkeypatch.setattr(likelihood, "CHUNK", 2**14)
    counted = lambda s, x, z: sizes.append(z.numel()) or original(s, x, z)  # noqa: E731
    monkeypatch.setattr(model.decoder, "log_likelihood_of", counted)
    largest = []
    for samples, particles in ((10, 10), (60, 10), (10, 500), (60, 100)):
        part = first(samples)
        sizes.clear()
        importance_log_likelihood(model, part.x, part.mask, particles, generator())
        largest.append(max(sizes))
    assert max(largest) <= 2**14 // 2 and len(sizes) > 3  # latents are fewer than the numbers decoded from them


def test_text_of_blended_starts_is_the_word_it_is_made_of():
    """Exact for all forty texts; mixtures of two starts of one word are still that word."""
    text = templates()
    rows, digits = torch.from_numpy(text.rows), torch.from_numpy(text.digits)
    assert torch.equal(classify_text(rows), digits)
    six = rows[digits == 6]
    assert classify_text(0.5 * (six[:1] + six[1:2])).tolist() == [6]
    noisy = 0.7 * rows + 0.3 / 71
    assert torch.equal(classify_text(noisy), digits)


def test_classifiers_are_asked_in_evaluation_mode_alone():
    """Dropout would change the answers: training mode is refused, evaluation mode repeats itself."""
    model = ImageClassifier(1, 4)
    x = torch.rand(20, 16)
    with pytest.raises(ValueError, match="training mode"):
        Classifiers((model,)).labels(0, x)
    with pytest.raises(ValueError, match="training mode"):
        Classifiers((model,)).features(0, x)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(Classifiers((model,)).features(0, x), Classifiers((model,)).features(0, x))


@pytest.mark.parametrize("side", [4, 14, 15])
def test_features_without_gradients_are_those_with_them(side):
    """Pooling has a fast path of its own there."""
    model = ImageClassifier(3, side).eval()
    x = torch.rand(5, 3 * side**2)
    with torch.no_grad():
        found = model.features(x)
    expected = model.features(x)
    assert expected.requires_grad and torch.equal(found, expected)


def test_a_table_has_every_image_once_with_its_digit(data):
    pixels, labels = table(data.train, 1)
    assert len(pixels) == 200 and pixels.max() <= 1
    assert torch.equal(pixels[:, :10].argmax(-1), labels)


def test_the_stage_writes_what_the_evaluation_reads(data, classifiers, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "EPOCHS", 3)
    save(data, data_file(tmp_path, 0))
    run("images", "triples", (0, 1), tmp_path)
    lines = (tmp_path / "classifiers.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 3
    assert lines[-1] == "images,triples,classifier,classifier,classifier,1,0,1,,test,text,accuracy,1"
    found = images.ImageEvaluation.prepare(tmp_path)["classifiers"]
    assert not any(model.training for model in found.images)
    again = fit(data, 0)
    x = table(data.test, 0)[0]
    assert torch.equal(found.images[0](x), again.images[0](x))  # the seed says it all
    save_classifiers(Classifiers(tuple(untrained_classifiers(data))), classifiers_file(tmp_path))
    with pytest.raises(UserError, match="not what the training wrote"):
        images.ImageEvaluation.prepare(tmp_path)
    save_classifiers(again, classifiers_file(tmp_path))
    save(replace(data, train=data.train.spread(20)), data_file(tmp_path, 0))
    with pytest.raises(UserError, match="trained on other data than those of seed 0"):
        images.ImageEvaluation.prepare(tmp_path)


def test_missing_and_damaged_classifiers_are_one_line(tmp_path):
    with pytest.raises(UserError, match="pimvae classifiers"):
        load_classifiers(classifiers_file(tmp_path))
    classifiers_file(tmp_path).write_bytes(b"nothing")
    with pytest.raises(UserError, match="damaged"):
        load_classifiers(classifiers_file(tmp_path))


def test_frechet_distance_of_gaussians():
    """Diagonal covariances: Σ (μ−ν)² + (σ−τ)²; equal sets: 0."""
    x = normal(40_000, 3)
    shift, scale = torch.tensor([1.0, -2.0, 0.0]), torch.tensor([1.0, 2.0, 0.5])
    expected = float((shift.square() + (scale - 1).square()).sum())
    assert frechet_distance(x, x * scale + shift) == pytest.approx(expected, rel=0.02)
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(x, x @ torch.linalg.qr(normal(3, 3))[0]) == pytest.approx(0.0, abs=0.01)


def test_a_probe_tells_what_is_there_and_nothing_else():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 10
    told = np.eye(10)[labels] * 5 + rng.standard_normal((300, 10))
    assert probe_accuracy(told[:200], labels[:200], told[200:], labels[200:]) > 0.9
    noise = rng.standard_normal((300, 10))
    assert probe_accuracy(noise[:200], labels[:200], noise[200:], labels[200:]) < 0.3


def test_generation_from_the_posterior_of_a_subset(data, first):
    """The draw depends on S alone: changing what is not given changes nothing."""
    model = untrained("private_poe", data)
    part = first(6)
    subset = torch.tensor([False, False, True])
    first = generate_given(model, model.embed(part.x), subset, generator())
    changed = part.x.clone()
    changed[:2] = 0.3
    second = generate_given(model, model.embed(changed), subset, generator())
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
