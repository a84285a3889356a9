"""Counts against hand counts, the models' own parameters and torch's counter."""

from functools import cache

import pytest
import torch
from builders import model_config, training_cell
from torch.utils.flop_counter import FlopCounterMode

from pimvae import registry
from pimvae.config import load
from pimvae.config.schema import ImagesData, MultimodalData
from pimvae.models.layers import parameter_count
from pimvae.models.vae import build_model
from pimvae.objectives._base import Objective
from pimvae.planning.datasets import image_sizes, shape
from pimvae.planning.networks import EXPERTS, components
from pimvae.planning.operations import count, evaluation_operations
from pimvae.training.loop import Trainer
from pimvae.training.packing import pack

# Bounds that are counted one by one; a plain function counts as the masked bound.
COUNTED = [name for name in registry.names("objectives") if isinstance(registry.lookup("objectives", name), Objective)]


def known(cell):
    """Whether the aggregator is counted as what it is; any other counts as the largest."""
    name = cell.model.aggregator
    return cell.objective.name in COUNTED and (name in EXPERTS or "sum_pooling" in name or "self_attention" in name)


@pytest.fixture(scope="module")
def cells(root):
    """One cell of every kind of model of the smoke scale: data, configuration of the model, bound."""
    found = {}
    for cell in load("smoke", root, beyond=True).cells:
        found.setdefault((cell.data.kind, cell.model.model_dump_json(), cell.objective.name), cell)
    return list(found.values())


@cache
def draw(config):
    return registry.lookup("data", config.kind)(config.model_copy(update={"samples": 80}), 0)


def small(cell):
    """Its data set with a few samples, and a model of it."""
    data = draw(cell.data)
    return data, build_model(cell.model, data.train.dims, data.max_dim, data.likelihoods, data.noise_scale, 0)


def without_values(config, data):
    """The model of a cell, not a number in it; of vectors, which are padded, only the common width matters."""
    form = shape(data)
    dims, kinds = [form.width] * form.modalities, ["gaussian"] * form.modalities
    if data.kind == "images":
        dims, kinds = image_sizes(data), ["laplace", "laplace", "text"]
    with torch.device("meta"):
        return build_model(config, dims, form.width, kinds, 1.0, 0)


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_the_parameters_of_every_cell_are_those_of_its_model(root, scale):
    built = {}
    for cell in load(scale, root, beyond=True).cells:
        key = (cell.data.model_dump_json(), cell.model.model_dump_json())
        if key not in built:
            model = without_values(cell.model, cell.data)
            built[key] = sum(parameter.numel() for parameter in model.parameters())
        counted = count(cell).parameters
        assert counted == built[key] if known(cell) else counted >= built[key], (cell.experiment, cell.name)


def test_every_parameter_and_component_is_counted(cells):
    for cell in cells:
        if cell.objective.name not in ("mixture", "tc") and known(cell):
            data, model = small(cell)
            assert count(cell).parameters == sum(parameter.numel() for parameter in model.parameters()), cell.name
            assert (len(data.train.dims), data.max_dim) == (shape(cell.data).modalities, shape(cell.data).width)
            packed = pack(data.train, data.max_dim).spread(2)
            assert model.posterior(packed.x, packed.mask).components == components(cell), cell.name


@pytest.mark.parametrize("aggregator", ["poe_plus", "moe_plus"])
@pytest.mark.parametrize("networks", ["image_mlp", "image_conv"])
def test_a_widened_model_is_as_large_as_its_counterpart(aggregator, networks):
    data = ImagesData()
    sizes = {"networks": networks, "encoder_widths": (40,), "pooling_width": 96, "features": 96, "latent": 4}
    found = {}
    for name in (aggregator, "sum_pooling"):
        cell = training_cell(name).model_copy(update={"data": data, "model": model_config(name, **sizes)})
        found[name] = count(cell).parameters
        assert found[name] == parameter_count(without_values(cell.model, data))
    assert found[aggregator] == pytest.approx(found["sum_pooling"], rel=0.02)


def flops(cell):
    """Of one step with eight samples: what torch counts, what is counted here."""
    data, model = small(cell)
    cell = cell.model_copy(update={"train": cell.train.model_copy(update={"batch_size": 8})})
    trainer = Trainer(cell, [model], [pack(data.train, data.max_dim)], [0], [1.0], trace=False)
    with FlopCounterMode(display=False) as counter:
        trainer.advance(1)
    return counter.get_total_flops(), count(cell).operations


@pytest.mark.parametrize("objective", ["masked", "mixture", "tc"])
def test_operations_of_a_step_are_those_that_torch_counts(cells, objective):
    """Torch counts products of matrices, not those of attention, which are few and made number by number."""
    chosen = {(c.data.kind, c.model.aggregator): c for c in cells if c.objective.name == objective and known(c)}
    assert len(chosen) >= 20
    for cell in chosen.values():
        expected, counted = flops(cell)
        assert counted == pytest.approx(expected, rel=0.1), (cell.experiment, cell.name)


@pytest.mark.parametrize("law", ["uniform_size", "all_subsets"])
@pytest.mark.parametrize("objective", COUNTED)
@pytest.mark.parametrize(
    "aggregator", ["poe", "hoelder", "self_attention", "sum_pooling_mixture", "private_moe", "private_self_attention"]
)
def test_every_bound_is_counted_as_often_as_it_uses_the_networks(objective, aggregator, law):
    """Also those that no experiment pairs. At a width of 8, attention and what posteriors share weigh some percent."""
    cell = training_cell(aggregator, objective, subset_law=law)
    data = MultimodalData(modalities=3, samples=80, test_samples=80)
    expected, counted = flops(cell.model_copy(update={"data": data}))
    assert counted == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("networks", ["image_mlp", "image_conv"])
@pytest.mark.parametrize("aggregator", ["moe", "poe_plus", "private_sum_pooling"])
def test_operations_of_image_networks_at_full_resolution(networks, aggregator):
    cell = training_cell(aggregator).model_copy(update={"data": ImagesData(samples=80, test_samples=20)})
    model = cell.model.model_copy(update={"networks": networks, "encoder_widths": (40, 40)})
    expected, counted = flops(cell.model_copy(update={"model": model}))
    assert counted == pytest.approx(expected, rel=0.02)


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
