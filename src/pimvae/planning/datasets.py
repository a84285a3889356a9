"""Sizes of data sets from their configuration."""

__all__ = ["POSITIONS", "SYMBOLS", "Shape", "image_bytes", "image_sizes", "raw_image_bytes", "shape"]

from dataclasses import dataclass

from pimvae.config.schema import DataConfig, ImagesData

POSITIONS, SYMBOLS, TEXTS = 8, 71, 40  # of the text modality, and its different values
# Images that are paired at most once in a matching of training and of test triples, by source: digits, house numbers.
PAIRED = {"embedded": ((4_000, 20_000), (1_000, 2_000)), "full": ((56_068, 56_068), (10_000, 10_000))}
# As they are read or drawn, before pairing.
COLLECTED = {"embedded": (5_000, 22_000), "full": (70_000, 99_289)}
INDICES = 23  # bytes of a triple: three rows of tables, three marks that they are there, the label


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
    sizes = image_sizes(data)
    return Shape(len(sizes), max(sizes), data.samples or data.matchings * max(PAIRED[data.source][0]), test)


def image_sizes(data: ImagesData) -> tuple[int, int, int]:
    """Numbers of a digit, a house number and a text."""
    return data.mnist_side**2, 3 * data.svhn_side**2, POSITIONS * SYMBOLS


def image_bytes(data: ImagesData) -> int:
    """A data file: tables of the images in use, and for every triple its rows in them."""
    form, (digit, house, text) = shape(data), image_sizes(data)
    parts = zip(PAIRED[data.source], (form.train, form.test), strict=True)
    tables = sum(min(digits, n) * digit + min(houses, n) * house for (digits, houses), n in parts)
    return tables + 2 * 4 * TEXTS * text + INDICES * form.samples


def raw_image_bytes(data: ImagesData) -> int:
    """Digits and house numbers at full resolution, training and test, as they are before pairing."""
    digits, houses = COLLECTED[data.source]
    return digits * 28**2 + houses * 3 * 32**2
