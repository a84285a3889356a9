"""Counts against hand counts, the models' own parameters and torch's counter."""

from functools import cache

import pytest
from builders import training_cell
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.trainings import PlainLoop
from pimvae import registry
from pimvae.config import load
from pimvae.config.schema import MultimodalData
from pimvae.models.vae import build_model
from pimvae.planning.operations import components, count, evaluation_operations, shape
from pimvae.training.packing import pack


@pytest.fixture(scope="module")
def cells(root):
    """One cell of every kind of model of vectors: data, configuration of the model, bound."""
    found = {}
    for cell in load("smoke", root).cells:
        if cell.data.kind in ("linear", "digits", "bimodal", "multimodal"):
            found.setdefault((cell.data.kind, cell.model.model_dump_json(), cell.objective.name), cell)
    return list(found.values())


@cache
def draw(config):
    return registry.lookup("data", config.kind)(config.model_copy(update={"samples": 80}), 0)


def small(cell):
    """Its data set with a few samples, and a model of it."""
    data = draw(cell.data)
    return data, build_model(cell.model, data.train.dims, data.max_dim, data.likelihoods, data.noise_scale, 0)


def test_every_parameter_and_component_is_counted(cells):
    for cell in cells:
        if cell.objective.name == "masked":
            data, model = small(cell)
            assert count(cell).parameters == sum(parameter.numel() for parameter in model.parameters()), cell.name
            assert (len(data.train.dims), data.max_dim) == (shape(cell.data).modalities, shape(cell.data).width)
            packed = pack(data.train, data.max_dim).spread(2)
            assert model.posterior(packed.x, packed.mask).components == components(cell), cell.name


@pytest.mark.parametrize("objective", ["masked", "mixture"])
def test_operations_of_a_step_are_those_that_torch_counts(cells, objective):
    """Torch does not count its fused attention, which is little."""
    chosen = {cell.model.aggregator: cell for cell in cells if cell.objective.name == objective}
    assert len(chosen) >= 10
    for cell in chosen.values():
        data, model = small(cell)
        cell = cell.model_copy(update={"train": cell.train.model_copy(update={"batch_size": 8})})
        loop = PlainLoop(cell, model, pack(data.train, data.max_dim), 0, "cpu")
        with FlopCounterMode(display=False) as counter:
            loop.step()
        assert counter.get_total_flops() == pytest.approx(count(cell).operations, rel=0.1), cell.name


def test_a_small_model_counted_by_hand():
    """Two views of 6: encoders 6→8→4 and decoders 2→6→6, product of experts, five samples a batch."""
    cell = training_cell("poe", batch_size=5)
    model = cell.model.model_copy(update={"decoder": "injective"})
    cell = cell.model_copy(update={"data": MultimodalData(modalities=2, dim=6), "model": model})
    encoder, decoder = [6 * 8, 8 * 4], [2 * 6, 6 * 6]
    found = count(cell)
    assert found.parameters == 2 * (6 * 8 + 8 + 8 * 4 + 4 + 2 * 6 + 6 + 6 * 6 + 6)
    forward = 2 * sum(encoder + decoder)
    assert found.operations == 2 * 5 * (3 * forward - 2 * encoder[0])


def test_an_unknown_aggregator_counts_as_the_largest():
    sizes = {name: count(training_cell(name)).operations for name in ("poe", "sum_pooling", "self_attention")}
    cell = training_cell("self_attention")
    new = cell.model_copy(update={"model": cell.model.model_copy(update={"aggregator": "brand_new"})})
    assert count(new).operations == max(sizes.values())


def test_an_evaluation_grows_with_its_particles():
    cell = training_cell("sum_pooling")
    twice = cell.evaluation.model_copy(update={"particles": 2 * cell.evaluation.particles, "draws": 128})
    assert evaluation_operations(cell.model_copy(update={"evaluation": twice})) == 2 * evaluation_operations(cell)
