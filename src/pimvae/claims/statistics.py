"""Means with 95% intervals over seeds, comparisons paired by seed, numbers rounded to what the interval supports."""

__all__ = ["Estimate", "best_and_ties", "format_estimate", "format_number", "mean_interval", "paired_difference",
           "welch_mean"]  # fmt: skip

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import t as student

LEVEL = 0.95
ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval; ``half`` is NaN where one seed allows no interval."""

    mean: float
    half: float
    count: int

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half


def mean_interval(values: Sequence[float]) -> Estimate:
    """Mean ± t_{n−1} s/√n of ``values``, one per seed (Student's interval, exact for Gaussian noise)."""
    array = np.asarray(values, dtype=float)
    n = array.size
    if n == 0:
        return Estimate(math.nan, math.nan, 0)
    if n == 1:
        return Estimate(float(array[0]), math.nan, 1)
    half = student.ppf(0.5 + LEVEL / 2, n - 1) * array.std(ddof=1) / math.sqrt(n)
    return Estimate(float(array.mean()), float(half), n)


def paired_difference(a: Mapping[int, float], b: Mapping[int, float]) -> Estimate:
    """Mean and interval of a − b over the seeds that both have."""
    return mean_interval([a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())])


def best_and_ties(
    columns: Mapping[str, Mapping[int, float]], better: Literal["lower", "higher", "nearest", "neither"]
) -> dict[str, str]:
    """Which entries of one table column are ``best``, which a ``tie`` with it, which neither (``""``).

    A row is a tie if the interval of its difference to the best row, paired by seed, holds 0; one seed allows none.

    Args:
        columns: for every row of the table its value per seed (diverged seeds left out).
        better: direction; ``nearest`` to 0 compares absolute values; with ``neither`` no entry is best.
    """
    if better == "nearest":
        columns = {name: {seed: abs(value) for seed, value in values.items()} for name, values in columns.items()}
    means = {name: float(np.mean(list(values.values()))) for name, values in columns.items() if values}
    means = {name: mean for name, mean in means.items() if math.isfinite(mean)}
    if better == "neither" or not means:
        return dict.fromkeys(columns, "")
    best = (max if better == "higher" else min)(means, key=lambda name: means[name])

    def mark(name: str) -> str:
        if name == best:
            return "best"
        if name not in means:
            return ""
        difference = paired_difference(columns[name], columns[best])
        return "tie" if abs(difference.mean) <= difference.half or difference.mean == 0 else ""

    return {name: mark(name) for name in columns}


def welch_mean(samples: Sequence[Sequence[float]]) -> Estimate:
    """Mean over independent samples, of equal weight, of the mean of each, each with its own seeds.

    The variance is Σ s²/(n k²) over the k samples; the degrees of freedom are those of Welch and Satterthwaite,
    (Σ v)² / Σ v²/(n − 1) with v = s²/n. One sample gives `mean_interval`.

    ``half`` is NaN where a sample has a single value.
    """
    parts = [np.asarray(values, dtype=float) for values in samples]
    if not parts or any(part.size == 0 for part in parts):
        return Estimate(math.nan, math.nan, 0)
    mean, count = float(np.mean([part.mean() for part in parts])), sum(part.size for part in parts)
    if any(part.size < 2 for part in parts):
        return Estimate(mean, math.nan, count)
    spreads = [part.var(ddof=1) / part.size for part in parts]
    total = sum(spreads)
    if total == 0:
        return Estimate(mean, 0.0, count)
    freedom = total**2 / sum(spread**2 / (part.size - 1) for spread, part in zip(spreads, parts, strict=True))
    half = student.ppf(0.5 + LEVEL / 2, freedom) * math.sqrt(total) / len(parts)
    return Estimate(mean, float(half), count)


def decimals(half: float) -> int:
    """Decimal places that a half-width supports: one significant digit of it, two if it starts with 1."""
    exponent = math.floor(math.log10(half))
    leading = half / 10.0**exponent
    return 1 - exponent if round(leading, 1) < 2 else -exponent


def format_number(value: float, digits: int = 3) -> str:
    """``value`` to ``digits`` significant digits, as LaTeX that works in text and in mathematics."""
    if not math.isfinite(value):
        return "--"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent >= 5 or exponent < -4:
        return rf"\ensuremath{{{value / 10.0**exponent:.{max(digits - 1, 0)}f}\cdot 10^{{{exponent}}}}}"
    return _signed(f"{value:.{max(digits - 1 - exponent, 0)}f}")


def format_estimate(estimate: Estimate) -> str:
    """``mean ± half`` with both rounded to the digits that the half-width supports; without interval 3 digits."""
    if not math.isfinite(estimate.mean):
        return "--"
    if not math.isfinite(estimate.half):
        return format_number(estimate.mean)
    if estimate.half <= ROUNDING * abs(estimate.mean):  # equal values, up to the rounding of sums
        return format_number(estimate.mean, 4)
    places = decimals(estimate.half)
    size = max(abs(estimate.mean), estimate.half)
    exponent = math.floor(math.log10(size))
    if exponent >= 5 or places > 5:
        scale, digits = 10.0**exponent, max(places + exponent, 0)
        body = f"{_signed(f'{estimate.mean / scale:.{digits}f}')}\\pmhalf{{{estimate.half / scale:.{digits}f}}}"
        return rf"({body})\ensuremath{{\cdot 10^{{{exponent}}}}}"
    rounded = [round(number, places) for number in (estimate.mean, estimate.half)]
    mean, half = (f"{number:.{max(places, 0)}f}" for number in rounded)
    return rf"{_signed(mean)}\pmhalf{{{half}}}"


def _signed(text: str) -> str:
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", r"\ensuremath{-}")
