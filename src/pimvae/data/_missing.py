"""Which modalities of a sample are observed."""

__all__ = ["check_missing_rate", "draw_mask"]

import numpy as np
from jaxtyping import Bool

from pimvae.errors import UserError


def check_missing_rate(modalities: int, missing_rate: float) -> None:
    """Refuse a rate that leaves fewer than one modality per sample on average.

    Raises:
        UserError: if modalities · (1 − missing_rate) < 1.
    """
    if modalities * (1 - missing_rate) < 1 - 1e-9:
        raise UserError(
            f"missing_rate {missing_rate} is too large for {modalities} modalities: every sample keeps at least one, "
            f"so it can be at most {1 - 1 / modalities:.4g}"
        )


def draw_mask(rng: np.random.Generator, n: int, modalities: int, missing_rate: float) -> Bool[np.ndarray, "n modality"]:
    """Observed entries [n, M]: at least one per sample, and round(n M (1 − missing_rate)) in total.

    Every sample keeps one modality, uniformly chosen; the other observed entries are a uniformly random subset, of the
    size that the total leaves, of the remaining n (M − 1). So the overall share observed is 1 − missing_rate up to
    1/(2 n M), all modalities are missing equally often, and missingness is independent of the data.

    Raises:
        UserError: if modalities · (1 − missing_rate) < 1.
    """
    check_missing_rate(modalities, missing_rate)
    mask = np.zeros((n, modalities), dtype=bool)
    mask[np.arange(n), rng.integers(modalities, size=n)] = True
    others = np.flatnonzero(~mask)
    extra = max(round(n * modalities * (1 - missing_rate)) - n, 0)
    mask.reshape(-1)[rng.choice(others, extra, replace=False)] = True
    return mask
