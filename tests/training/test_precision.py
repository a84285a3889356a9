"""Products of matrices in less than single precision (single precision is what is compared with)."""

from contextlib import nullcontext

import pytest
import torch
from builders import DIMS, MAX_DIM, training_cell, training_data

from pimvae.models.vae import build_model
from pimvae.training.loop import Trainer
from pimvae.training.precision import LAYERS, products

PRODUCTS = {"aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm"}


def trainer(precision, aggregator="sum_pooling", **changes):
    cell = training_cell(aggregator, precision=precision, **changes)
    models = [build_model(cell.model, DIMS, MAX_DIM, ("gaussian",) * 3, 0.7, seed) for seed in (0, 1)]
    return Trainer(cell, models, [training_data(seed).to(torch.float32) for seed in (0, 1)], [0, 1], [1.0, 1.0])


def first_step(member):
    member.start_epoch(member.streams.permutation(member.data.size))
    x, observed = member.data.batch(slice(0, member.batch_size))
    return member.program(member.stack.flat, x, observed, *member._draw(observed), member.beta)


def types_of_products(member):
    """Of the factors of all products in a step, by operation."""
    calls = [call.run for call in member.program.operations.calls if call.operation._schema.name in PRODUCTS]
    return [{arg.dtype for arg in call.args if isinstance(arg, torch.Tensor)} for call in calls]


def test_full_precision_is_the_step_without_the_setting(monkeypatch):
    member, plain = trainer("full"), trainer("full")
    found = first_step(member)
    monkeypatch.setattr("pimvae.training.loop.products", lambda model, precision: nullcontext())
    assert torch.equal(found.gradient, first_step(plain).gradient)
    assert all(types == {torch.float32} for types in types_of_products(member))


@pytest.mark.parametrize("aggregator", ["poe", "sum_pooling", "self_attention"])
def test_bfloat16_is_near_single_precision(aggregator):
    """8 bits of each factor: errors of some thousandths."""
    mine, its = first_step(trainer("bf16", aggregator)), first_step(trainer("full", aggregator))
    assert mine.gradient.dtype == mine.loss.dtype == torch.float32
    assert mine.gradient.isfinite().all() and not torch.equal(mine.gradient, its.gradient)
    torch.testing.assert_close(mine.loss, its.loss, rtol=0.02, atol=0)
    assert (mine.gradient - its.gradient).norm() < 0.05 * its.gradient.norm()


def test_only_encoders_and_decoders_multiply_in_bfloat16():
    """Two layers of encoders and one of decoders, forward and backward; the pooling networks stay as they are."""
    member = trainer("bf16")
    first_step(member)
    found = types_of_products(member)
    assert {torch.bfloat16} in found and {torch.float32} in found


def test_training_in_bfloat16_comes_as_far():
    members = [trainer(precision, steps=80) for precision in ("full", "bf16")]
    for member in members:
        member.run()
    start, *last = (
        torch.stack([terms["loss"] for _, terms in rows]).mean(0)
        for rows in (members[0].history.rows[:3], *(member.history.rows[-20:] for member in members))
    )
    assert (last[0] < 0.9 * start).all()
    torch.testing.assert_close(last[1], last[0], rtol=0.05, atol=0)
    assert members[1].stack.flat.dtype == torch.float32 and members[1].optimiser.nonfinite.sum() == 0


def test_a_model_is_left_as_it_was():
    model = build_model(training_cell().model, DIMS, MAX_DIM, ("gaussian",) * 3, 0.7, 0)
    layers = [layer for layer in model.modules() if isinstance(layer, LAYERS)]
    with pytest.raises(RuntimeError, match="inside"), products(model, "bf16"):
        assert "forward" in vars(model.encoder.layers[0]) and "forward" not in vars(model.aggregator)
        raise RuntimeError("inside")
    assert not any("forward" in vars(layer) for layer in layers)
