"""Encoders and decoders of images and text as counts, layer by layer (see `pimvae.models.networks`)."""

__all__ = ["decoders", "encoders", "widened"]

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pimvae.config.schema import Cell
from pimvae.planning.datasets import POSITIONS, SYMBOLS, image_sizes
from pimvae.planning.layers import Layer, Network, dense

COLOUR, TEXT = 3 * 32 * 32, POSITIONS * SYMBOLS  # sizes that ``image_conv`` has convolutions for
CHANNELS, SIDES = (32, 64, 64, 128), (32, 16, 8, 4, 1)  # of those for colour images, kernel 4×4
TEXT_CHANNELS, TEXT_KERNELS, TEXT_PLACES = 128, (1, 4, 4), (8, 8, 4, 1)  # of those along text


def encoders(cell: Cell, features: int, factor: float) -> Iterator[Network]:
    """e_s of every modality, all hidden widths times ``factor``."""
    for size in image_sizes(cell.data):
        layers = _convolutions(cell, size, factor)
        if layers:
            yield Network((*layers, Layer(layers[-1].outputs, features)), 1)
        else:
            yield dense((size, *widened(cell.model.encoder_widths, factor), features), 1)


def decoders(cell: Cell, draws: int) -> Iterator[Network]:
    """d_s of every modality, the mirror of e_s, applied to so many latents."""
    start = cell.model.latent + cell.model.private_latent
    for size in image_sizes(cell.data):
        layers = [layer.transposed for layer in reversed(_convolutions(cell, size, 1.0))]
        if layers:
            yield Network((Layer(start, layers[0].inputs), *layers), draws)
        else:
            yield dense((start, *cell.model.encoder_widths[::-1], size), draws)


def widened(widths: Sequence[int], factor: float) -> list[int]:
    """Hidden widths times a factor."""
    return [max(1, round(factor * width)) for width in widths]


def _convolutions(cell: Cell, size: int, factor: float) -> list[Layer]:
    """Those of the encoder of a modality of this size; none where it is an MLP."""
    if cell.model.networks != "image_conv" or size not in (COLOUR, TEXT):
        return []
    if size == COLOUR:
        channels, kernels, places = (3, *widened(CHANNELS, factor)), (16,) * 4, [side**2 for side in SIDES]
    else:
        channels, kernels, places = (SYMBOLS, *widened((TEXT_CHANNELS,) * 3, factor)), TEXT_KERNELS, TEXT_PLACES
    shapes = zip(pairwise(channels), kernels, pairwise(places), strict=True)
    return [Layer(*ends, kernel, *positions) for ends, kernel, positions in shapes]
