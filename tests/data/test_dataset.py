"""Data files: round trip, equal bytes for equal content, and one-line refusals of everything damaged."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from pimvae.config.schema import LinearData
from pimvae.data.dataset import Dataset, Split, load, save, spread
from pimvae.data.job import run
from pimvae.errors import UserError
from pimvae.files import sha256


def make(samples: int = 7, modalities: int = 12) -> Dataset:
    """Many modalities, so that their order as text differs from their order as numbers."""
    rng = np.random.default_rng(0)
    x = tuple(rng.normal(size=(samples, 2 + s % 3)).astype(np.float32) for s in range(modalities))
    mask = rng.random((samples, modalities)) < 0.5
    mask[:, 3] = True
    x[0][~mask[:, 0]] = np.nan
    split = Split(x, mask, {"latents": rng.normal(size=(samples, 2)), "labels": np.arange(samples)})
    truth = {"W": rng.normal(size=(modalities, 4, 2)), "weights": np.array(0.5)}
    return Dataset("toy", ("gaussian",) * modalities, 4, 0.1, split, replace(split, truth={}), truth)


def assert_same(a: Dataset, b: Dataset) -> None:
    assert (a.kind, a.likelihoods, a.max_dim, a.noise_scale) == (b.kind, b.likelihoods, b.max_dim, b.noise_scale)
    pairs = [(a.truth, b.truth), (a.train.truth, b.train.truth), (a.test.truth, b.test.truth)]
    pairs += [(dict(enumerate(p.x)) | {"m": p.mask}, dict(enumerate(q.x)) | {"m": q.mask})
              for p, q in ((a.train, b.train), (a.test, b.test))]  # fmt: skip
    for left, right in pairs:
        assert left.keys() == right.keys()
        for key, values in left.items():
            assert values.dtype == right[key].dtype
            np.testing.assert_array_equal(values, right[key])


def test_round_trip_and_equal_bytes(tmp_path):
    save(make(), tmp_path / "deep" / "a.safetensors")
    save(make(), tmp_path / "b.safetensors")
    assert_same(load(tmp_path / "b.safetensors"), make())
    assert sha256(tmp_path / "b.safetensors") == sha256(tmp_path / "deep" / "a.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.safetensors", "deep"]  # no temporary file left


def test_without_test_split_and_noise_scale(tmp_path):
    save(replace(make(), test=None, noise_scale=None), tmp_path / "a")
    loaded = load(tmp_path / "a")
    assert loaded.test is None and loaded.noise_scale is None


def test_fortran_order_is_stored_by_value(tmp_path):
    dataset = make()
    save(replace(dataset, truth={"W": np.asfortranarray(dataset.truth["W"])}), tmp_path / "a")
    np.testing.assert_array_equal(load(tmp_path / "a").truth["W"], dataset.truth["W"])


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_truncated_file_is_refused(tmp_path, keep):
    path = tmp_path / "a"
    save(make(), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match="damaged") as error:
        load(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize("position", [0, 20, 0.5, -1])
def test_changed_byte_is_refused(tmp_path, position):
    path = tmp_path / "a"
    save(make(), path)
    content = bytearray(path.read_bytes())
    content[int(position * len(content)) if 0 < position < 1 else position] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load(path)


def test_foreign_and_missing_files_are_refused(tmp_path):
    save_file({"x": np.zeros(2)}, tmp_path / "foreign")
    with pytest.raises(UserError, match="not a data file"):
        load(tmp_path / "foreign")
    with pytest.raises(UserError, match="does not exist"):
        load(tmp_path / "none")
    with pytest.raises(UserError):
        load(tmp_path)


def test_failed_write_keeps_the_old_file(tmp_path):
    (tmp_path / "file").write_text("occupied")
    with pytest.raises(UserError, match="cannot write"):
        save(make(), tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "occupied"


def test_faulty_splits_are_refused():
    good = make().train
    observed_nan = (np.full_like(good.x[0], np.nan), *good.x[1:])
    empty = good.mask.copy()
    empty[2] = False
    for changes, message in [
        ({"x": observed_nan}, "modality 0 has observed values that are not finite"),
        ({"mask": empty}, r"sample \[2\] has no observed modality"),
        ({"mask": good.mask[:, :-1]}, r"mask has shape \(7, 11\), expected \(7, 12\)"),
        ({"mask": good.mask.astype(np.int64)}, "expected bool"),
        ({"x": (good.x[0][:-1], *good.x[1:])}, "modality 1 has 7 samples, modality 0 has 6"),
        ({"x": (good.x[0].astype(np.float64), *good.x[1:])}, "float32"),
        ({"x": ()}, "no modality"),
        ({"truth": {"labels": np.zeros(3)}}, "truth 'labels'"),
    ]:
        with pytest.raises(UserError, match=message):
            replace(good, **changes)


def test_faulty_data_sets_are_refused():
    for changes, message in [
        ({"likelihoods": ("gaussian",)}, "1 likelihoods for 12 modalities"),
        ({"likelihoods": ("poisson",) * 12}, "unknown likelihood"),
        ({"max_dim": 3}, "more than max_dim 3"),
        ({"noise_scale": 0.0}, "not positive"),
        ({"noise_scale": float("nan")}, "not positive"),
    ]:
        with pytest.raises(UserError, match=message):
            replace(make(), **changes)


def shared(samples: int = 9) -> Split:
    """Two tables whose rows the samples share, one of bytes, one of one-hot rows, and some missing entries."""
    rng = np.random.default_rng(1)
    tables = (rng.integers(0, 256, (4, 6), dtype=np.uint8), np.eye(3, dtype=np.float32))
    pairs = np.stack([rng.integers(0, len(table), samples) for table in tables], axis=1).astype(np.int32)
    mask = np.ones((samples, 2), dtype=bool)
    mask[2, 0] = mask[4, 1] = False
    return Split(tables, mask, {"labels": pairs[:, 1].astype(np.int64)}, pairs)


def test_shared_rows_are_looked_up():
    split = shared()
    assert len(split) == 9 and split.dims == (6, 3)
    for i, (first, second) in enumerate(split.pairs):
        np.testing.assert_array_equal(split.values(0)[i], split.x[0][first].astype(np.float32) / np.float32(255))
        np.testing.assert_array_equal(split.values(1)[i], split.x[1][second])
    assert {split.values(s).dtype for s in (0, 1)} == {np.dtype(np.float32)}
    own = make().train
    assert own.values(3) is own.x[3]


def test_shared_rows_round_trip_and_equal_bytes(tmp_path):
    dataset = Dataset("toy", ("laplace", "text"), 8, None, shared(), shared(5), {}, "embedded")
    for name in ("a", "b"):
        save(dataset, tmp_path / name)
    loaded = load(tmp_path / "a")
    assert_same(loaded, dataset)
    assert loaded.provenance == "embedded"
    for split, original in ((loaded.train, dataset.train), (loaded.test, dataset.test)):
        assert split.pairs.dtype == np.int32
        np.testing.assert_array_equal(split.pairs, original.pairs)
    save(loaded, tmp_path / "again")
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b") == sha256(tmp_path / "again")


def test_faulty_tables_are_refused():
    good = shared()
    outside, negative = good.pairs.copy(), good.pairs.copy()
    outside[3, 1], negative[0, 0] = 3, -1
    unused = good.x[1].copy()
    unused[1] = np.nan
    alone = replace(good, x=(good.x[0], unused), pairs=np.where([False, True], good.pairs % 4 * 0, good.pairs))
    assert len(alone) == 9  # a row that no sample uses may hold anything
    for changes, message in [
        ({"pairs": outside}, "outside the 3 rows of modality 1"),
        ({"pairs": negative}, "outside the 4 rows of modality 0"),
        ({"pairs": good.pairs.astype(np.int64)}, r"not an int32 \[n, 2\] array"),
        ({"pairs": good.pairs[:, :1]}, r"not an int32 \[n, 2\] array"),
        ({"pairs": good.pairs[:-1]}, r"mask has shape \(9, 2\), expected \(8, 2\)"),
        ({"x": (good.x[0], unused)}, "modality 1 has observed values that are not finite"),
        ({"x": (good.x[0].astype(np.int16), good.x[1])}, "modality 0 is not a float32 or uint8"),
        ({"pairs": None, "x": (good.x[0][:3], good.x[1])}, "modality 0 is not a float32"),
    ]:
        with pytest.raises(UserError, match=message):
            replace(good, **changes)


def test_unknown_provenance_is_refused():
    with pytest.raises(UserError, match="unknown provenance 'real'"):
        replace(make(), provenance="real")


def test_manifest(tmp_path):
    config = LinearData(loading="dense", samples=20)
    run(config, [3], tmp_path)
    (entry,) = json.loads((tmp_path / "manifest.json").read_text())
    assert entry.keys() == {"file", "sha256", "seed", "generator_version", "config"}
    name = "seed3.safetensors"
    assert (entry["file"], entry["sha256"], entry["seed"]) == (name, sha256(tmp_path / name), 3)
    assert entry["config"] == config.model_dump(mode="json")


def test_a_spread_takes_samples_at_equal_distances():
    x, mask = np.arange(20, dtype=np.float32).reshape(10, 2), np.ones((10, 1), dtype=bool)
    part = Split((x,), mask, {"labels": np.arange(10)}).spread(4)
    assert part.truth["labels"].tolist() == [0, 2, 5, 7]
    assert part.x[0][:, 0].tolist() == [0.0, 4.0, 10.0, 14.0] and len(part) == 4
    assert len(Split((x,), mask).spread(99)) == 10


def test_a_spread_of_paired_samples_keeps_the_tables():
    x, pairs = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([[2], [0], [1], [2]], dtype=np.int32)
    part = Split((x,), np.ones((4, 1), dtype=bool), {}, pairs).spread(2)
    assert part.x[0] is x and part.values(0).tolist() == [[4.0, 5.0], [2.0, 3.0]]


def test_samples_sorted_by_cluster_are_spread_over_all_clusters():
    labels = np.repeat(np.arange(5), 200)
    assert np.bincount(labels[spread(1000, 50)]).tolist() == [10] * 5
