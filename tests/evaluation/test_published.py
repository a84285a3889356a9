"""Metrics as the released code computes them: what they are in cases with a known answer, and where they go wrong."""

import numpy as np
import pytest
import torch
from builders import double_precision, generator, observations, single_cell, vae
from evaluation.test_experiments import untrained

from pimvae.config.schema import MultimodalData
from pimvae.data.multimodal import multimodal
from pimvae.errors import UserError
from pimvae.evaluation.bounds import average_anatomy, linear_gaussian, subset_posteriors
from pimvae.evaluation.identifiability import mcc
from pimvae.evaluation.published import add_published, bound_at, mcc_published, randomized_dependence
from pimvae.evaluation.rows import Rows
from pimvae.files import write_csv
from pimvae.objectives.masked import masked
from pimvae.training.packing import PackedSplit

float64 = pytest.fixture(double_precision, autouse=True)
VIEWS = MultimodalData(samples=48, test_samples=40, modalities=3, latent=2, dim=4, layers=2)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("function", [lambda x: x, lambda x: x**3, lambda x: x**2, np.exp], ids=["id", "3", "2", "exp"])
def test_functions_of_a_variable_depend_on_it(function):
    x = rng().normal(size=1500)
    assert randomized_dependence(x, function(x), rng(1)) > 0.99


def test_monotone_transforms_do_not_matter():
    x, y = rng().multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 1000).T
    same = [randomized_dependence(f(x), g(y), rng(2)) for f, g in ((np.exp, np.arctan), (np.tanh, lambda v: 3 * v + 1))]
    assert same == pytest.approx([randomized_dependence(x, y, rng(2))] * 2)


def test_independent_variables_can_come_out_as_dependent():
    """The documented fault: rounding errors that an unpivoted QR keeps as directions."""
    pairs = rng(3).normal(size=(100, 2, 600))
    found = np.array([randomized_dependence(x, y, rng(seed)) for seed, (x, y) in enumerate(pairs)])
    pearson = np.array([abs(np.corrcoef(x, y)[0, 1]) for x, y in pairs])
    assert pearson.max() < 0.2 and (found > 0.3).sum() >= 3


def test_scores_of_the_same_latents_differ_by_measure():
    """Rotated latents: out of sample the score is Pearson's and ours, in sample and weak it is not."""
    z = rng().normal(size=(400, 3))
    rotated = z @ np.linalg.qr(rng(1).normal(size=(3, 3)))[0] + 0.5 * rng(2).normal(size=(400, 3))
    scores = mcc_published(z, rotated, rng(4))
    assert scores["strong_out"] == mcc(z, rotated).out_of_sample
    assert scores["strong_in"] > mcc(z, rotated).in_sample
    assert scores["weak_in"] > 0.85 > mcc(z, rotated, rotation=True).out_of_sample * 0.95


@torch.no_grad()
def test_the_bound_at_fixed_parameters_is_the_expectation_of_the_objective():
    """Against the exact gap of a linear-Gaussian model."""
    model, x = vae("poe", noise_scale=2.0), observations(1, seed=2).expand(-1, 300, -1)
    cell = single_cell("multimodal", VIEWS, "poe", "standard")
    part = PackedSplit(x, torch.ones(300, 3, dtype=torch.bool), (3, 5, 4))
    cell = cell.model_copy(update={"evaluation": cell.evaluation.model_copy(update={"draws": 40})})
    exact = linear_gaussian(model)
    gap = average_anatomy(masked, exact, x.movedim(0, 1), subset_posteriors(model, x), torch.zeros(2, 2, 300, 2))
    found = bound_at(cell, model, part, 1.0, generator())
    expected = float(exact.log_likelihood(x.movedim(0, 1), part.mask).mean()) - gap["gap"]
    assert found == pytest.approx(expected, abs=0.1)


def written(folder, losses):
    rows = [(step, 3, 1.0, "loss", value) for step, value in losses.items()]
    write_csv(folder / "history.csv", ["step", "seed", "beta", "term", "value"], rows)
    return folder


@pytest.fixture(scope="module")
def views():
    return multimodal(VIEWS, seed=0)


def test_rows_of_one_replica(views, tmp_path):
    """Steps 1 .. 20 of 6 to the epoch: the windows that end after step 14 count."""
    cell = single_cell("multimodal", VIEWS, "sum_pooling", "standard")
    cell = cell.model_copy(update={"train": cell.train.model_copy(update={"steps": 20, "history_every": 5})})
    rows = Rows(cell, 3, 1.0)
    add_published(cell, untrained(cell, views), views, written(tmp_path, {5: 9.0, 10: 7.0, 15: 4.0, 20: 2.0}), rows)
    found = {row[-2]: row[-1] for row in rows.rows}
    assert found["bound_moving"] == -3.0
    assert set(found) == {"bound_moving", "bound_fixed"} | {
        f"mcc_published_{name}" for name in ("strong_in", "strong_out", "weak_in", "weak_out")
    }
    assert np.isfinite(list(found.values())).all()


def test_a_history_without_the_last_epoch_is_refused(views, tmp_path):
    cell = single_cell("multimodal", VIEWS, "sum_pooling", "standard")
    cell = cell.model_copy(update={"train": cell.train.model_copy(update={"steps": 20})})
    with pytest.raises(UserError, match="no loss of the last epoch"):
        add_published(cell, untrained(cell, views), views, written(tmp_path, {5: 1.0}), Rows(cell, 3, 1.0))
