"""A recorded computation against the computation itself."""

import pytest
import torch
from builders import double_precision, normal, trainer, training_cell

from pimvae import registry
from pimvae.training.recording import record

float64 = pytest.fixture(double_precision, autouse=True)
AGGREGATORS, OBJECTIVES = registry.names("aggregators"), registry.names("objectives")


def names(recording):
    return [call.name for call in recording.calls]


@pytest.mark.parametrize(
    ("aggregator", "objective"),
    [(name, "masked") for name in AGGREGATORS] + [("moe", name) for name in OBJECTIVES if name != "masked"],
)
def test_replayed_steps_are_bit_for_bit_those_of_autograd(aggregator, objective):
    """Several steps, so that values change: parameters, history and counts."""
    cell = training_cell(aggregator, objective, clip=10.0, steps=6, history_every=1)
    replayed, plain = trainer(cell, [0, 3]), trainer(cell, [0, 3])
    plain.program.trace = False
    replayed.run()
    plain.run()
    assert torch.equal(replayed.stack.flat, plain.stack.flat)
    assert torch.equal(replayed.optimiser.clipped, plain.optimiser.clipped)
    for (_, terms), (_, expected) in zip(replayed.history.rows, plain.history.rows, strict=True):
        assert terms.keys() == expected.keys() and all(torch.equal(terms[name], expected[name]) for name in terms)


def test_gradients_and_constants():
    """d/dx Σ (a x)³ = 3 a³ x², a a tensor that is not among the inputs."""
    a = normal(4)

    def function(x):
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            return list(torch.autograd.grad((a * x).pow(3).sum(), x))

    recording = record(function, normal(4, seed=1))
    x = normal(4, seed=2)
    for run in (recording, recording.interpreted(x)):
        torch.testing.assert_close(run(x)[0], 3 * a**3 * x**2)


def test_equal_operations_are_done_once_and_unread_ones_not_at_all():
    def function(x):
        x.cos()
        return [x.exp().detach() + x.exp(), x.exp()]

    recording = record(function, normal(3))
    assert names(recording) == ["aten::exp", "aten::add"]
    x = normal(3, seed=1)
    torch.testing.assert_close(recording(x), [2 * x.exp(), x.exp()])


def test_arguments_that_are_equal_but_not_the_same_are_kept_apart():
    recording = record(lambda x: [x.sum(0, keepdim=True), x.sum(0), x * 1, x * 1.0], normal(2, 3))
    x = torch.ones(2, 3)
    assert [tuple(t.shape) for t in recording(x)] == [(1, 3), (3,), (2, 3), (2, 3)]


def test_products_with_one_are_left_out_unless_they_change_the_type():
    product = torch.ops.aten.mul.Scalar
    recording = record(lambda x: [product(x, 1).exp(), product(x, 2)], normal(3))
    assert names(recording) == ["aten::exp", "aten::mul"]
    assert names(record(lambda x: [product(x, 1.0)], torch.arange(3))) == ["aten::mul"]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: [(y := x.exp()), y + 1],  # a result that is returned
        lambda x: [(y := x.exp()).cos() * y],  # read once more
        lambda x: [(y := x.exp()).cos() * y.t()],  # through a view
        lambda x: [(y := x.exp())[:2] * y[1:]],  # two views of one memory
        lambda x: [x.exp()[0] + x.cos()],  # another shape: only the second operand can be written over
        lambda x: [x.exp().t() * x.cos()],  # another order in memory: the same
        lambda x: [x.exp() < 0.5],  # another type
        lambda x: [x.exp() + 1, x.exp().t() * 2],  # equal operations are merged, views of both read one memory
    ],
)
def test_what_is_still_read_is_not_written_over(function):
    recording = record(function, normal(3, 3))
    x = normal(3, 3, seed=1)
    before = x.clone()
    for run in (recording, recording.interpreted(x)):
        for _ in range(2):
            assert all(torch.equal(mine, its) for mine, its in zip(run(x), function(x), strict=True))
    assert torch.equal(x, before)


def test_operations_in_place_keep_their_order():
    def function(x):
        y = x.clone()
        before = y.exp()
        y.add_(1.0)
        return [before, y.exp()]

    recording = record(function, normal(3))
    x = normal(3, seed=1)
    torch.testing.assert_close(recording(x), [x.exp(), (x + 1).exp()])


def test_results_that_are_not_needed_are_let_go():
    recording = record(lambda x: [x.exp().cos().sin()], normal(3))
    assert [sorted(finished) for finished in recording.last_reads][1:] == [[1], [2]]


def test_a_step_that_looks_at_a_value_is_refused():
    with pytest.raises(RuntimeError, match="values of tensors"):
        record(lambda x: [x * float(x.sum())], normal(3))


@pytest.mark.parametrize("draw", [torch.rand_like, torch.bernoulli, lambda x: torch.nn.functional.dropout(x, 0.5)])
def test_a_step_that_draws_its_own_random_numbers_is_refused(draw):
    with pytest.raises(RuntimeError, match="random numbers"):
        record(lambda x: [draw(x)], torch.rand(3))


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2)], ids=str)
def test_what_the_interpreter_cannot_read_runs_in_python(wanted):
    """The backward of a convolution has a mask among its arguments, and leaves out what nobody wants."""

    def function(*tensors):
        tensors = [tensor.detach().requires_grad_(i in wanted) for i, tensor in enumerate(tensors)]
        with torch.enable_grad():
            value = torch.nn.functional.conv1d(*tensors).square().sum()
            return [2 * part for part in torch.autograd.grad(value, [tensors[i] for i in wanted])]

    inputs = normal(1, 1, 6), normal(2, 1, 3), normal(2)
    run = record(function, *inputs).interpreted(*inputs)
    others = normal(1, 1, 6, seed=1), normal(2, 1, 3, seed=2), normal(2, seed=3)
    assert all(torch.equal(mine, its) for mine, its in zip(run(*others), function(*others), strict=True))
