"""Random numbers and picture operations that give the same bits with every version of numpy, on every processor."""

__all__ = ["Draws", "interpolated", "mixed_blur", "noise", "smooth_field", "smooth_step"]

import numpy as np

STREAM = 5  # keeps the draws apart from those of other data sets
COARSE = 5  # points per side from which a smooth field is interpolated


class Draws:
    """Random numbers for one block of pictures, float32 with the block first.

    Only uniform draws are used: their bits are fixed by PCG64, those of normal draws also by the mathematics library.

    Args:
        stream, block: which draws.
        size: pictures in the block.
        variation: v ∈ [0, 1] narrows every interval to v of its length and makes events v times as
            probable, so that at 0 all pictures have the same light, place and colours.
    """

    def __init__(self, stream: int, block: int, size: int, variation: float = 1.0) -> None:
        self.size, self.variation = size, variation
        self.generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([STREAM, stream, block])))

    def uniform(self, low: float, high: float, *shape: int, centre: float = 0.5) -> np.ndarray:
        """Uniform on [low, high), [n, *shape]; with less variation, nearer to ``centre`` (0: low, 1: high)."""
        unit = self._unit(*shape)
        if self.variation != 1:
            unit = np.float32(centre) + np.float32(self.variation) * (unit - np.float32(centre))
        return low + (high - low) * unit

    def peaked(self, limit: float, *shape: int) -> np.ndarray:
        """Symmetric triangular on (−limit, limit), [n, *shape]."""
        return self.uniform(0, limit, *shape) - self.uniform(0, limit, *shape)

    def happens(self, probability: float, *shape: int) -> np.ndarray:
        """True with the given probability (that of a departure from the plain picture), [n, *shape]."""
        return self._unit(*shape) < probability * self.variation

    def persists(self, probability: float, *shape: int) -> np.ndarray:
        """True with the given probability of what is the rule where nothing varies, [n, *shape]."""
        return self._unit(*shape) < 1 - (1 - probability) * self.variation

    def integers(self, end: int, *shape: int) -> np.ndarray:
        """Uniform on 0..end − 1, int64 [n, *shape]."""
        return (self.generator.random((self.size, *shape)) * end).astype(np.int64)

    def _unit(self, *shape: int) -> np.ndarray:
        return self.generator.random((self.size, *shape), dtype=np.float32)

    def bytes(self, *shape: int) -> np.ndarray:
        """Uniform on 0..255, uint8 [n, *shape]."""
        count = self.size * int(np.prod(shape))
        return np.frombuffer(self.generator.bytes(count), np.uint8).reshape(self.size, *shape)


def smooth_step(x: np.ndarray) -> np.ndarray:
    """0 below −½, 1 above ½, between them t²(3 − 2t) with t = x + ½."""
    t = np.clip(x + np.float32(0.5), 0, 1)
    return t * t * (3 - 2 * t)


def interpolated(fields: np.ndarray, which: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Bilinear values of ``fields[which]`` at places counted from the centre, in steps of the grid; edges continue."""
    _, rows, columns = fields.shape
    row = np.clip(row + np.float32((rows - 1) / 2), 0, np.float32(rows - 1.001))
    column = np.clip(column + np.float32((columns - 1) / 2), 0, np.float32(columns - 1.001))
    above, left = row.astype(np.int32), column.astype(np.int32)
    corner = (which.astype(np.int32) * np.int32(rows) + above) * np.int32(columns) + left
    down, right = row - above.astype(np.float32), column - left.astype(np.float32)
    flat = fields.reshape(-1)
    upper, lower = flat[corner], flat[corner + np.int32(columns)]
    upper += right * (flat[corner + np.int32(1)] - upper)
    lower += right * (flat[corner + np.int32(columns + 1)] - lower)
    return upper + down * (lower - upper)


def mixed_blur(pictures: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Pictures [n, 3, h, w] moved towards (or, for a negative strength, away from) their blur by (1, 2, 1)/4."""
    blurred = _blurred_rows(_blurred_rows(pictures).swapaxes(2, 3)).swapaxes(2, 3)
    return pictures + strength[:, None, 0] * (blurred - pictures)


def _blurred_rows(pictures: np.ndarray) -> np.ndarray:
    blurred = pictures * np.float32(0.5)
    blurred[:, :, 1:] += pictures[:, :, :-1] * np.float32(0.25)
    blurred[:, :, :-1] += pictures[:, :, 1:] * np.float32(0.25)
    blurred[:, :, 0] += pictures[:, :, 0] * np.float32(0.25)
    blurred[:, :, -1] += pictures[:, :, -1] * np.float32(0.25)
    return blurred


def noise(draws: Draws, side: int) -> np.ndarray:
    """Noise of brightness and of colour, each of a strength of its own, [n, 3, side, side]."""
    grey = _triangular(draws, 1, side) * draws.uniform(0, 0.05, 1, 1, 1)
    return grey + _triangular(draws, 3, side) * draws.uniform(0, 0.03, 1, 1, 1)


def _triangular(draws: Draws, channels: int, side: int) -> np.ndarray:
    first, second = draws.bytes(channels, side, side), draws.bytes(channels, side, side)
    return first.astype(np.float32) - second.astype(np.float32)


def smooth_field(draws: Draws, side: int) -> np.ndarray:
    """Values in (−1, 1) that vary over a quarter of the picture, [n, side, side]."""
    coarse = draws.uniform(-1, 1, COARSE, COARSE)
    place = (np.arange(side, dtype=np.float32) + np.float32(0.5)) * np.float32((COARSE - 1) / side)
    left = place.astype(np.int64)
    share = place - left.astype(np.float32)
    rows = coarse[:, left] + share[:, None] * (coarse[:, left + 1] - coarse[:, left])
    return rows[:, :, left] + share * (rows[:, :, left + 1] - rows[:, :, left])
