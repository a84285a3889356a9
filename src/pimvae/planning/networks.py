"""The networks of a model as counts: encoders, aggregator, q(z̃ | z', x_S), decoders."""

__all__ = ["components", "conditional", "decoders", "encoders", "normalised", "pooling"]

from collections.abc import Iterator

from pimvae.config.schema import Cell
from pimvae.planning import image_networks
from pimvae.planning.datasets import shape
from pimvae.planning.layers import Network, dense

# Every modality has an expert and nothing is learned beyond. An aggregator that is not known counts as the largest.
EXPERTS = ("code", "hellinger", "hoelder", "moe", "moe_plus", "mopoe", "poe", "poe_no_prior", "poe_plus",
           "poe_published", "private_moe", "private_poe", "wasserstein", "wasserstein_mixture")  # fmt: skip
COUNTERPARTS = {"poe_plus": "sum_pooling", "moe_plus": "sum_pooling"}  # encoders as wide as makes both of one size
WIDEST = 64.0


def components(cell: Cell, modalities: int | None = None) -> int:
    """K, the components of a posterior of so many modalities (default: all)."""
    name, m = cell.model.aggregator, modalities or shape(cell.data).modalities
    if name in ("moe", "moe_plus", "private_moe"):
        return m
    if name in ("mopoe", "wasserstein_mixture"):
        return 2**m - 1
    if name == "hoelder":
        return m * (m + 1) // 2
    return cell.model.components if name.endswith("_mixture") else 1


def encoders(cell: Cell) -> list[Network]:
    """e_s of every modality, widened where the aggregator has a counterpart."""
    return _encoders(cell, _factor(cell))


def pooling(cell: Cell, sets: int, size: int) -> Iterator[Network]:
    """χ of every modality, then for so many sets of ``size`` the transformer where there is one, and ρ."""
    if _experts(cell):
        return
    model, m = cell.model, shape(cell.data).modalities
    width, features = model.pooling_width, _features(cell)
    yield dense((features, width, width, width), m)
    if _attends(cell):
        yield from _transformer(cell, size, sets * size, m if size == m else sets * size)
    outputs = 2 * model.latent
    if model.aggregator.endswith("_mixture"):
        outputs = model.components * (1 + outputs)
    yield dense((width, width, width, outputs), sets)
    if model.private_latent:
        for _ in range(1 if _attends(cell) else 2):
            yield dense((features, width, width), m)


def conditional(cell: Cell, draws: int, size: int) -> Iterator[Network]:
    """q(z̃_s | z', x_S) of so many draws of z', sets of ``size`` modalities; nothing where it is an expert."""
    model = cell.model
    if not model.private_latent or _experts(cell):
        return
    width = model.pooling_width
    yield dense((model.latent, width, width), draws)
    if _attends(cell):
        yield from _transformer(cell, size, size * draws, size * draws)
    yield dense((width, width, 2 * model.private_latent), size * draws)


def decoders(cell: Cell, draws: int) -> list[Network]:
    """d_s of every modality, each of so many latents."""
    if cell.model.networks != "vector":
        return list(image_networks.decoders(cell, draws))
    form, model = shape(cell.data), cell.model
    hidden = [form.width] * (2 if model.decoder == "injective" else 1)
    sizes = (model.latent + model.private_latent, *hidden)
    return [dense(sizes, form.modalities * draws, form.modalities)]


def normalised(cell: Cell) -> int:
    """Layer normalisations of the transformers: two a block, one at the end."""
    transformers = 0 if _experts(cell) or not _attends(cell) else 1 + (cell.model.private_latent > 0)
    return transformers * (2 * cell.model.attention_blocks + 1)


def _experts(cell: Cell) -> bool:
    return cell.model.aggregator in EXPERTS


def _attends(cell: Cell) -> bool:
    return "sum_pooling" not in cell.model.aggregator


def _features(cell: Cell) -> int:
    own = cell.model.latent + cell.model.private_latent
    return 2 * own if _experts(cell) or cell.model.features is None else cell.model.features


def _encoders(cell: Cell, factor: float) -> list[Network]:
    if cell.model.networks != "vector":
        return list(image_networks.encoders(cell, _features(cell), factor))
    form, widths = shape(cell.data), image_networks.widened(cell.model.encoder_widths, factor)
    return [dense((form.width, *widths, _features(cell)), form.modalities, form.modalities)]


def _factor(cell: Cell) -> float:
    """The bisection of `pimvae.models.matching`; padding counts here, and that of images is none."""
    if cell.model.aggregator not in COUNTERPARTS:
        return 1.0
    model = cell.model.model_copy(update={"aggregator": COUNTERPARTS[cell.model.aggregator]})
    other = cell.model_copy(update={"model": model})
    wanted = sum(network.parameters for network in (*_encoders(other, 1.0), *pooling(other, 1, 1)))
    low, high = 1.0, WIDEST
    while high - low > 1e-3:
        middle = (low + high) / 2
        enough = sum(network.parameters for network in _encoders(cell, middle)) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


def _transformer(cell: Cell, size: int, rows: int, tokens: int) -> Iterator[Network]:
    """Every block: queries, keys and values, scores, joined values; then output, inner and outer layer.

    In the first block everything up to the scores is that of the ``tokens``, which all sets share.
    """
    width = cell.model.pooling_width
    for block in range(cell.model.attention_blocks):
        own = rows if block else tokens
        yield dense((width, 3 * width), own, bias=False)
        yield dense((width, size), own, copies=0)
        yield dense((size, width), rows, copies=0)
        yield dense((width, width, width, width), rows)
