"""The sampled subset laws against their exact probabilities."""

import math
from typing import get_args

import pytest
import torch
from builders import double_precision, generator, within

from pimvae.config.schema import ObjectiveConfig
from pimvae.errors import UserError
from pimvae.subsets import LAWS, all_subsets, sample_subsets, subset_weights

float64 = pytest.fixture(double_precision, autouse=True)
DRAWS = 20_000
# All, some, one and (which packed data never has, but O may be any set) no modality observed.
OBSERVED = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1], [1, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]]).bool()
SIZES = {"nonempty": range(1, 5), "single": [1], "powerset": range(1, 5)}  # of the laws that leave some out


def drawn(law: str) -> torch.Tensor:
    """[draw, O, modality]."""
    uniforms = torch.rand(DRAWS, len(OBSERVED), 5, generator=generator())
    return sample_subsets(OBSERVED.expand(DRAWS, -1, -1), uniforms, law)


def test_all_subsets_are_there_once_from_empty_to_full():
    subsets = all_subsets(4)
    assert subsets.shape == (16, 4) and subsets.dtype == torch.bool
    assert len(subsets.unique(dim=0)) == 16
    assert not subsets[0].any() and subsets[-1].all()


def test_too_many_modalities_are_refused():
    with pytest.raises(UserError, match="at most 12"):
        all_subsets(13)


@pytest.mark.parametrize("law", [*LAWS, "all_subsets"])
def test_probabilities_sum_to_one_over_the_subsets_of_o(law):
    subsets = all_subsets(4)
    weights = subset_weights(subsets, OBSERVED, law)
    torch.testing.assert_close(weights.sum(0), torch.ones(len(OBSERVED)))
    inside, size = (subsets.unsqueeze(1) <= OBSERVED).all(-1), subsets.sum(-1, keepdim=True)
    if law == "full":
        inside &= size == OBSERVED.sum(-1)
    allowed = torch.isin(size, torch.tensor([*SIZES.get(law, range(5))])) | ~OBSERVED.any(-1)
    assert (weights[inside & allowed] > 0).all() and (weights[~(inside & allowed)] == 0).all()


@pytest.mark.parametrize("law", LAWS)
def test_drawn_subsets_are_observed(law):
    assert (drawn(law) <= OBSERVED).all()


@pytest.mark.parametrize("law", LAWS)
def test_frequencies_are_the_exact_probabilities(law):
    subsets = all_subsets(4)
    hits = (drawn(law).unsqueeze(1) == subsets.unsqueeze(1)).all(-1)  # [draw, subset, O]
    within(hits.double(), subset_weights(subsets, OBSERVED, law))


def test_size_is_uniform_under_uniform_size():
    sizes = drawn("uniform_size").sum(-1)
    total = OBSERVED.sum(-1)
    for size in range(5):
        within((sizes == size).double(), torch.where(size <= total, 1 / (total + 1), 0.0))


def test_size_is_binomial_under_independent():
    sizes = drawn("independent").sum(-1)
    expected = [[math.comb(int(n), k) / 2 ** int(n) for n in OBSERVED.sum(-1)] for k in range(5)]
    for size in range(5):
        within((sizes == size).double(), torch.tensor(expected[size]))


@pytest.mark.parametrize("law", LAWS)
def test_samples_of_a_batch_are_drawn_independently(law):
    """Correlation between two rows with the same O, of whether the first modality is kept, vanishes."""
    uniforms = torch.rand(DRAWS, 2, 5, generator=generator(3))
    kept = sample_subsets(torch.ones(DRAWS, 2, 4, dtype=torch.bool), uniforms, law)[..., 0].double()
    weights = subset_weights(all_subsets(4), torch.ones(1, 4, dtype=torch.bool), law)[:, 0]
    within((kept - weights[all_subsets(4)[:, 0]].sum()).prod(-1), 0.0)


def test_nonempty_is_uniform_in_size_and_powerset_over_subsets():
    """Of four modalities: each size has probability 1/4 under one, each of the 15 subsets 1/15 under the other."""
    subsets, everything = all_subsets(4), torch.ones(1, 4, dtype=torch.bool)
    for size in range(1, 5):
        of_size = subsets.sum(-1) == size
        assert float(subset_weights(subsets, everything, "nonempty")[of_size].sum()) == pytest.approx(1 / 4)
    assert subset_weights(subsets, everything, "powerset")[1:, 0].tolist() == pytest.approx([1 / 15] * 15)


@pytest.mark.parametrize("law", [law for law in LAWS if law not in ("uniform_size", "independent")])
@pytest.mark.parametrize("extreme", [0.0, 1 - 2.0**-24])
def test_laws_without_the_empty_set_never_draw_it(law, extreme):
    """Also where every uniform number is the smallest or the largest that single precision has below 1."""
    uniforms = torch.full((len(OBSERVED), 5), extreme, dtype=torch.float32)
    kept = sample_subsets(OBSERVED, uniforms, law)
    assert torch.equal(kept.any(-1), OBSERVED.any(-1)) and (kept <= OBSERVED).all()


def test_subsets_of_many_modalities_are_drawn_without_listing_them():
    """2^40 subsets: under ``powerset`` about half of the modalities are kept."""
    everything = torch.ones(DRAWS, 40, dtype=torch.bool)
    kept = sample_subsets(everything, torch.rand(DRAWS, 41, generator=generator()), "powerset")
    within(kept.double().mean(-1), 0.5)


def test_unknown_laws_are_refused():
    with pytest.raises(ValueError, match="known: uniform_size, independent"):
        sample_subsets(OBSERVED, torch.rand(len(OBSERVED), 5), "all_subsets")


def test_the_configuration_knows_the_same_laws():
    known = ObjectiveConfig.model_fields["subset_law"].annotation
    assert set(get_args(known)) == {*LAWS, "all_subsets"}
