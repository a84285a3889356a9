"""The multi-modal data set: sources, networks, noise, missingness and both splits."""

import numpy as np
import pytest

from pimvae.config.schema import MultimodalData
from pimvae.data import _mixing
from pimvae.data._mixing import mix
from pimvae.data._truth import TrueModel
from pimvae.data.dataset import Dataset, Split
from pimvae.data.multimodal import multimodal
from pimvae.errors import UserError


def make(seed: int = 0, **options: object) -> Dataset:
    return multimodal(MultimodalData(**{"samples": 1500, "test_samples": 1000} | options), seed)


def standardised(data: Dataset, split: Split) -> np.ndarray:
    model = TrueModel.from_arrays(data.truth)
    labels = split.truth["labels"]
    return (split.truth["latents"] - model.cluster_mean[labels]) / model.cluster_scale[labels]


def residual(data: Dataset, split: Split, s: int) -> np.ndarray:
    network = TrueModel.from_arrays(data.truth).networks[s]
    return (split.x[s] - mix(split.truth["latents"].astype(np.float64), network))[split.mask[:, s]]


@pytest.mark.parametrize("source", ["gaussian", "laplace"])
def test_sources_have_unit_variance_and_the_kurtosis_of_their_family(source: str) -> None:
    data = make(source=source, samples=4000)
    unit = standardised(data, data.train)
    assert unit.std() == pytest.approx(1, abs=0.03)
    kurtosis = (unit**4).mean() / (unit**2).mean() ** 2
    assert kurtosis == pytest.approx({"gaussian": 3, "laplace": 6}[source], rel=0.1)
    assert data.truth["laplace"] == [float(source == "laplace")]


@pytest.mark.parametrize("draws", ["default", "published"])
def test_noise_and_missingness(draws: str) -> None:
    data = make(draws=draws, missing_rate=0.5, modalities=3)
    assert data.test is not None
    for split, n in ((data.train, 1500), (data.test, 1000)):
        assert split.mask.any(axis=1).all()
        assert abs(split.mask.mean() - 0.5) < 0.005
        for s, x in enumerate(split.x):
            assert (x.shape, x.dtype) == ((n, 25), np.float32)
            np.testing.assert_array_equal(x[~split.mask[:, s]], 0)
            assert residual(data, split, s).std() == pytest.approx(0.5, rel=0.03)


def test_networks_are_well_conditioned_and_injective() -> None:
    networks = TrueModel.from_arrays(make().truth).networks
    rng = np.random.default_rng(5)
    for shape, layers in (((10, 25), [n[0] for n in networks]), ((25, 25), [w for n in networks for w in n[1:]])):
        condition = np.linalg.cond(_mixing.unit_columns(rng.uniform(-1, 1, (2000, *shape))))
        # The threshold is a quantile of another 10,000 draws: 2,000 fresh ones place it between their 20 % and 30 %.
        assert np.quantile(condition, 0.1) < max(map(np.linalg.cond, layers)) < np.quantile(condition, 0.3)
        for weight in layers:
            assert weight.shape == shape
            np.testing.assert_allclose(np.linalg.norm(weight, axis=0), 1)
            assert np.linalg.matrix_rank(weight) == min(shape)
    assert len({weight.tobytes() for network in networks for weight in network}) == 15  # none twice


def test_missing_rate_changes_the_mask_only() -> None:
    full, half = make().train, make(missing_rate=0.5).train
    np.testing.assert_array_equal(full.truth["latents"], half.truth["latents"])
    for s in range(5):
        seen = half.mask[:, s]
        np.testing.assert_array_equal(full.x[s][seen], half.x[s][seen])
    assert full.mask.all()


@pytest.mark.parametrize("draws", ["default", "published"])
def test_cluster_ordered_split_has_different_clusters_in_train_and_test(draws: str) -> None:
    data = make(draws=draws, split="cluster_ordered", modalities=2)
    assert data.test is not None
    labels = np.concatenate([data.train.truth["labels"], data.test.truth["labels"]])
    np.testing.assert_array_equal(labels, np.repeat(np.arange(5), 500))
    assert set(data.train.truth["labels"]) == {0, 1, 2} and set(data.test.truth["labels"]) == {3, 4}


@pytest.mark.parametrize("draws", ["default", "published"])
def test_random_split_has_all_clusters_on_both_sides(draws: str) -> None:
    data = make(draws=draws, modalities=2)
    assert data.test is not None
    for split in (data.train, data.test):
        assert np.bincount(split.truth["labels"], minlength=5).min() > 0.15 * len(split)
        assert standardised(data, split).std() == pytest.approx(1, abs=0.04)
        assert residual(data, split, 0).std() == pytest.approx(0.5, rel=0.03)  # rows stay together in the shuffle


def test_published_shuffle_keeps_the_rows() -> None:
    options = {"draws": "published", "modalities": 2}
    ordered, random = make(split="cluster_ordered", **options), make(split="random", **options)
    assert ordered.test is not None and random.test is not None
    rows = [np.concatenate([data.train.x[1], data.test.x[1]]) for data in (ordered, random)]
    np.testing.assert_array_equal(*(np.sort(each[:, 0]) for each in rows))
    for key, value in ordered.truth.items():
        np.testing.assert_array_equal(value, random.truth[key])


def test_published_draws_are_those_of_single_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batched draws against the scripts' loop, written out for one modality and 20 candidates."""
    monkeypatch.setattr("pimvae.data._published.CANDIDATES", 20)
    data = make(seed=2, draws="published", split="cluster_ordered", modalities=1)
    rng = np.random.RandomState(2)
    scale, mean = rng.uniform(0.5, 3, (5, 10)), rng.uniform(-5, 5, (5, 10))
    sources = rng.randn(2500, 10).astype(np.float32)
    for c in range(5):
        sources[500 * c : 500 * (c + 1)] *= scale[c]
        sources[500 * c : 500 * (c + 1)] += mean[c]
    weights = []
    for shape in ((10, 25), (25, 25)):
        conditions = []
        for _ in range(20):
            matrix = rng.uniform(-1, 1, shape).astype(np.float32)
            conditions.append(np.linalg.cond(matrix / np.linalg.norm(matrix, axis=0)))
        condition = np.inf
        while condition > np.percentile(conditions, 25):
            matrix = (rng.uniform(0, 2, shape) - 1).astype(np.float32)
            matrix = matrix / np.linalg.norm(matrix, axis=0)
            condition = np.linalg.cond(matrix)
        weights.append(matrix)
    x = mix(sources, (weights[0], weights[1], weights[1]))
    x += 0.5 * rng.randn(2500, 25)
    np.testing.assert_array_equal(data.train.truth["latents"], sources[:1500])
    np.testing.assert_allclose(data.train.x[0], x[:1500], rtol=1e-4, atol=1e-5)
    assert data.test is not None
    np.testing.assert_allclose(data.test.x[0], x[1500:], rtol=1e-4, atol=1e-5)


def test_number_of_modalities_and_layers() -> None:
    data = make(modalities=2, layers=1, samples=50, test_samples=50)
    assert [len(network) for network in TrueModel.from_arrays(data.truth).networks] == [1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"missing_rate": 0.9}, r"at most 0\.8"), ({"draws": "published", "source": "laplace"}, "Gaussian sources only")],
)
def test_impossible_requests_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(**options)
