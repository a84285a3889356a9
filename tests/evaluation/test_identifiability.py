"""Mean correlation coefficient on latents whose answer is known."""

import numpy as np
import pytest

from pimvae.evaluation.identifiability import mcc


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_strong_mcc_allows_for_order_sign_and_scale(rng: np.random.Generator) -> None:
    true = rng.normal(size=(400, 4))
    inferred = true[:, [2, 0, 3, 1]] * [-3.0, 0.1, 20.0, -1.0] + [0.0, 5.0, -7.0, 1e3]
    score = mcc(true, inferred)
    assert score.in_sample == pytest.approx(1, abs=1e-9)
    assert score.out_of_sample == pytest.approx(1, abs=1e-9)
    np.testing.assert_array_equal(score.permutation, [1, 3, 0, 2])
    np.testing.assert_array_equal(score.signs, [1, -1, -1, 1])


def test_weak_mcc_allows_for_any_affine_map(rng: np.random.Generator) -> None:
    true = rng.normal(size=(400, 4))
    inferred = true @ np.linalg.qr(rng.normal(size=(4, 4)))[0] + 3.0
    weak, strong = mcc(true, inferred, rotation=True), mcc(true, inferred)
    assert weak.in_sample == pytest.approx(1, abs=1e-9)
    assert weak.out_of_sample == pytest.approx(1, abs=1e-9)
    assert strong.out_of_sample < 0.9


def test_weak_mcc_is_the_mean_canonical_correlation(rng: np.random.Generator) -> None:
    """Canonical correlations from the eigenvalues of S_aa⁻¹ S_ab S_bb⁻¹ S_ba, on the half that is fitted."""
    a = rng.normal(size=(300, 3))
    b = a @ rng.normal(size=(3, 3)) + rng.normal(size=(300, 3)) * [0.5, 1.0, 4.0]
    half = np.cov(np.hstack([a, b])[:150].T)
    product = np.linalg.solve(half[:3, :3], half[:3, 3:]) @ np.linalg.solve(half[3:, 3:], half[3:, :3])
    expected = np.sqrt(np.linalg.eigvals(product).real).mean()
    assert mcc(a, b, rotation=True).in_sample == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rotation", [False, True])
def test_independent_latents_score_near_zero(rng: np.random.Generator, rotation: bool) -> None:
    score = mcc(rng.normal(size=(20_000, 3)), rng.normal(size=(20_000, 3)), rotation=rotation)
    assert score.out_of_sample < 0.03
    assert score.in_sample < 0.05


def test_matching_is_found_on_the_first_half_only(rng: np.random.Generator) -> None:
    true = rng.normal(size=(200, 2))
    inferred = np.concatenate([true[:100], true[100:, ::-1]])  # the order changes between the halves
    score = mcc(true, inferred)
    assert score.in_sample == pytest.approx(1)
    assert score.out_of_sample < 0.3


@pytest.mark.parametrize("rotation", [False, True])
@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6])
def test_constant_dimension_counts_as_zero(rng: np.random.Generator, rotation: bool, constant: float) -> None:
    true = rng.normal(size=(400, 2))
    inferred = np.stack([true[:, 0], np.full(400, constant)], axis=1)
    score = mcc(true, inferred, rotation=rotation)
    assert score.in_sample == pytest.approx(0.5, abs=0.01)  # a rotation may use both true dimensions: 0.5 either way
    assert score.out_of_sample == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("rotation", [False, True])
def test_all_constant_scores_zero(rng: np.random.Generator, rotation: bool) -> None:
    score = mcc(rng.normal(size=(50, 2)), np.ones((50, 3)), rotation=rotation)
    assert (score.in_sample, score.out_of_sample) == (0.0, 0.0)


@pytest.mark.parametrize("rotation", [False, True])
@pytest.mark.parametrize("inferred_size", [2, 5])
def test_other_number_of_inferred_dimensions(rng: np.random.Generator, rotation: bool, inferred_size: int) -> None:
    true = rng.normal(size=(400, 3))
    inferred = np.hstack([-true[:, [2]], rng.normal(size=(400, inferred_size - 1))])
    score = mcc(true, inferred, rotation=rotation)
    assert len(score.permutation) == 3
    assert (score.permutation >= 0).sum() == min(3, inferred_size)
    if not rotation:
        assert score.permutation[2] == 0 and score.signs[2] == -1
        np.testing.assert_array_equal(score.signs == 0, score.permutation == -1)


def test_units_do_not_matter(rng: np.random.Generator) -> None:
    true = rng.normal(size=(300, 3))
    inferred = true + rng.normal(size=(300, 3))
    for rotation in (False, True):
        plain = mcc(true, inferred, rotation=rotation)
        scaled = mcc(true, inferred * [1e-6, 1.0, 1e6], rotation=rotation)
        assert scaled.out_of_sample == pytest.approx(plain.out_of_sample, abs=1e-7)


def test_diverged_model_scores_nan(rng: np.random.Generator) -> None:
    true = rng.normal(size=(20, 2))
    score = mcc(true, np.where(true > 1, np.nan, true))
    assert np.isnan([score.in_sample, score.out_of_sample]).all()
    np.testing.assert_array_equal(score.permutation, [-1, -1])


def test_too_few_samples_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="got 3 true and 3 inferred"):
        mcc(rng.normal(size=(3, 2)), rng.normal(size=(3, 2)))
