"""Sizes of a cell by counting: parameters, multiplications of a training step, numbers kept for the backward pass."""

__all__ = ["Counts", "Shape", "count", "evaluation_operations", "shape"]

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from pimvae.config.schema import Cell, DataConfig

PUBLISHED_IMAGES = 60_000  # samples of an image data set whose configuration leaves the number open
IMAGE_SIDE, IMAGE_MODALITIES = 3 * 32 * 32, 3
# Networks that are not counted layer by layer are taken as large: parameters, and multiplications of a sample.
UNCOUNTED = (5_000_000, 20_000_000)
HELD = 5  # numbers of a step for each output of a layer: itself, its activation, gradients, work space
WIDE = 8  # products of wide layers run so many times faster than those of a decoder with its likelihood
PASSES = {"mixture": 1}  # how often features are pooled: q(z|x_S) alone; for other bounds also q(z|x_O)
DECODED = {"tc": 0}  # decoder passes besides those of subsets: 0 stands for q(z|x_O) alone


@dataclass(frozen=True)
class Shape:
    """A data set: M modalities padded to ``width`` numbers, samples for training and held out."""

    modalities: int
    width: int
    train: int
    test: int

    @property
    def samples(self) -> int:
        """All samples."""
        return self.train + self.test


@dataclass(frozen=True)
class Network:
    """A chain of dense layers: ``copies`` of its weights, applied to ``rows`` vectors for each sample of a batch."""

    sizes: tuple[int, ...]
    rows: int
    copies: int = 1
    bias: bool = True

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.copies * sum(i * o + self.bias * o for i, o in pairwise(self.sizes))

    @property
    def products(self) -> int:
        """Multiplications of a forward pass per sample."""
        return self.rows * sum(i * o for i, o in pairwise(self.sizes))

    @property
    def outputs(self) -> int:
        """Numbers that its layers produce per sample."""
        return self.rows * sum(self.sizes[1:])


@dataclass(frozen=True)
class Counts:
    """One replica: trainable numbers (padding included), operations of a step, numbers that a step holds at once."""

    parameters: int
    operations: int
    activations: int


def shape(data: DataConfig) -> Shape:
    """Modalities, padded width and samples of a data set."""
    test = getattr(data, "test_samples", 0)
    if data.kind == "linear":
        return Shape(data.modalities, data.dim_high - 1, data.samples, 0)
    if data.kind == "digits":
        return Shape(4, 14 * 14, data.samples, 0)
    if data.kind == "bimodal":
        return Shape(2, max(data.latent, data.clusters), data.samples, test)
    if data.kind == "multimodal":
        return Shape(data.modalities, data.dim, data.samples, test)
    return Shape(IMAGE_MODALITIES, IMAGE_SIDE, getattr(data, "samples", None) or PUBLISHED_IMAGES, test)


def count(cell: Cell) -> Counts:
    """Sizes of one replica of the cell.

    A multiplication with its addition is two operations. The backward pass of a product is two products, but for the
    first layer, whose input needs no gradient. Aggregators that are not known here count as the largest that is.
    """
    batch, vectors = cell.train.batch_size, _vectors(cell)
    if not vectors:
        parameters, products = UNCOUNTED
        return Counts(parameters, 6 * products * batch, 50 * _width(cell) * batch)
    networks = list(_networks(cell))
    form = shape(cell.data)
    first = form.modalities * form.width * cell.model.encoder_widths[0]
    products = sum(network.products for network in networks) + _attention(cell)
    outputs = sum(network.outputs for network in networks) + form.modalities * form.width + _densities(cell)
    parameters = sum(network.parameters for network in networks) + _others(cell)
    return Counts(parameters, 2 * (3 * products - first) * batch, HELD * outputs * batch)


def evaluation_operations(cell: Cell) -> int:
    """Operations of the evaluation of one replica: particles of the log-likelihood, draws from every posterior."""
    form, evaluation = shape(cell.data), cell.evaluation
    splits = 2 if cell.data.kind == "bimodal" else 1
    decode = sum(n.products for n in _decoder(cell, 1)) if _vectors(cell) else UNCOUNTED[1]
    private = sum(n.products for n in _equivariant(cell, 1))
    given = form.modalities + 1
    draws = evaluation.samples * evaluation.draws * components(cell) * given
    likelihood = min(evaluation.llh_samples, form.samples) * evaluation.particles
    return 2 * splits * (likelihood * (decode + private // WIDE) + draws * (decode + 3 * private // WIDE))


def components(cell: Cell) -> int:
    """K, the components of a posterior."""
    name = cell.model.aggregator
    if name == "moe":
        return shape(cell.data).modalities
    if name == "mopoe":
        return 2 ** shape(cell.data).modalities
    return cell.model.components if name.endswith("_mixture") else 1


def _vectors(cell: Cell) -> bool:
    """Whether encoders and decoders are those of vector modalities."""
    return getattr(cell.model, "networks", "vector") == "vector"


def _width(cell: Cell) -> int:
    form = shape(cell.data)
    return form.modalities * form.width


def _networks(cell: Cell) -> Iterator[Network]:
    """All dense networks of a model and how often a training step applies them."""
    form, model, objective = shape(cell.data), cell.model, cell.objective
    m = form.modalities
    yield Network((form.width, *model.encoder_widths, _features(cell)), m, m)
    subsets = 2**m if objective.subset_law == "all_subsets" else 1
    passes = subsets + PASSES.get(objective.name, 2) - 1
    yield from _aggregator(cell, passes)
    draws = components(cell) * objective.importance_samples
    yield from _decoder(cell, draws * (DECODED.get(objective.name, subsets) or 1))
    yield from _equivariant(cell, draws * (2 * passes - 1))


def _features(cell: Cell) -> int:
    own = cell.model.latent + cell.model.private_latent
    return 2 * own if _experts(cell) or cell.model.features is None else cell.model.features


def _experts(cell: Cell) -> bool:
    """Whether every modality has an expert and nothing is learned beyond: product, mixtures."""
    return cell.model.aggregator in ("poe", "poe_published", "moe", "mopoe", "private_poe")


def _aggregator(cell: Cell, passes: int) -> Iterator[Network]:
    """χ of every modality, the transformer where there is one, ρ of the pooled vector."""
    if _experts(cell):
        return
    model, m = cell.model, shape(cell.data).modalities
    width, features = model.pooling_width, _features(cell)
    yield Network((features, width, width, width), m)
    if "sum_pooling" not in model.aggregator:
        yield from _transformer(cell, m * passes)
    outputs = 2 * model.latent
    if components(cell) > 1:
        outputs = components(cell) * (1 + outputs)
    yield Network((width, width, width, outputs), passes)
    if model.private_latent:
        for _ in range(2 if "sum_pooling" in model.aggregator else 1):
            yield Network((features, width, width), m)


def _transformer(cell: Cell, rows: int) -> Iterator[Network]:
    width = cell.model.pooling_width
    for _ in range(cell.model.attention_blocks):
        yield Network((width, 3 * width), rows, bias=False)
        yield Network((width, width, width, width), rows)  # output, inner, outer


def _equivariant(cell: Cell, draws: int) -> Iterator[Network]:
    """q(z̃_s | z', x_S): applied to every draw of z'."""
    model, m = cell.model, shape(cell.data).modalities
    if not model.private_latent or _experts(cell):
        return
    width = model.pooling_width
    yield Network((model.latent, width, width), draws)
    if "sum_pooling" not in model.aggregator:
        yield from _transformer(cell, m * draws)
    yield Network((width, width, 2 * model.private_latent), m * draws)


def _decoder(cell: Cell, draws: int) -> Iterator[Network]:
    form, model = shape(cell.data), cell.model
    hidden = [form.width] * (2 if model.decoder == "injective" else 1)
    sizes = (model.latent + model.private_latent, *hidden)
    yield Network(sizes, form.modalities * draws, form.modalities)


def _attention(cell: Cell) -> int:
    """Multiplications of queries with keys, and of weights with values, per sample."""
    rows = sum(network.rows for network in _networks(cell) if not network.bias)
    return 2 * rows * shape(cell.data).modalities * cell.model.pooling_width


def _densities(cell: Cell) -> int:
    """Numbers per sample behind the densities of both latents: every draw meets every component."""
    model, k = cell.model, components(cell)
    return 2 * k * (k + 4) * (model.latent + shape(cell.data).modalities * model.private_latent)


def _others(cell: Cell) -> int:
    """Parameters that are in no dense layer: normalisation, scales, the prior."""
    model, form = cell.model, shape(cell.data)
    transformers = ceil(sum(not network.bias for network in _networks(cell)) / model.attention_blocks)
    norms = transformers * (2 * model.attention_blocks + 1) * 2 * model.pooling_width
    scales = form.modalities * form.width if model.decoder_scale == "learned" else 0
    prior = model.prior_components * (1 + 2 * model.latent) if model.prior == "mixture" else 0
    return norms + scales + prior
