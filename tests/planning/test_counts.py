"""Counts against the models that are trained, steps that are run, and a count by hand."""

import ast
import math
from functools import cache
from pathlib import Path

import pytest
import torch
from builders import training_cell
from torch.utils.flop_counter import FlopCounterMode

from pimvae import planning, registry
from pimvae.config import find_cell, load
from pimvae.config.schema import ImagesData, MultimodalData
from pimvae.evaluation import near_exact
from pimvae.evaluation.evaluation import evaluation_of
from pimvae.evaluation.rows import Rows
from pimvae.models.layers import parameter_count
from pimvae.models.vae import build_model
from pimvae.planning import measure
from pimvae.planning.counts import Problem, bound
from pimvae.planning.datasets import shape
from pimvae.planning.model_counts import count
from pimvae.planning.resources import evaluation_job, evaluation_operations, training_job
from pimvae.training.loop import Trainer
from pimvae.training.packing import pack

AGGREGATORS, OBJECTIVES = registry.names("aggregators"), registry.names("objectives")
VIEWS = MultimodalData(modalities=3, samples=80, test_samples=80)
SMALL_IMAGES = ImagesData(samples=80, test_samples=20)
KINDS = ("poe", "hoelder", "self_attention", "sum_pooling_mixture", "private_moe", "private_self_attention")


def on(data, cell, **model):
    """The cell with another data set, and changes of the model."""
    return cell.model_copy(update={"data": data, "model": cell.model.model_copy(update=model)})


@cache
def draw(config):
    samples = min(80, getattr(config, "samples", None) or 80)
    return registry.lookup("data", config.kind)(config.model_copy(update={"samples": samples}), 0)


def trainer(cell):
    """Of one replica, on a few samples of its data set; steps go through autograd."""
    data = draw(cell.data)
    model = build_model(cell.model, data.train.dims, data.max_dim, data.likelihoods, data.noise_scale, 0)
    return Trainer(cell, [model], [pack(data.train, data.max_dim)], [0], [1.0], trace=False)


def flops(cell):
    """Of one step, as torch counts them while it is made."""
    made = trainer(cell)
    with FlopCounterMode(display=False) as counter:
        made.advance(1)
    return counter.get_total_flops()


def kinds(scale, root):
    """One cell for every kind of data and every model of a scale."""
    found = {}
    for cell in load(scale, root, beyond=True).cells:
        found.setdefault((cell.data.kind, cell.model.model_dump_json()), cell)
    return list(found.values())


def test_parameters_components_and_sizes_are_those_of_the_model_that_is_trained(root):
    for cell in kinds("smoke", root):
        counts, made, data = count(cell), trainer(cell), draw(cell.data)
        assert counts.parameters == made.stack.flat.shape[1], cell.name
        assert counts.components == made.components, cell.name
        form = shape(cell.data)
        assert (len(data.train.dims), data.max_dim, data.likelihoods) == (form.modalities, form.width, form.likelihoods)


@pytest.mark.parametrize("data", [VIEWS, SMALL_IMAGES], ids=lambda data: data.kind)
@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_a_scheme_has_the_parameters_and_components_of_the_model_that_is_trained(aggregator, data):
    cell = on(data, training_cell(aggregator), networks="vector" if data is VIEWS else "image_conv")
    made = trainer(cell)
    assert count(cell).parameters == made.stack.flat.shape[1] == parameter_count(made.stack.template)
    assert count(cell).components == made.components


@pytest.mark.parametrize("law", ["uniform_size", "all_subsets"])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("aggregator", KINDS)
def test_operations_of_a_step_are_those_that_torch_counts_while_it_is_made(objective, aggregator, law):
    """For one replica without, and in training with the axis of replicas."""
    cell = on(VIEWS, training_cell(aggregator, objective, subset_law=law))
    assert count(cell).operations == flops(cell)


@pytest.mark.parametrize("networks", ["image_mlp", "image_conv"])
@pytest.mark.parametrize("aggregator", ["moe", "poe_plus", "private_sum_pooling"])
def test_operations_of_image_networks_at_full_resolution(networks, aggregator):
    cell = on(SMALL_IMAGES, training_cell(aggregator), networks=networks, encoder_widths=(40, 40))
    assert count(cell).operations == flops(cell)


def test_weights_of_modalities_change_no_count():
    cell = on(VIEWS, training_cell())
    assert count(on(VIEWS, cell, likelihood_weights="balanced")) == count(cell)


def test_a_small_model_counted_by_hand():
    """Two views of 6: encoders 6→8→4 and decoders 2→6→6, product of experts, five samples a batch."""
    cell = on(MultimodalData(modalities=2, dim=6), training_cell("poe", batch_size=5), decoder="injective")
    encoder, decoder = [6 * 8, 8 * 4], [2 * 6, 6 * 6]
    found = count(cell)
    assert found.parameters == 2 * (6 * 8 + 8 + 8 * 4 + 4 + 2 * 6 + 6 + 6 * 6 + 6)
    forward = 2 * sum(encoder + decoder)
    assert found.operations == 2 * 5 * (3 * forward - 2 * encoder[0])  # no gradient of the data
    assert found.components == 1
    assert found.particle == 2 * 2 * sum(decoder)
    assert found.draw == 2 * 2 * sum(decoder)


def test_a_step_grows_with_the_batch_the_modalities_and_the_importance_samples():
    def operations(modalities=3, **changes):
        return count(on(MultimodalData(modalities=modalities), training_cell("poe", **changes))).operations

    assert operations(batch_size=16) == 2 * operations(batch_size=8)
    two, three, four = map(operations, (2, 3, 4))
    assert four - three == three - two > 0
    one, two, three = (operations(importance_samples=count) for count in (1, 2, 3))
    assert three - two == two - one > 0


def test_an_evaluation_grows_with_its_particles_and_draws():
    cell = on(VIEWS, training_cell("private_sum_pooling"))

    def operations(**changes):
        sized = cell.model_copy(update={"evaluation": cell.evaluation.model_copy(update=changes)})
        return evaluation_operations(sized, count(sized))

    particles, draws = (
        operations(particles=2, draws=1) - operations(particles=1, draws=1),
        operations(particles=1, draws=2),
    )
    assert operations(particles=7, draws=1) - operations(particles=1, draws=1) == 6 * particles > 0
    assert operations(particles=1, draws=3) - draws == draws - operations(particles=1, draws=1) > 0


def test_what_a_step_keeps_grows_with_the_batch_and_not_with_the_parameters():
    def kept(**changes):
        return count(on(VIEWS, training_cell("poe", batch_size=changes.pop("batch_size", 8)), **changes)).activations

    once, twice = kept(), kept(batch_size=16)
    assert once < twice <= 2 * once
    narrow, wide = (kept(encoder_widths=(width,)) for width in (64, 128))
    assert wide - narrow == 3 * 8 * 64  # what comes out of the hidden layer, and is its activation


def test_cells_that_differ_in_nothing_that_is_counted_share_their_counts():
    cell = training_cell("poe", steps=10)
    other = training_cell("poe", steps=20, betas=(1.0, 2.0))
    assert Problem.of(cell) == Problem.of(other)
    assert Problem.of(cell).fingerprint() == Problem.of(other).fingerprint()
    for changed in (training_cell("moe"), training_cell("poe", batch_size=9), on(VIEWS, cell)):
        assert Problem.of(changed).fingerprint() != Problem.of(cell).fingerprint()


def test_what_is_asked_for_without_a_count_is_enough(root):
    """Of the largest models and batches that there are."""
    for cell in kinds("paper", root):
        counted, bounded = count(cell), bound(Problem.of(cell))
        for needed, asked in (
            (training_job(cell, counted, "cpu"), training_job(cell, bounded, "cpu").request()),
            (evaluation_job(cell, counted), evaluation_job(cell, bounded).request()),
        ):
            assert asked["mem_mb"] >= needed.memory and asked["disk_mb"] >= needed.disk, cell.name
            assert 60 * asked["runtime"] >= needed.seconds, cell.name


def test_nothing_here_names_a_scheme():
    """A new file of aggregators or objectives needs no edit of this package."""
    schemes, packages = {*AGGREGATORS, *OBJECTIVES}, ("pimvae.aggregators.", "pimvae.objectives.")
    for path in Path(planning.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in schemes, (path.name, node.lineno)
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(packages):
                assert node.module.rpartition(".")[2] not in schemes, (path.name, node.lineno)


@pytest.mark.parametrize("name", ["complete-poe-masked", "half-moe-mixture-mixture_prior"])
def test_the_operations_of_an_evaluation_are_those_that_its_likelihoods_do(root, monkeypatch, name):
    """Of every share of the steps, with the refinement of near-exact likelihoods, which is most of the work."""
    monkeypatch.setattr(near_exact, "TRUSTED", math.inf)  # annealing is not foreseen
    cell = find_cell(load("workstation", root, ["multimodal"]), "multimodal", name)
    data = measure._data(cell)
    model = measure._model(cell, data).to(torch.float64).requires_grad_(False).eval()
    done, planned = [], []
    for points in (4, 12):
        sizes = {"samples": 4, "llh_samples": points, "draws": 2}
        sized = cell.model_copy(update={"evaluation": cell.evaluation.model_copy(update=sizes)})
        with FlopCounterMode(display=False) as counter:
            for share in sized.train.shares:
                rows = Rows(sized, 0, 1.0, share)
                evaluation_of(sized)(cell=sized, model=model, data=data, rows=rows, seed=0).measure()
        done.append(counter.get_total_flops())
        planned.append(evaluation_operations(sized, count(sized)))
    assert planned[1] - planned[0] == pytest.approx(done[1] - done[0], rel=0.3)
