"""Which trainings are said to have gone uphill."""

from dataclasses import replace

import pandas as pd
import pytest

from pimvae.report.source import Verdicts
from pimvae.report.uphill import uphill, uphill_text
from pimvae.results.files import CELL, Results


@pytest.fixture
def source_of_curves(folder):
    """A run with these curves."""
    results = Results.load(folder)
    return lambda history: Verdicts("laptop", replace(results, history=history), [])


def curves(**values: list[float]) -> pd.DataFrame:
    """One replica per keyword, whose aggregator is its name; rows in another order than the steps'."""
    rows = [("linear", "dense", name, "masked", "standard", step, 0, 1.0, "loss", value)
            for name, losses in values.items() for step, value in enumerate(losses)]  # fmt: skip
    others = [(*row[:8], "rate", -row[9]) for row in rows]  # another term never counts
    frame = pd.DataFrame([*rows, *others], columns=[*CELL, "step", "seed", "beta", "term", "value"])
    return frame.sample(frac=1, random_state=0)


@pytest.mark.parametrize("losses, rise", [
    ([300.0, 200, 100, 201], 101.0),  # more than half of the way back
    ([300.0, 200, 100, 199], None),
    ([300.0, 200, 100, 1e15], 1e15 - 100),
    ([100.0, 105, 111], 11.0),  # from the first step on
    ([100.0, 105, 109], None),  # within the margin
    ([104.0, 100, 109], None),
    ([300.0, 200, 100, float("inf")], None),  # diverged: counted elsewhere
    ([300.0, 200, 100, 90], None),
])  # fmt: skip
def test_the_upper_half_of_the_range(losses, rise):
    found = uphill(curves(some=losses))
    assert found["rise"].tolist() == ([] if rise is None else [rise])


def test_replicas_are_told_apart(source_of_curves):
    history = curves(poe=[300, 100, 250], moe=[300, 200, 100])
    assert uphill(history)["aggregator"].tolist() == ["poe"]
    text = uphill_text([source_of_curves(history)])
    assert text == "Scale `laptop`: 1 of 2 trainings (dense: PoE, masked 1)."


def test_nothing_to_tell(source_of_curves):
    assert uphill_text([source_of_curves(curves(poe=[300, 200]))] * 2) == "\n\n".join(
        ["Scale `laptop`: 0 of 1 trainings."] * 2
    )
