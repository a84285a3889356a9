"""Sizes of a cell by counting: parameters, multiplications of a training step, numbers kept for the backward pass."""

__all__ = ["Counts", "count", "evaluation_operations"]

from collections.abc import Iterator
from dataclasses import dataclass

from pimvae.config.schema import Cell
from pimvae.planning.datasets import shape
from pimvae.planning.layers import Network
from pimvae.planning.networks import components, conditional, decoders, encoders, normalised, pooling

HELD = 5  # numbers of a step for each output of a layer: itself, its activation, gradients, work space
WIDE = 8  # products of wide layers run so many times faster than those of a decoder with its likelihood
ALONE = ("mmvm", "mmvae_plus")  # bounds of the posteriors of single modalities
# One bound under several laws: each evaluates it at one subset.
MIXTURE = ("mixture", "mixture_nonempty", "mmvae", "mmvae_looser", "mopoe", "mopoe_looser")
ROUNDS = {"bimodal": 2, "images": 2}  # splits that are evaluated; images: all modalities at once, then one by one


@dataclass(frozen=True)
class Counts:
    """One replica: trainable numbers (padding included), operations of a step, numbers that a step holds at once."""

    parameters: int
    operations: int
    activations: int


@dataclass(frozen=True)
class Uses:
    """How often a bound uses the networks for each sample of a batch.

    Features of ``sets`` sets of ``size`` modalities are pooled, every decoder is given ``decoded`` latents, and
    q(z̃ | z', x_S) is evaluated at ``asked`` draws of z'.
    """

    sets: int
    size: int
    decoded: int
    asked: int


def count(cell: Cell) -> Counts:
    """Sizes of one replica of the cell.

    A multiplication with its addition is two operations. The backward pass of a product is two products, but for the
    first layer, whose input needs no gradient. Aggregators that are not known here count as the largest that is, bounds
    as the masked one.
    """
    batch, form, uses = cell.train.batch_size, shape(cell.data), _uses(cell)
    networks = list(_networks(cell, uses))
    first = sum(network.rows * network.layers[0].products for network in encoders(cell))
    products = sum(network.products for network in networks)
    outputs = sum(network.outputs for network in networks) + form.modalities * form.width + _densities(cell)
    parameters = sum(network.parameters for network in networks) + _others(cell)
    return Counts(parameters, 2 * (3 * products - first) * batch, HELD * outputs * batch)


def evaluation_operations(cell: Cell) -> int:
    """Operations of the evaluation of one replica: particles of the log-likelihood, draws from every posterior."""
    form, evaluation = shape(cell.data), cell.evaluation
    decode = sum(network.products for network in decoders(cell, 1))
    private = sum(network.products for network in conditional(cell, 1, form.modalities))
    given = form.modalities + 1
    draws = evaluation.samples * evaluation.draws * components(cell) * given
    likelihood = min(evaluation.llh_samples, form.samples) * evaluation.particles
    operations = 2 * (likelihood * (decode + private // WIDE) + draws * (decode + 3 * private // WIDE))
    return ROUNDS.get(cell.data.kind, 1) * operations


def _uses(cell: Cell) -> Uses:
    """See `pimvae.objectives`; those that look at subsets do so once for each of them."""
    name, m = cell.objective.name, shape(cell.data).modalities
    size = 1 if name in ALONE else m
    draws = components(cell, size) * cell.objective.importance_samples
    subsets = 2**m if cell.objective.subset_law == "all_subsets" else 1
    bounds = {
        **dict.fromkeys(MIXTURE, Uses(subsets, m, subsets * draws, subsets * draws)),
        "tc": Uses(subsets + 1, m, draws, (subsets + 1) * draws),
        "mvtcae": Uses(m + 1, m, draws, (m + 1) * draws),
        "mmvm": Uses(m, 1, draws, (m + m * m) * draws),
        "mmvae_plus": Uses(m, 1, m * draws, m * draws),
    }
    return bounds.get(name, Uses(subsets + 1, m, subsets * draws, (2 * subsets + 1) * draws))


def _networks(cell: Cell, uses: Uses) -> Iterator[Network]:
    """All networks of a model and how often a training step applies them."""
    yield from encoders(cell)
    yield from pooling(cell, uses.sets, uses.size)
    yield from decoders(cell, uses.decoded)
    yield from conditional(cell, uses.asked, uses.size)


def _densities(cell: Cell) -> int:
    """Numbers per sample behind the densities of both latents: every draw meets every component."""
    model, k = cell.model, components(cell)
    return 2 * k * (k + 4) * (model.latent + shape(cell.data).modalities * model.private_latent)


def _others(cell: Cell) -> int:
    """Parameters that are in no such layer: normalisation, scales, priors."""
    model, form = cell.model, shape(cell.data)
    norms = normalised(cell) * 2 * model.pooling_width
    scales = form.modalities * form.width if model.decoder_scale == "learned" and model.networks == "vector" else 0
    prior = model.prior_components * (1 + 2 * model.latent) if model.prior == "mixture" else 0
    auxiliary = form.modalities * model.private_latent if model.auxiliary_prior else 0
    return norms + scales + prior + auxiliary
