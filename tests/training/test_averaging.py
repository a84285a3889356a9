"""Averaged weights against their closed form, and the shares of the steps after which weights are kept."""

import pytest
import torch
from builders import double_precision, trainer, training_cell

from pimvae.config.schema import TrainConfig
from pimvae.training.averaging import EVERY, AveragedWeights
from pimvae.training.checkpoint import Checkpoint

SEEDS = [2, 5]


@pytest.fixture(autouse=True)
def float64():
    yield from double_precision()


def averaged(path, horizon):
    """The mean after every step of weights that go through the values of ``path``."""
    weights = torch.zeros(1, 1)
    average, found = AveragedWeights(weights, horizon), []
    for step, value in enumerate(path, 1):
        weights.fill_(value)
        average.after_step(step)
        found.append(float(average.value))
    return found


def test_a_constant_is_its_own_average():
    assert averaged([3.0] * 200, 0.1)[EVERY - 1 :] == [3.0] * (201 - EVERY)


def test_the_weights_of_the_steps_are_a_power_of_their_share():
    """Of w_s = s the mean is t / (1 + a): the integral of s against (1/a) (s/t)^{1/a − 1} / t."""
    for horizon in (0.1, 0.25, 0.5):
        last = 40_000
        assert averaged(range(1, last + 1), horizon)[-1] == pytest.approx(last / (1 + horizon), rel=1e-3)


def test_noise_is_averaged_away():
    """The variance of independent weights falls by the sum of squares of those powers: 1 / (a (2 − a) t / EVERY)."""
    draws = torch.randn(400, 800, generator=torch.Generator().manual_seed(1))
    found = torch.tensor([averaged(row.tolist(), 0.2)[-1] for row in draws])
    expected = EVERY / (0.2 * (2 - 0.2) * 800)
    assert float(found.var()) == pytest.approx(expected, rel=0.25)


def test_without_averaging_nothing_changes():
    plain, other = trainer(training_cell(steps=9), SEEDS), trainer(training_cell(steps=9, averaging=0.3), SEEDS)
    plain.run()
    other.run()
    assert torch.equal(plain.stack.flat, other.stack.flat)
    assert all(torch.equal(plain.weights()[name], values) for name, values in plain.stack.parameters().items())
    assert not torch.equal(other.average.value, other.stack.flat)


def test_kept_weights_are_those_of_a_run_of_that_length():
    """A constant rate knows no last step: the first half of a run is a run of half the length."""
    whole = trainer(training_cell(steps=40, averaging=0.1, shares=(0.25, 0.5, 1.0)), SEEDS)
    whole.run()
    for share, steps in ((0.25, 10), (0.5, 20), (1.0, 40)):
        short = trainer(training_cell(steps=steps, averaging=0.1, shares=(1.0,)), SEEDS)
        short.run()
        for name, values in short.weights().items():
            # The one updated its mean also at its own shares, which moves the mean by rounding of the horizon.
            torch.testing.assert_close(whole.weights(share)[name], values, rtol=0.05, atol=2e-3)


def test_going_on_equals_not_stopping(tmp_path):
    cell = training_cell("sum_pooling", steps=20, averaging=0.4, shares=(0.25, 0.5, 1.0))
    whole, first = trainer(cell, SEEDS), trainer(cell, SEEDS)
    whole.run()
    for cut in (1, 7, 8, 11, 13):
        first.advance(cut)
        assert Checkpoint(tmp_path / "c", "").write(first)
        second = trainer(cell, SEEDS)
        assert Checkpoint(tmp_path / "c", "", strict=True).resume(second)
        second.run()
        for share, kept in ((share, whole.weights(share)) for share in cell.train.shares):
            assert all(torch.equal(second.weights(share)[name], values) for name, values in kept.items())
        assert second.average.updated == whole.average.updated == 20


@pytest.mark.parametrize("shares", [(), (0.5,), (0.5, 0.25, 1.0), (0.5, 0.5, 1.0)])
def test_shares_ascend_to_one(shares):
    with pytest.raises(ValueError, match="must ascend and end with 1"):
        TrainConfig(steps=4, batch_size=2, shares=shares)
