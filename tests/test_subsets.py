"""The sampled subset laws against their exact probabilities."""

import math

import pytest
import torch
from builders import double_precision, generator, within

from pimvae.errors import UserError
from pimvae.subsets import all_subsets, sample_subsets, subset_weights

float64 = pytest.fixture(double_precision, autouse=True)
DRAWS = 20_000
# All, some, one and (which packed data never has, but O may be any set) no modality observed.
OBSERVED = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1], [1, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]]).bool()
LAWS = ("uniform_size", "independent")


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
    inside = (subsets.unsqueeze(1) <= OBSERVED).all(-1)
    assert (weights[inside] > 0).all() and (weights[~inside] == 0).all()


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
    """Correlation of |S| between two rows with the same O vanishes."""
    uniforms = torch.rand(DRAWS, 2, 5, generator=generator(3))
    sizes = sample_subsets(torch.ones(DRAWS, 2, 4, dtype=torch.bool), uniforms, law).sum(-1).double() - 2.0
    within(sizes.prod(-1), 0.0)
