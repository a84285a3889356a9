"""A replayed computation against the computation itself."""

import pytest
import torch
from builders import assert_replayed, double_precision, normal, operations, trainer, training_cell

from pimvae import registry
from pimvae.training.program import Program
from pimvae.training.replay import Replay, replayed

float64 = pytest.fixture(double_precision, autouse=True)
AGGREGATORS, OBJECTIVES = registry.names("aggregators"), registry.names("objectives")
ATEN = torch.ops.aten


def assert_fast(replay):
    """All calls but those with a mask among their arguments are traced, consecutive ones into one."""
    assert isinstance(replay, Replay)
    masked = sum("[True" in str(call.run.args) or "[False" in str(call.run.args) for call in replay.calls)
    assert len(replay.parts) <= 2 * masked + 1 < len(replay.calls)


@pytest.mark.parametrize(
    ("aggregator", "objective"),
    [(name, "masked") for name in AGGREGATORS] + [("moe", name) for name in OBJECTIVES if name != "masked"],
)
def test_replayed_steps_are_bit_for_bit_those_of_autograd(aggregator, objective):
    """Several steps, so that values change: parameters, history and counts; and the step is in fact replayed."""
    cell = training_cell(aggregator, objective, clip=10.0, steps=6, history_every=1)
    replay, plain = trainer(cell, [0, 3]), trainer(cell, [0, 3])
    plain.program.trace = False
    replay.run()
    plain.run()
    assert_fast(replay.program.operations)
    assert not isinstance(plain.program.operations, Replay)
    assert torch.equal(replay.stack.flat, plain.stack.flat)
    assert torch.equal(replay.optimiser.clipped, plain.optimiser.clipped)
    for (_, terms), (_, expected) in zip(replay.history.rows, plain.history.rows, strict=True):
        assert terms.keys() == expected.keys() and all(torch.equal(terms[name], expected[name]) for name in terms)


def test_gradients_and_constants():
    """d/dx Σ (a x)³ = 3 a³ x², a a tensor that is not among the inputs."""
    a = normal(4)

    def function(x):
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            return list(torch.autograd.grad((a * x).pow(3).sum(), x))

    replay, x = replayed(function, normal(4, seed=1)), normal(4, seed=2)
    torch.testing.assert_close(replay(x)[0], 3 * a**3 * x**2)


def test_common_subexpressions_and_dead_code_are_eliminated():
    def function(x):
        x.cos()
        return [x.exp().detach() + x.exp(), x.exp()]

    replay = replayed(function, normal(3))
    assert operations(replay) == ["aten::exp", "aten::add"]
    assert [node.op for node in replay.graph.nodes] == ["placeholder", "call_function", "call_function", "output"]
    x = normal(3, seed=1)
    torch.testing.assert_close(replay(x), [2 * x.exp(), x.exp()])


def test_arguments_that_are_equal_but_not_the_same_are_kept_apart():
    replay = replayed(lambda x: [x.sum(0, keepdim=True), x.sum(0), x * 1, x * 1.0], normal(2, 3))
    assert [tuple(t.shape) for t in replay(torch.ones(2, 3))] == [(1, 3), (3,), (2, 3), (2, 3)]
    assert len(replay.calls) == 4


def test_products_with_one_are_left_out_unless_they_change_the_type():
    product = ATEN.mul.Scalar
    replay = replayed(lambda x: [product(x, 1).exp(), product(x, 2)], normal(3))
    assert operations(replay) == ["aten::exp", "aten::mul"]
    assert operations(replayed(lambda x: [product(x, 1.0)], torch.arange(3))) == ["aten::mul"]


def test_parts_of_a_result_that_are_equal_are_one():
    def function(x):
        first, second = x.max(1), x.max(1)
        return [first.values + second.values, first.indices, second.indices.sum()]

    replay = replayed(function, normal(3, 4))
    assert operations(replay) == ["aten::max", "aten::add", "aten::sum"]
    assert_replayed(replay, function, normal(3, 4, seed=1))


def test_inputs_keep_their_order_in_memory():
    """What is summed in which order depends on it; an expanded one is copied entry by entry."""

    def function(x, y):
        return [x.sum(0) + y, (x * y).sum()]

    x, y = normal(4, 6, 5).transpose(0, 1)[:, 1:3], normal(1).expand(2, 5)
    replay = replayed(function, x, y)
    assert replay.inputs[0].stride() == x.stride() and replay.inputs[1].stride() == (5, 1)
    x, y = normal(4, 6, 5, seed=1).transpose(0, 1)[:, 1:3], normal(1, seed=1).expand(2, 5)
    assert_replayed(replay, function, x, y)


def test_a_step_that_changes_a_tensor_is_not_replayed_and_says_so():
    def function(x):
        y = x.clone()
        before = y.exp()
        y.add_(1.0)
        return [before, y.exp()]

    with pytest.warns(UserWarning, match=r"in place \(aten\.add_\.Tensor\) is not replayed"):
        run = replayed(function, normal(3))
    assert run is function


@pytest.mark.parametrize(
    "function",
    [
        lambda x: [x * float(x.sum())],
        lambda x: [x + 1 if x.sum() > 0 else x],
        lambda x: [x[x > 0]],
        lambda x: [x.nonzero()],
        lambda x: [x.masked_select(x > 0)],
        lambda x: [x + 1 if torch.equal(x, x) else x],
    ],
)
def test_a_step_that_looks_at_a_value_is_refused(function):
    with pytest.raises(RuntimeError, match="values of tensors"):
        replayed(function, normal(3))


def test_a_step_may_choose_rows_by_number():
    def function(x, rows):
        return [x[rows], x.index_select(0, rows)]

    replay = replayed(function, normal(4, 2), torch.tensor([3, 0]))
    assert_replayed(replay, function, normal(4, 2, seed=1), torch.tensor([1, 1]))


@pytest.mark.parametrize("draw", [torch.rand_like, torch.bernoulli, lambda x: torch.nn.functional.dropout(x, 0.5)])
def test_a_step_that_draws_its_own_random_numbers_is_refused(draw):
    with pytest.raises(RuntimeError, match="random numbers"):
        replayed(lambda x: [draw(x)], torch.rand(3))


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2)], ids=str)
def test_what_cannot_be_traced_runs_in_python(wanted):
    """The backward of a convolution has a mask among its arguments, and leaves out what nobody wants."""

    def function(*tensors):
        tensors = [tensor.detach().requires_grad_(i in wanted) for i, tensor in enumerate(tensors)]
        with torch.enable_grad():
            value = torch.nn.functional.conv1d(*tensors).square().sum()
            return [2 * part for part in torch.autograd.grad(value, [tensors[i] for i in wanted])]

    replay = replayed(function, normal(1, 1, 6), normal(2, 1, 3), normal(2))
    assert_fast(replay)
    assert_replayed(replay, function, normal(1, 1, 6, seed=1), normal(2, 1, 3, seed=2), normal(2, seed=3))


def test_a_program_follows_parameters_that_lie_somewhere_else():
    def losses(flat, x):
        return (flat.square() * x).sum(1), {"sum": flat.sum(1)}

    program, plain, x = Program(losses), Program(losses, trace=False), normal(2, 3)
    for seed in (1, 2, 1):
        flat = normal(2, 3, seed=seed)
        mine, its = program(flat, x), plain(flat, x)
        assert torch.equal(mine.gradient, its.gradient) and torch.equal(mine.loss, its.loss)
        assert torch.equal(mine.terms["sum"], its.terms["sum"])


def test_a_program_reads_parameters_where_they_lie():
    def losses(flat, x):
        return (flat.square() * x).sum(1), {}

    program, flat, x = Program(losses), normal(2, 3), normal(2, 3, seed=1)
    program(flat, x)
    recorded = program.operations
    for _ in range(2):
        flat += 1.0
        assert torch.equal(program(flat, x).gradient, 2 * flat * x)
        assert program.operations is recorded
