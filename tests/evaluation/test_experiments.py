"""Evaluation of the identifiable experiments end to end, on untrained models and tiny data."""

import numpy as np
import pytest
import torch
from builders import generator, observations, single_cell, vae

from pimvae.config.schema import BimodalData, Cell, MultimodalData
from pimvae.data.bimodal import bimodal
from pimvae.data.multimodal import multimodal
from pimvae.evaluation.bimodal import BimodalEvaluation
from pimvae.evaluation.likelihood import importance_log_likelihood
from pimvae.evaluation.multimodal import MultimodalEvaluation, cluster_accuracy
from pimvae.evaluation.rows import Rows
from pimvae.models.vae import MultimodalVAE, build_model
from pimvae.posteriors import Mixture, single
from pimvae.training.packing import pack

Found = dict[tuple[str, str, str], float]
VECTOR_AND_LABEL = BimodalData(samples=60, test_samples=50)


def untrained(cell: Cell, data) -> MultimodalVAE:
    model = build_model(cell.model, data.train.dims, data.max_dim, data.likelihoods, data.noise_scale, 0)
    return model.to(torch.float64).requires_grad_(False).eval()


def values(rows: Rows) -> Found:
    """Metric, subset and split of every row with its value; no row comes twice."""
    found = {(row[-2], row[-3], row[-4]): row[-1] for row in rows.rows}
    assert len(found) == len(rows.rows)
    return found


def evaluated(cell: Cell, kind, data, beta: float = 1.0) -> tuple[Found, dict[str, np.ndarray]]:
    rows = Rows(cell, 3, beta)
    examples = kind(cell=cell, model=untrained(cell, data), data=data, rows=rows, seed=3).measure()
    return values(rows), examples


@pytest.fixture(scope="module")
def vector_and_label():
    return bimodal(VECTOR_AND_LABEL, seed=0)


@pytest.mark.parametrize("aggregator", ["poe", "moe", "sum_pooling", "self_attention_mixture"])
def test_with_either_modality_missing_everything_is_a_number(vector_and_label, aggregator):
    cell = single_cell("bimodal", VECTOR_AND_LABEL, aggregator, "mixture")
    found, _ = evaluated(cell, BimodalEvaluation, vector_and_label)
    assert np.isfinite(list(found.values())).all()
    for split in ("train", "test"):
        assert {key[1] for key in found if key[2] == split and key[0] == "accuracy"} == {"vector", "label"}
        for given in ("vector", "label"):
            assert 0 <= found["accuracy", given, split] <= 1
            assert 0 <= found["mcc_strong_mean", given, split] <= 1
        assert {"llh", "llh_error", "llh_encoder", "llh_encoder_se", "rate", "reconstruction", "cluster_accuracy"} <= {
            key[0] for key in found if key[1:] == ("all", split)
        }
        assert ("cross_rate", "unimodal", split) in found


def test_a_missing_modality_is_not_read(vector_and_label):
    """What is inferred from the vector alone does not depend on the label, and the other way round."""
    cell = single_cell("bimodal", VECTOR_AND_LABEL, "sum_pooling", "mixture")
    model = untrained(cell, vector_and_label)
    other = bimodal(VECTOR_AND_LABEL, seed=1)
    packed = [pack(data.train, data.max_dim).to(torch.float64) for data in
              (vector_and_label, other)]  # fmt: skip
    for given in (0, 1):
        x = packed[0].x.clone()
        x[1 - given] = packed[1].x[1 - given]
        only = (torch.arange(2) == given).expand(len(packed[0]), -1)
        torch.testing.assert_close(model.posterior(x, only).mean(), model.posterior(packed[0].x, only).mean())


def test_points_of_the_figure_are_aligned_and_for_the_full_bound_only(vector_and_label):
    cell = single_cell("bimodal", VECTOR_AND_LABEL, "sum_pooling", "standard")
    _, examples = evaluated(cell, BimodalEvaluation, vector_and_label)
    assert int(examples["seed"]) == 3
    assert {name: examples[name].shape for name in ("labels", "latents", "x", "inferred", "reconstruction")} == {
        "labels": (60,), **dict.fromkeys(("latents", "x", "inferred", "reconstruction"), (60, 2)),
    }  # fmt: skip
    half = [np.corrcoef(examples["latents"][:30, d], examples["inferred"][:30, d])[0, 1] for d in range(2)]
    assert min(half) > 0
    assert evaluated(cell, BimodalEvaluation, vector_and_label, beta=0.1)[1] == {}


def test_without_held_out_data_only_the_training_data_is_evaluated():
    config = BimodalData(samples=60, draws="published")
    cell = single_cell("bimodal", config, "poe", "standard")
    found, _ = evaluated(cell, BimodalEvaluation, bimodal(config, seed=0))
    assert {key[2] for key in found} == {"train"}


@pytest.mark.parametrize("source", ["gaussian", "laplace"])
def test_recovery_is_reported_for_every_number_of_views(source):
    config = MultimodalData(samples=20, test_samples=40, modalities=3, latent=2, dim=4, source=source)
    cell = single_cell("multimodal", config, "sum_pooling", "mixture", family=source)
    every = cell.model_copy(update={"evaluation": cell.evaluation.model_copy(update={"samples": 40})})
    found, _ = evaluated(every, MultimodalEvaluation, multimodal(config, seed=0))
    assert np.isfinite(list(found.values())).all()
    assert {key[1] for key in found} == {"all", "unimodal", "size1", "size2", "size3"}
    assert {key[2] for key in found} == {"test"}
    assert found["mcc_strong_mean", "size3", "test"] == pytest.approx(found["mcc_strong_mean", "all", "test"])


def test_with_missing_views_sizes_with_few_samples_are_left_out(monkeypatch):
    config = MultimodalData(samples=20, test_samples=80, modalities=4, latent=2, dim=4, missing_rate=0.5)
    data = multimodal(config, seed=0)
    cell = single_cell("multimodal", config, "moe", "standard")
    counts = np.bincount(data.test.mask.sum(1), minlength=5)
    monkeypatch.setattr("pimvae.evaluation.multimodal.FEWEST", int(np.sort(counts)[-2]))
    found, _ = evaluated(cell, MultimodalEvaluation, data)
    sizes = {key[1] for key in found if key[1].startswith("size")}
    assert sizes == {f"size{size}" for size in np.argsort(counts)[-2:]}
    assert np.isfinite(list(found.values())).all()


def test_cluster_accuracy_does_not_depend_on_the_names_of_components(vector_and_label, monkeypatch):
    """Components at the clusters' means, in another order; one of ten samples lies in a wrong cluster."""
    means = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    z = means[labels].clone()
    z[-1] = means[0]
    prior = Mixture(torch.zeros(3), means[[2, 0, 1]], torch.ones(3, 2))
    model = untrained(single_cell("bimodal", VECTOR_AND_LABEL, "poe", "mixture"), vector_and_label)
    monkeypatch.setattr(model.prior, "distribution", lambda: prior)
    monkeypatch.setattr(model, "posterior", lambda x, mask: single(z, torch.ones_like(z)))
    nothing = torch.zeros(1, 10, 1), torch.ones(10, 1, dtype=torch.bool)
    assert cluster_accuracy(model, *nothing, labels) == pytest.approx(0.9)


def test_probabilities_of_all_labels_add_up():
    """Σ_u p(x, u) = p(x): the categorical likelihood is normalised, and a missing label drops out of the product."""
    wide = {"decoder": "injective", "encoder_floor": 1.0}  # proposals under which all weights have finite variance
    model = vae("sum_pooling", likelihoods=("categorical", "gaussian"), **wide).to(torch.float64)
    with torch.no_grad():
        model.encoder.layers[-1].weight *= 0.1
    classes, samples = 3, 6
    vector = observations(samples)[1].expand(classes, samples, -1).reshape(classes * samples, -1)
    label = torch.eye(6, dtype=torch.float64)[:classes].repeat_interleave(samples, 0)
    seen = torch.tensor([False, True]).expand(classes * samples, -1)
    joint = importance_log_likelihood(model, torch.stack([label, vector]), torch.ones_like(seen), 100_000, generator(1),
                                      proposal=seen)  # fmt: skip
    alone = torch.stack([torch.zeros_like(label), vector])[:, :samples]
    expected = importance_log_likelihood(model, alone, seen[:samples], 100_000, generator(2)).log_likelihood
    total = joint.log_likelihood.view(classes, samples).logsumexp(0)
    torch.testing.assert_close(total, expected, atol=0.05, rtol=0)


@pytest.mark.parametrize("names", [("size0", "test"), ("al", "test"), ("all", "held_out")])
def test_a_row_with_a_name_that_is_not_listed_is_refused(names):
    rows = Rows(single_cell("bimodal", VECTOR_AND_LABEL, "poe", "standard"), 0, 1.0)
    with pytest.raises(ValueError, match=r"not listed in pimvae/evaluation/rows\.py"):
        rows.add("llh", 0.0, *names)
    rows.add("llh", 0.0, "size3", "test")
    assert len(rows.rows) == 1
