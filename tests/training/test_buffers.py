"""Fixed buffers: which results share one, and that the results are the same."""

import pytest
import torch
from builders import assert_replayed, double_precision, normal, operations
from torch import fx, nn

from pimvae.training.buffers import BufferAssignment, out_call
from pimvae.training.replay import replayed

float64 = pytest.fixture(double_precision, autouse=True)
ATEN = torch.ops.aten


def addresses(replay):
    """Of the result of every operation."""
    return [buffer.data_ptr() for call in replay.calls for buffer in call.buffers]


def test_pointwise_results_are_written_over_what_is_no_longer_read():
    a = normal(3, 4)

    def function(x):
        return [((x + a).exp() * a).sum(0)]

    replay = replayed(function, normal(3, 4))
    add, exp, mul, _ = addresses(replay)
    assert add == exp == mul
    x = normal(3, 4, seed=1)
    before, constant = x.clone(), a.clone()
    assert_replayed(replay, function, x)
    assert torch.equal(x, before) and torch.equal(a, constant)


def test_other_results_take_a_buffer_that_is_no_longer_read():
    a = normal(4, 4)

    def function(x):
        for _ in range(6):
            x = x @ a
        return [x]

    replay = replayed(function, normal(4, 4))
    one, other, *rest = addresses(replay)
    assert one != other and rest == [one, other] * 2
    assert_replayed(replay, function, normal(4, 4, seed=1))


def test_views_are_made_once():
    def function(parameters, x):
        weight, bias = parameters.split([6, 2])
        return [((x.t().t() @ weight.view(3, 2) + bias).t().exp().unsqueeze(0).transpose(1, 2) * 2.0).sum(0)]

    parameters, x = normal(8), normal(5, 3)
    replay = replayed(function, parameters, x, fixed=1)
    assert operations(replay) == ["aten::mm", "aten::add", "aten::exp", "aten::mul", "aten::sum"]
    for seed in (1, 2):
        parameters.copy_(normal(8, seed=seed))
        assert_replayed(replay, function, parameters, normal(5, 3, seed=seed))


def test_tensors_that_depend_on_no_value_are_made_once():
    def function(x):
        return [torch.arange(3.0) + x + torch.zeros_like(x) + x.new_ones(3)]

    replay = replayed(function, normal(3))
    assert operations(replay) == ["aten::add"] * 3
    assert_replayed(replay, function, normal(3, seed=1))


def test_outputs_share_no_memory_with_inputs_constants_or_later_results():
    a = normal(3, 3)

    def function(x):
        return [x, x.t(), a[0], torch.ones(2), (y := x.exp()), y.t(), (y + 1).sum(0)]

    replay, x = replayed(function, normal(3, 3)), normal(3, 3, seed=1)
    assert_replayed(replay, function, x)
    for output in replay(x):
        output.fill_(7.0)
    assert_replayed(replay, function, x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: [(y := x.exp()), y + 1],  # a result that is returned
        lambda x: [(y := x.exp()).cos() * y],  # read once more
        lambda x: [(y := x.exp()).cos() * y.t()],  # through a view
        lambda x: [(y := x.exp())[:2] * y[1:]],  # two views of one buffer
        lambda x: [x.exp()[0] + x.cos()],  # another shape: only the second operand can be written over
        lambda x: [x.exp().t() * x.cos()],  # another order in memory: the same
        lambda x: [x.exp() < 0.5],  # another type
        lambda x: [x.exp() + 1, x.exp().t() * 2],  # one operation, views of whose result are read
        lambda x: [(y := (x + 1).exp()) + y.t(), x.cos() @ x.sin()],  # one operand in two orders
    ],
)
def test_what_is_still_read_is_not_written_over(function):
    replay, x = replayed(function, normal(3, 3)), normal(3, 3, seed=1)
    before = x.clone()
    for _ in range(2):
        assert all(torch.equal(mine, its) for mine, its in zip(replay(x), function(x), strict=True))
    assert torch.equal(x, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
@pytest.mark.parametrize(
    "function",
    [
        torch.relu,
        lambda x: x.t().clone(),
        lambda x: x.t().contiguous(),
        lambda x: ATEN.mul.Scalar(x, 0.1),
        lambda x: ATEN.add.Scalar(x, 0.3, 2) if x.is_floating_point() else x,
        lambda x: ATEN.sub.Scalar(x, 3),
        lambda x: ATEN.div.Scalar(x, 7),
        lambda x: ATEN.mul.Scalar(x[0, 0], 0.1) + ATEN.div.Scalar(x[0, 0], 3),  # no axes: numbers decide no type
        lambda x: x[0, 0] * 0.1 + 0.3,
        lambda x: 1 - x,
        lambda x: torch.zeros_like(x) + x,
        lambda x: x.new_zeros(2, 5) + x,
        lambda x: x > 0,
        lambda x: x.float().mean(1, keepdim=True),
        lambda x: torch.cat([x, x], 1),
        lambda x: torch.stack(x.sort(1)[:1]),
        lambda x: torch.zeros(0) + x.sum(),
        lambda x: torch.nn.functional.layer_norm(x.float(), (5,)),
    ],
)
def test_operations_give_the_same_numbers_types_and_strides(function, dtype):
    values = torch.tensor([[0.3, -2.0, -0.0, 1e30, 5.0], [torch.nan, torch.inf, -torch.inf, 1.0, 1e-30]])
    x = values.nan_to_num(0.0, 9.0, -9.0).clamp(-99, 99).to(dtype) if dtype == torch.int64 else values.to(dtype)

    def whole(x):
        return [function(x + 0).clone().isnan(), function(x + 0).nan_to_num() * 1]

    assert_replayed(replayed(whole, x), whole, x)


def test_an_operation_writes_by_its_out_variant_or_is_copied():
    x, y = normal(1, 3, 3), normal(1, 3, 3, seed=1)
    for operation, args, expected in [
        (ATEN.bmm.default, (x, y), "aten.bmm.out"),
        (ATEN.max.dim, (x, 1), "aten.max.dim_max"),
        (ATEN.native_layer_norm_backward.default, (x, y, [3], x.mean(-1, True), x.std(-1, keepdim=True), None, None,
                                                   [True, False, False]), None),
    ]:  # fmt: skip
        results = operation(*args)
        results = [results] if isinstance(results, torch.Tensor) else list(results)
        buffers = [None if result is None else torch.full_like(result, 9) for result in results]
        call = out_call(operation, args, {}, buffers)
        assert str(call.run.func) == expected or expected is None
        call.run()
        for buffer, result in zip(buffers, results, strict=True):
            assert result is None or torch.equal(buffer, result)


def test_a_result_takes_the_smallest_free_storage_and_then_what_was_taken_last():
    assignment = BufferAssignment(nn.Module(), fx.Graph())

    def take(size, *busy):
        return assignment.buffer(torch.zeros(size, dtype=torch.uint8), set(busy)).data_ptr()

    large = take(128)
    first = take(64, large)
    second = take(64, large, first)
    assert len({large, first, second}) == 3
    assert take(60) == second and take(60, second) == first
    assert take(64, first, second) == large  # twice as large
    assert take(63, first, second) not in {large, first, second}  # more than that: a new one
