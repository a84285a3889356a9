"""Sizes of data sets from their configuration, without drawing them."""

__all__ = ["Shape", "Views", "image_bytes", "raw_image_bytes", "shape"]

from dataclasses import dataclass

from pimvae.config.schema import DataConfig, ImagesData

POSITIONS, SYMBOLS, TEXTS = 8, 71, 40  # of the text modality, and its different values
# Images that are paired at most once in a matching of training and of test triples, by source: digits, house numbers.
PAIRED = {"embedded": ((4_000, 20_000), (1_000, 2_000)), "full": ((56_068, 56_068), (10_000, 10_000))}
# As they are read or drawn, before pairing.
COLLECTED = {"embedded": (5_000, 22_000), "full": (70_000, 99_289)}
INDICES = 23  # bytes of a triple: three rows of tables, three marks that they are there, the label


@dataclass(frozen=True)
class Views:
    """What a model must know of a data set.

    Args:
        dims: D_s of every modality; the largest that there can be, where the seed decides.
        likelihoods: of every modality.
    """

    dims: tuple[int, ...]
    likelihoods: tuple[str, ...]

    @property
    def modalities(self) -> int:
        return len(self.dims)

    @property
    def width(self) -> int:
        """Numbers to which a modality is padded."""
        return max(self.dims)


@dataclass(frozen=True)
class Shape(Views):
    """A data set: the same with its samples, for training and held out.

    Args:
        train: samples for training; test: held out.
    """

    train: int
    test: int

    @property
    def samples(self) -> int:
        return self.train + self.test


def shape(data: DataConfig) -> Shape:
    """Modalities and samples of a data set."""
    test = getattr(data, "test_samples", 0)
    if data.kind == "linear":
        return _gaussian(data.modalities, data.dim_high - 1, data.samples, 0)
    if data.kind == "digits":
        return _gaussian(4, 14 * 14, data.samples, 0)
    if data.kind == "bimodal":
        return Shape((data.clusters, data.latent), ("categorical", "gaussian"), data.samples, test)
    if data.kind == "multimodal":
        return _gaussian(data.modalities, data.dim, data.samples, test)
    dims = (data.mnist_side**2, 3 * data.svhn_side**2, POSITIONS * SYMBOLS)
    train = data.samples or data.matchings * max(PAIRED[data.source][0])
    return Shape(dims, ("laplace", "laplace", "text"), train, test)


def _gaussian(modalities: int, dim: int, train: int, test: int) -> Shape:
    return Shape((dim,) * modalities, ("gaussian",) * modalities, train, test)


def image_bytes(data: ImagesData) -> int:
    """A data file: tables of the images in use, and for every triple its rows in them."""
    form = shape(data)
    digit, house, text = form.dims
    parts = zip(PAIRED[data.source], (form.train, form.test), strict=True)
    tables = sum(min(digits, n) * digit + min(houses, n) * house for (digits, houses), n in parts)
    return tables + 2 * 4 * TEXTS * text + INDICES * form.samples


def raw_image_bytes(data: ImagesData) -> int:
    """Digits and house numbers at full resolution, training and test, as they are before pairing."""
    digits, houses = COLLECTED[data.source]
    return digits * 28**2 + houses * 3 * 32**2
