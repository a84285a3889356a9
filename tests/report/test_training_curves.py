"""Training curves are drawn so that the rest of all methods can be read."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from pimvae.report.figures._training import _cut_off

STEPS = range(10, 1001, 10)


def rows(peaks):
    """A loss of 1e6 in the first 40 steps, then of 5, and the peaks {step: value}."""
    values = [peaks.get(step, 1e6 if step <= 40 else 5.0) for step in STEPS]
    return pd.DataFrame({"aggregator": "poe", "objective": "masked", "step": STEPS, "high": values})


LASTING = {step: 80.0 for step in STEPS if step > 500}


@pytest.mark.parametrize(("peaks", "top"), [({}, 10.0), ({700: 1e25}, 10.0), (LASTING, 160.0)])
def test_first_steps_and_rare_peaks_leave_the_panel_but_not_what_lasts(peaks, top):
    drawn, axes = plt.subplots()
    table = rows(peaks)
    axes.set_yscale("log")
    axes.plot(table["step"], table["high"])
    _cut_off(axes, table)
    assert axes.get_ylim()[1] == pytest.approx(top)
    plt.close(drawn)


def test_one_method_that_explodes_does_not_hide_the_others():
    exploded = rows(dict.fromkeys(STEPS, 1e12)).assign(aggregator="moe")
    table = pd.concat([rows({}), rows({}).assign(objective="mixture"), exploded])
    drawn, axes = plt.subplots()
    axes.set_yscale("log")
    axes.plot(table["step"], table["high"])
    _cut_off(axes, table)
    assert axes.get_ylim()[1] == pytest.approx(50.0)  # ten times where the middle one ends
    plt.close(drawn)
