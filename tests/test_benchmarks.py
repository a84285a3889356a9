"""Every benchmark runs, at its smallest size; what it measures is not looked at, but for memory and counts."""

import csv
import json

import pandas as pd
import pytest
import torch

from benchmarks import own_data
from benchmarks.__main__ import NAMES, main
from benchmarks.measure import MINIMAL, Result, Timing, linear_fit, peak_bytes
from benchmarks.trainings import cell, stacked, step_flops


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_and_writes_its_results(name, tmp_path, capsys):
    assert main(["--minimal", "--only", name, "--out", str(tmp_path / "bench")]) == 0
    with (tmp_path / "bench.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["benchmark"] for row in rows} == {name}
    assert all(float(row["value"]) == float(row["value"]) for row in rows)  # no NaN
    listed = json.loads((tmp_path / "bench.json").read_text())["results"]
    assert [row["quantity"] for row in rows] == [result["quantity"] for result in listed]
    assert all(f"    {row['quantity']}" in capsys.readouterr().out for row in rows[:1])


def test_no_cuda_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["--device", "cuda"]) == 1
    assert capsys.readouterr().err.startswith("benchmarks: error: device 'cuda'")


def test_so_many_steps_are_made_at_each_call():
    steps = stacked(cell(MINIMAL, "laptop", "linear", "dense-poe-masked", 2), "cpu")
    steps(3)
    steps(20)  # more than an epoch
    assert steps.trainer.step == 23


def test_operations_of_a_small_step():
    """PoE on two views of 25: encoder 25→8→20, decoder 10→25→25; backward twice forward, but for the first input."""
    small = cell(MINIMAL, "laptop", "multimodal", "complete-poe-masked", modalities=2)
    encoder, decoder = [25 * 8, 8 * 20], [10 * 25, 25 * 25]
    products = 3 * sum(encoder + decoder) - encoder[0]
    assert step_flops(small) == 2 * products * 2 * small.train.batch_size


def test_memory_is_the_largest_sum_of_what_lives_at_once():
    def action(count):
        first = torch.zeros(1000)
        second = first + 1
        del first
        second.view(10, 100).mul_(2)  # no new memory
        third = second + 1
        del second, third
        torch.zeros(100)

    assert peak_bytes(action, "cpu") == 2 * 4000


def test_ratios_are_taken_repetition_by_repetition():
    slow, fast = Timing((4.0, 40.0, 6.0)), Timing((2.0, 10.0, 3.0))
    ratio = slow.over(fast, "case", "ratio", least=2.0)
    assert (ratio.value, ratio.spread, ratio.verdict) == (2.0, 0.5, "kept")
    assert Result("case", "rate", 1.0, most=0.5).verdict == "missed"


def test_a_line_is_fitted_exactly():
    assert linear_fit([1, 2, 4], [5.0, 7.0, 11.0]) == pytest.approx((3.0, 2.0, 1.0))


@pytest.mark.parametrize("name", own_data.SETS)
def test_real_data_are_standardised_by_the_training_samples_of_each_split(name):
    train, test = own_data.blocks(name, 1)
    assert list(train) == list(test) and len(train) >= 3
    sizes = {len(values) for values in test.values()}
    assert sizes == {own_data.HELD_OUT[name]}
    numbers = [values for values in train.values() if values.dtype == float]
    assert all(abs(values.mean(0)).max() < 1e-9 and abs(values.std(0) - 1).max() < 1e-9 for values in numbers)
    again, other = own_data.blocks(name, 1)[0], own_data.blocks(name, 2)[0]
    label = next(key for key, values in train.items() if values.dtype != float)
    assert (again[label] == train[label]).all() and (other[label] != train[label]).any()


def test_differences_are_of_the_average_with_two_standard_errors():
    rows = [["wine", split, 3, "mixture", "llh", "all", baseline, value, error]
            for split, seeds, average, simple in ((1, -11.0, -10.0, -12.0), (2, -15.0, -14.0, -15.0))
            for baseline, value, error in (("model", seeds, ""), ("average", average, ""), ("gaussian", simple, 0.1))
            ]  # fmt: skip
    table = pd.DataFrame(rows, columns=own_data.COLUMNS).replace("", float("nan"))
    (line,) = own_data.differences(table)
    assert line == "wine llh all, 2 splits: -13.000, -12.000; gaussian -13.500 (+1.500 ± 0.141)"
