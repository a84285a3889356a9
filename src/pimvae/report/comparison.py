"""A run held against a shipped one, number by number: every metric of every cell, paired by seed."""

__all__ = ["DIFFERS", "IDENTICAL", "SAME", "SMALL", "UNIT", "VERDICTS", "compare", "compare_claims",
           "other_settings"]  # fmt: skip

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student

from pimvae.claims.evaluate import evaluate
from pimvae.claims.schema import Claim
from pimvae.claims.statistics import LEVEL
from pimvae.results.files import CELL, KEYS, final, flag_nonfinite

UNIT = [*KEYS, "share", "baseline", "split", "subset", "metric"]
SIDES = ("fresh", "shipped")
PLACE = "cell.data.data_dir"  # a setting that decides nothing
TOLERANCE = 1e-6  # relative: rounding of the files is 1e-9, of single precision 1e-7
IDENTICAL, SAME, SMALL, DIFFERS = "identical", "same within seed noise", "within the seeds' interval", "differs"
OPEN, NEW, LOST = "one seed", "only in the fresh run", "only in the shipped run"
VERDICTS = [IDENTICAL, SAME, SMALL, DIFFERS, OPEN, NEW, LOST]
COMPARED = [*UNIT, "paired", "seeds", "fresh", "shipped", "difference", "half", "seed_half", "verdict"]


def compare(fresh: pd.DataFrame, shipped: pd.DataFrame) -> pd.DataFrame:
    r"""One row per metric of a cell, split and subset: both means, their difference and a verdict.

    Where seeds agree, ``difference`` is the mean of fresh − shipped over these seeds and ``half`` the half-width
    t_{n−1} s_d/√n of its 95% Student interval, s_d the spread of the differences; where none agrees, it is the
    difference of the means with Welch's interval. ``seed_half`` is the half-width over seeds of the shipped mean, the ±
    that tables print. Verdicts, the first that applies:

    * ``identical``: every pair agrees to the relative tolerance 10⁻⁶;
    * ``same within seed noise``: |difference| ≤ half. If nothing but rounding differs, about 5% of the rows that are
      not identical fail this by chance;
    * ``within the seeds' interval``: |difference| ≤ seed_half, a shift that no table would show;
    * ``differs``; ``one seed`` where a single pair that is not identical allows no interval.

    Values that are not finite count as absent.
    """
    numbers = {"beta": float, "share": float}  # whole ones of a few cells are read as integers
    sides = [frame[np.isfinite(frame["value"].astype(float))].astype(numbers) for frame in (fresh, shipped)]
    both = sides[0].merge(sides[1], on=[*UNIT, "seed"], suffixes=("_fresh", "_shipped"))
    summaries = [frame.groupby(UNIT)["value"].agg(**{f"mean_{side}": "mean", f"sd_{side}": "std", f"n_{side}": "count"})
                 for side, frame in zip(SIDES, sides, strict=True)]  # fmt: skip
    units = summaries[0].join(summaries[1], how="outer").join(_paired(both))
    units["paired"] = units["seeds"].notna()
    _fill_unpaired(units)
    units["seed_half"] = _half(units["sd_shipped"], units["n_shipped"])
    units["verdict"] = _verdicts(units)
    units = units.rename(columns={"mean_fresh": "fresh", "mean_shipped": "shipped"}).reset_index()
    return units[COMPARED]


def compare_claims(fresh: pd.DataFrame, shipped: pd.DataFrame, claims: Sequence[Claim]) -> pd.DataFrame:
    """Verdict and effect of every claim in both runs."""
    judged = [evaluate(flag_nonfinite(final(frame)), list(claims), frame[frame["baseline"] != ""])
              for frame in (fresh, shipped)]  # fmt: skip
    rows = [[new.claim.id, new.verdict, old.verdict, new.effect, old.effect, new.claim.short]
            for new, old in zip(*judged, strict=True)]  # fmt: skip
    return pd.DataFrame(rows, columns=["claim", "fresh", "shipped", "effect_fresh", "effect_shipped", "short"])


def other_settings(fresh: pd.DataFrame, shipped: pd.DataFrame) -> pd.DataFrame:
    """Settings in which cells of both runs differ, as those of two scales do: cell, key and both values.

    Args:
        fresh: ``settings.csv`` of one run.
        shipped: the same of the other.
    """
    stated = [frame[frame["key"].str.startswith("cell.") & (frame["key"] != PLACE)] for frame in (fresh, shipped)]
    both = stated[0].merge(stated[1], on=[*CELL, "key"], suffixes=("_fresh", "_shipped"))
    return both[both["value_fresh"] != both["value_shipped"]].reset_index(drop=True)


def _paired(both: pd.DataFrame) -> pd.DataFrame:
    """Mean difference, its interval, the number of pairs, and whether all of them agree."""
    difference = both["value_fresh"] - both["value_shipped"]
    size = both[["value_fresh", "value_shipped"]].abs().max(axis=1)
    groups = both.assign(d=difference, agree=difference.abs() <= TOLERANCE * size).groupby(UNIT)
    found = groups.agg(difference=("d", "mean"), sd=("d", "std"), seeds=("d", "count"), agree=("agree", "all"))
    return found.assign(half=_half(found["sd"], found["seeds"])).drop(columns="sd")


def _half(sd: pd.Series, n: pd.Series) -> pd.Series:
    """Half-width of Student's interval of a mean; NaN for one value."""
    return student.ppf(0.5 + LEVEL / 2, (n - 1).where(n > 1)) * sd / np.sqrt(n)


def _fill_unpaired(units: pd.DataFrame) -> None:
    """Difference of the means with Welch's interval, where both runs have a metric but no seed in common."""
    rows = ~units["paired"] & units["n_fresh"].notna() & units["n_shipped"].notna()
    part = units[rows]
    variances = [part[f"sd_{side}"] ** 2 / part[f"n_{side}"] for side in SIDES]
    total = variances[0] + variances[1]
    degrees = [variance**2 / (part[f"n_{side}"] - 1) for side, variance in zip(SIDES, variances, strict=True)]
    freedom = (total**2 / (degrees[0] + degrees[1])).where(total > 0, 1.0)
    units.loc[rows, "difference"] = part["mean_fresh"] - part["mean_shipped"]
    units.loc[rows, "half"] = student.ppf(0.5 + LEVEL / 2, freedom) * np.sqrt(total)
    units.loc[rows, "seeds"] = part[["n_fresh", "n_shipped"]].min(axis=1)


def _verdicts(units: pd.DataFrame) -> np.ndarray:
    size = units["difference"].abs()
    cases = [
        (units["n_shipped"].isna(), NEW),
        (units["n_fresh"].isna(), LOST),
        (units["agree"].eq(True), IDENTICAL),
        (units["half"].isna(), OPEN),
        (size <= units["half"], SAME),
        (size <= units["seed_half"], SMALL),
    ]
    return np.select([case for case, _ in cases], [name for _, name in cases], DIFFERS)
