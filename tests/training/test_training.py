"""The training loop, its optimiser and its random numbers against plain single-model code."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from builders import DIMS, MAX_DIM, double_precision, normal, trained, trainer, training_cell, training_data, within

from pimvae import registry
from pimvae.config.schema import TrainConfig
from pimvae.data.dataset import Split
from pimvae.models.vae import build_model
from pimvae.objectives._base import Draws
from pimvae.subsets import all_subsets, sample_subsets, subset_weights
from pimvae.training import optimiser as optimiser_module
from pimvae.training.loop import History
from pimvae.training.optimiser import StackOptimiser
from pimvae.training.packing import pack
from pimvae.training.streams import Purpose, Streams, derived_seed

float64 = pytest.fixture(double_precision, autouse=True)


def plain_training(cell, seed, beta=1.0):
    """The same training as a textbook loop: one model, torch's Adam and clipping; also how many entries it clips."""
    model = build_model(cell.model, DIMS, MAX_DIM, ("gaussian",) * 3, 0.7, seed)
    adam = torch.optim.Adam(model.parameters(), lr=cell.train.learning_rate)
    data, streams, size = training_data(seed), Streams([seed]), cell.train.batch_size
    bound, clipped = registry.lookup("objectives", cell.objective.name), 0
    components = model.posterior(data.x[:, :1], data.mask[:1]).components
    for step in range(cell.train.steps):
        place = step % (len(data) // size)
        order = streams.permutation(len(data))[0] if place == 0 else order  # noqa: F821
        rows = order[place * size : (place + 1) * size]
        subset = sample_subsets(data.mask[rows], streams.uniform(size, 1 + len(DIMS))[0], cell.objective.subset_law)
        noise = streams.noise("gaussian", components, 1, 2, size, model.latent_size)[0]
        draws = Draws(noise[:, :, :1], noise[:, :, 1:])
        adam.zero_grad()
        (-bound(model, data.x[:, rows], data.mask[rows], subset.unsqueeze(0), draws, beta).value.mean()).backward()
        limit = cell.train.clip / size
        clipped += sum(int((p.grad.abs() > limit).sum()) for p in model.parameters())
        torch.nn.utils.clip_grad_value_(model.parameters(), limit)
        adam.step()
    return model, clipped


@pytest.mark.parametrize(
    ("aggregator", "objective", "law"),
    [
        ("self_attention", "masked", "uniform_size"),
        ("moe", "mixture", "independent"),
        ("private_poe", "tc", "uniform_size"),
    ],
)
def test_training_equals_a_plain_loop(aggregator, objective, law):
    cell = training_cell(aggregator, objective, subset_law=law, clip=10.0, steps=9)
    result = trained(cell, [2, 6], [1.0, 0.3])
    for place, (seed, beta) in enumerate([(2, 1.0), (6, 0.3)]):
        model, clipped = plain_training(cell, seed, beta)
        expected = torch.cat([p.detach().flatten() for p in model.parameters()])
        torch.testing.assert_close(result.stack.flat[place], expected, rtol=0, atol=1e-9)
        assert result.optimiser.clipped[place] == clipped > 0


def test_training_twice_gives_the_same_bits():
    cell = training_cell("self_attention_mixture")
    first, second, other = trained(cell, [1, 2]), trained(cell, [1, 2]), trained(cell, [1, 3])
    assert torch.equal(first.stack.flat, second.stack.flat)
    assert torch.equal(first.stack.flat[0], other.stack.flat[0]) and not torch.equal(
        first.stack.flat[1], other.stack.flat[1]
    )


def test_training_raises_the_bound():
    result = trained(training_cell(steps=150), [0, 1, 2])
    losses = torch.stack([terms["loss"] for _, terms in result.history.rows])
    assert (losses[-20:].mean(0) < losses[:20].mean(0) - 1.0).all()
    assert not any(result.diverged(r) for r in range(3))


def test_epochs_visit_every_sample_once_in_a_new_order():
    """35 samples in batches of 8: four batches, three samples left for another epoch."""
    result, firsts = trainer(training_cell(steps=8), [3]), []
    result.run(lambda step: firsts.append(result.data.epoch_x[0, 0, :, 0].clone()))
    data = training_data(3)
    assert result.batches == 4 and len(firsts) == 8
    assert torch.equal(firsts[0], firsts[3]) and not torch.equal(firsts[3], firsts[4])
    for order in firsts:
        assert torch.equal(order.sort().values, data.x[0, :, 0].sort().values)


@pytest.mark.parametrize(("reuse", "expected"), [(False, 10), (True, 3)])
def test_noise_and_subsets_are_drawn_every_step_or_every_epoch(reuse, expected, monkeypatch):
    """Ten steps are two epochs of four batches and a part of a third."""
    result, shapes = trainer(training_cell(noise_reuse=reuse), [0, 1]), []
    noise = result.streams.noise
    monkeypatch.setattr(result.streams, "noise", lambda *shape: shapes.append(shape) or noise(*shape))
    uniform, sizes = result.streams.uniform, []
    monkeypatch.setattr(result.streams, "uniform", lambda *shape: sizes.append(shape) or uniform(*shape))
    result.run()
    assert shapes == [("gaussian", 1, 1, 2, 8, 2)] * expected
    assert sizes == [(8, 4)] * expected  # what the subsets are drawn from is kept along with the noise


def test_enumerated_subsets_are_weighed_by_their_law():
    """The loss of the first step by hand: Σ_s P(S = s) bound_s, averaged over the batch."""
    cell = training_cell(steps=1, subset_law="all_subsets", batch_size=35)
    result = trained(cell, [4])
    data, streams = training_data(4), Streams([4])
    order = streams.permutation(len(data))[0]
    x, observed = data.x[:, order], data.mask[order]
    model = build_model(cell.model, DIMS, MAX_DIM, ("gaussian",) * 3, 0.7, 4)
    noise = streams.noise("gaussian", 1, 1, 9, 35, 2)[0]
    subset = all_subsets(3).unsqueeze(1) & observed
    bound = registry.lookup("objectives", "masked")(model, x, observed, subset, Draws(noise[:, :, :8], noise[:, :, 8:]))
    weights = subset_weights(all_subsets(3), observed)
    torch.testing.assert_close(result.history.rows[0][1]["loss"][0], -(weights * bound.value).sum(0).mean().detach())
    torch.testing.assert_close(
        result.history.rows[0][1]["information_rest"][0], (weights * bound.terms["information_rest"]).sum(0).mean()
    )


def test_history_averages_over_windows():
    history = History(every=3)
    for step in range(1, 8):
        history.add(step, {"loss": torch.tensor([float(step), 10.0 * step])})
    assert [step for step, _ in history.rows] == [3, 6]
    assert torch.equal(history.rows[1][1]["loss"], torch.tensor([5.0, 50.0]))


def test_a_replica_that_diverges_is_told_and_leaves_the_others_alone():
    cell = training_cell(steps=3)
    broken, sound = trainer(cell, [0, 1]), trained(cell, [0])
    with torch.no_grad():
        broken.stack.flat[1, 0] = torch.nan
    broken.run()
    assert broken.diverged(1) and not broken.diverged(0)
    assert broken.optimiser.nonfinite[1] > 0 and broken.optimiser.nonfinite[0] == 0
    torch.testing.assert_close(broken.stack.flat[0], sound.stack.flat[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("chunk", [3, optimiser_module.CHUNK])
def test_optimiser_cleans_clips_and_counts_per_replica(monkeypatch, chunk):
    """Gradients of a linear loss are its coefficients: against torch's Adam on the cleaned ones."""
    monkeypatch.setattr(optimiser_module, "CHUNK", chunk)
    coefficients = normal(5, 2, 4) * 3
    coefficients[1, 0, 2], coefficients[2, 1, 0], coefficients[3, 1, 3] = torch.nan, torch.inf, -torch.inf
    start, size = normal(2, 4, seed=1), 4
    flat = start.clone().requires_grad_()
    config = TrainConfig(steps=5, batch_size=1_000, learning_rate=0.05, clip=10.0)
    optimiser = StackOptimiser(flat, config, size)
    reference = start.clone().requires_grad_()
    adam = torch.optim.Adam([reference], lr=0.05)
    for index, c in enumerate(coefficients):
        optimiser.step(c.clone(), index)
        reference.grad = torch.where(c.isfinite(), c, 0.0).clamp(-2.5, 2.5)
        adam.step()
    torch.testing.assert_close(flat, reference)
    assert optimiser.nonfinite.tolist() == [1, 2]
    finite = torch.where(coefficients.isfinite(), coefficients, 0.0)
    assert optimiser.clipped.tolist() == (finite.abs() > 2.5).sum((0, 2)).tolist() and optimiser.clipped.min() > 0
    assert optimiser.entries == 5 * 4


def test_a_training_and_an_evaluation_never_import_the_compiler(root, tmp_path):
    """Which takes as long as torch itself, and which the classes of torch.optim need."""
    code = """if True:
        import sys
        from pimvae.cli import main
        scale = ["--scale", "smoke", "--root", sys.argv[1]]
        assert main(["data", "linear", "dense", *scale, "--out", "data"]) == 0
        assert main(["train", "linear", "dense-poe-masked", *scale, "--data", "data", "--out", "run"]) == 0
        assert main(["evaluate", "linear", "dense-poe-masked", *scale, "--data", "data", "--run", "run"]) == 0
        assert "torch" in sys.modules and not {"torch._dynamo", "sympy"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code, str(root)], check=True, cwd=tmp_path)


def test_optimiser_without_clipping_leaves_large_gradients():
    flat = torch.zeros(1, 2, requires_grad=True)
    optimiser = StackOptimiser(flat, TrainConfig(steps=1, batch_size=2, clip=None), 2)
    optimiser.step(torch.tensor([[1e6, 1.0]]), 0)
    assert torch.allclose(optimiser.mean, torch.tensor([[1e5, 0.1]])) and optimiser.clipped.tolist() == [0]


def test_the_clip_is_for_the_sum_over_the_batch_that_there_is():
    """35 samples, batches of 1000 asked for: the mean loss is over 35."""
    result = trained(training_cell(batch_size=1_000, clip=70.0, steps=2), [0])
    assert result.optimiser.limit == 2.0 and result.batches == 1


def test_learning_rate_is_constant_or_falls_to_zero_by_a_cosine():
    flat = torch.zeros(1, 2, requires_grad=True)
    cosine = StackOptimiser(flat, TrainConfig(steps=100, batch_size=1, learning_rate=0.2, schedule="cosine"), 1)
    assert [cosine.learning_rate(i) for i in (0, 50, 100)] == pytest.approx([0.2, 0.1, 0.0])
    constant = StackOptimiser(flat, TrainConfig(steps=100, batch_size=1, learning_rate=0.2), 1)
    assert constant.learning_rate(99) == 0.2
    cosine.step(torch.ones(1, 2), 0)
    assert flat[0, 0].item() == pytest.approx(-0.2)  # Adam's first step is the learning rate


def test_streams_depend_on_their_seed_and_not_on_their_company():
    together, alone = Streams([5, 9, 5]), Streams([9])
    for draw in (lambda s: s.permutation(20), lambda s: s.uniform(3, 4), lambda s: s.noise("laplace", 2, 5)):
        several, one = draw(together), draw(alone)
        assert torch.equal(several[1], one[0]) and torch.equal(several[0], several[2])
        assert not torch.equal(several[0], several[1])


def test_streams_of_neighbouring_seeds_are_uncorrelated():
    noise = Streams(range(6)).noise("gaussian", 20_000)
    products = noise.unsqueeze(0) * noise.unsqueeze(1)
    within(products.movedim(-1, 0), torch.eye(6))


def test_streams_continue_from_a_saved_state():
    streams = Streams([1, 2])
    streams.uniform(3)
    state, expected = streams.state(), streams.noise("gaussian", 4)
    other = Streams([8, 9])
    other.restore(state)
    assert torch.equal(other.noise("gaussian", 4), expected)


def test_seeds_of_different_purposes_differ():
    seeds = {derived_seed(seed, purpose) for seed in range(50) for purpose in Purpose}
    assert len(seeds) == 200 and all(0 <= seed < 2**63 for seed in seeds)
    expected = torch.rand(4, generator=torch.Generator().manual_seed(derived_seed(3, Purpose.TRAINING)))
    assert torch.equal(Streams([3]).uniform(4)[0], expected)


@pytest.mark.parametrize("junk", [np.nan, np.inf, 1e30])
def test_packing_pads_and_removes_what_is_missing(junk):
    mask = np.array([[True, False], [True, True], [False, True]])
    values = [np.arange(1, 7, dtype=np.float32).reshape(3, 2), np.arange(7, 16, dtype=np.float32).reshape(3, 3)]
    x = tuple(np.where(mask[:, [s]], v, np.float32(junk)) for s, v in enumerate(values))
    packed = pack(Split(x, mask), 4)
    assert packed.dims == (2, 3) and len(packed) == 3 and packed.x.shape == (2, 3, 4)
    expected = [[[1, 2, 0, 0], [3, 4, 0, 0], [0, 0, 0, 0]], [[0, 0, 0, 0], [10, 11, 12, 0], [13, 14, 15, 0]]]
    assert packed.x.tolist() == expected and packed.mask.tolist() == mask.tolist()
    assert packed.spread(2).x.tolist() == [rows[:2] for rows in expected] and len(packed.spread(2)) == 2
    assert packed.to(torch.float64).x.dtype == torch.float64
    packed.mask[0, 1] = True
    assert not mask[0, 1]  # the data set's own mask is not shared
