"""Memory that is laid out once: where results lie, and that they are the same."""

import pytest
import torch
from builders import double_precision, normal

from pimvae.training.layout import _Free
from pimvae.training.program import Program
from pimvae.training.recording import record
from pimvae.training.targets import target

float64 = pytest.fixture(double_precision, autouse=True)
ATEN = torch.ops.aten


def places(recording):
    """Address of the result of every operation that writes to memory that is laid out."""
    results = [call.results[0] for call in recording.calls]
    return [recording.constants[result].data_ptr() for result in results if result in recording.constants]


def names(recording):
    return [call.name for call in recording.calls]


def assert_same(recording, function, *inputs):
    """Twice, as the second run meets what the first has left, in Python and in the interpreter."""
    for run in (recording, recording.interpreted(*inputs)):
        for _ in range(2):
            for mine, its in zip(run(*inputs), function(*inputs), strict=True):
                assert torch.equal(mine, its) and mine.dtype == its.dtype and mine.stride() == its.stride()


def test_elementwise_results_are_written_over_what_is_no_longer_read():
    a = normal(3, 4)

    def function(x):
        return [((x + a).exp() * a).sum(0)]

    recording = record(function, normal(3, 4))
    add, exp, mul = places(recording)
    assert add == exp == mul
    x = normal(3, 4, seed=1)
    before, constant = x.clone(), a.clone()
    assert_same(recording, function, x)
    assert torch.equal(x, before) and torch.equal(a, constant)


def test_other_results_take_memory_that_is_no_longer_read():
    a = normal(4, 4)

    def function(x):
        for _ in range(5):
            x = x @ a
        return [x]

    recording = record(function, normal(4, 4))
    one, other, *rest = places(recording)
    assert one != other and rest == [one, other]
    assert_same(recording, function, normal(4, 4, seed=1))


def test_views_are_made_once():
    def function(parameters, x):
        weight, bias = parameters.split([6, 2])
        return [((x @ weight.view(3, 2) + bias).t().exp().unsqueeze(0).transpose(1, 2) * 2.0).sum(0)]

    parameters, x = normal(8), normal(5, 3)
    recording = record(function, parameters, x, fixed=1)
    assert names(recording) == ["aten::mm", "aten::add", "aten::exp", "aten::mul", "aten::sum"]
    for seed in (1, 2):
        parameters.copy_(normal(8, seed=seed))
        assert_same(recording, function, parameters, normal(5, 3, seed=seed))


def test_views_of_inputs_that_are_somewhere_else_in_every_run_are_made_in_every_run():
    def function(x):
        return [x.t().exp() + 1]

    recording = record(function, normal(2, 3))
    assert names(recording) == ["aten::t", "aten::exp", "aten::add"]
    assert_same(recording, function, normal(2, 3, seed=1))


def test_results_that_are_given_away_are_not_written_over_by_the_next_run():
    def function(x):
        return [x.exp() * 2, x.exp()[0]]

    recording = record(function, normal(3, 3))
    first = recording(x := normal(3, 3))
    recording(normal(3, 3, seed=1))
    assert all(torch.equal(mine, its) for mine, its in zip(first, function(x), strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
@pytest.mark.parametrize(
    "function",
    [
        torch.relu,
        lambda x: x.t().clone(),
        lambda x: x.t().contiguous(),
        lambda x: ATEN.mul.Scalar(x, 0.1),
        lambda x: ATEN.add.Scalar(x, 0.3, alpha=2),
        lambda x: ATEN.sub.Scalar(x, 3),
        lambda x: ATEN.div.Scalar(x, 7),
        lambda x: torch.zeros_like(x) + x,
        lambda x: x.new_zeros(2, 5) + x,
        lambda x: x > 0,
        lambda x: x.float().mean(1, keepdim=True),
        lambda x: torch.cat([x, x], 1),
        lambda x: torch.zeros(0) + x.sum(),
    ],
)
def test_operations_give_the_same_numbers_types_and_strides(function, dtype):
    values = torch.tensor([[0.3, -2.0, -0.0, 1e30, 5.0], [torch.nan, torch.inf, -torch.inf, 1.0, 1e-30]])
    x = values.nan_to_num(0.0, 9.0, -9.0).clamp(-99, 99).to(dtype) if dtype == torch.int64 else values.to(dtype)

    def whole(x):
        return [function(x + 0).clone().isnan(), function(x + 0).nan_to_num() * 1]

    assert_same(record(whole, x), whole, x)


def test_an_operation_that_would_be_copied_to_its_place_is_left_as_it_is():
    assert target(ATEN.select_backward.default) is None  # torch has such a form, but made by a program
    assert target(ATEN.native_layer_norm.default) is None  # three results
    assert target(ATEN.bmm.default).function is ATEN.bmm.out
    assert not target(ATEN.bmm.default).elementwise and target(ATEN.exp.default).elementwise


def test_free_memory_is_taken_by_size_and_then_what_was_freed_last():
    free, blocks = _Free(), [torch.empty(n, dtype=torch.uint8) for n in (128, 64, 64, 256)]
    for block in blocks:
        free.give(block)
    assert free.take(60) is blocks[2] and free.take(64) is blocks[1]
    assert free.take(64) is blocks[0]  # twice as large
    assert free.take(64).numel() == 64  # four times as large: new memory
    assert free.take(200) is blocks[3] and free.blocks == []


def test_a_program_follows_parameters_that_lie_somewhere_else():
    def losses(flat, x):
        return (flat.square() * x).sum(1), {"sum": flat.sum(1)}

    program, plain, x = Program(losses), Program(losses, trace=False), normal(2, 3)
    for seed in (1, 2, 1):
        flat = normal(2, 3, seed=seed)
        mine, its = program(flat, x), plain(flat, x)
        assert torch.equal(mine.gradient, its.gradient) and torch.equal(mine.loss, its.loss)
        assert torch.equal(mine.terms["sum"], its.terms["sum"])
