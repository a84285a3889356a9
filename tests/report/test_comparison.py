"""A run against a shipped one: verdicts on numbers whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind, ttest_rel

from pimvae import archive
from pimvae.claims.schema import read_claims
from pimvae.cli import main
from pimvae.errors import UserError
from pimvae.report import job
from pimvae.report.comparison import UNIT, compare
from pimvae.report.comparison_view import equal_numbers, equal_verdicts, figure_of
from pimvae.results.files import COLUMNS, read_collected
from pimvae.results.ship import ship

SHIPPED = [1.0, 2.0, 3.5, 4.0]


def frame(values: list[float], first_seed: int = 0, metric: str = "llh") -> pd.DataFrame:
    keys = ["linear", "dense", "poe", "masked", "standard", 1.0]
    rows = [[*keys, first_seed + seed, 1.0, "", "train", "all", metric, value] for seed, value in enumerate(values)]
    return pd.DataFrame(rows, columns=COLUMNS)


def row(fresh: list[float], shipped: list[float] = SHIPPED, **changes: int) -> pd.Series:
    found = compare(frame(fresh, **changes), frame(shipped))
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize(
    ("shifts", "verdict"),
    [
        ([0.0, 0.0, 0.0, 0.0], "identical"),
        ([1e-8, -1e-8, 1e-8, 0.0], "identical"),
        ([0.1, -0.1, 0.2, -0.1], "same within seed noise"),
        ([0.1, 0.11, 0.1, 0.12], "within the seeds' interval"),  # small, but the same way in every seed
        ([9.0, 9.1, 9.0, 9.1], "differs"),
        ([0.1, 0.1, 0.1, 0.1], "within the seeds' interval"),
    ],
)
def test_verdicts(shifts, verdict):
    assert row(list(np.add(SHIPPED, shifts)))["verdict"] == verdict


def test_the_paired_interval_is_that_of_the_paired_t_test():
    fresh = [1.3, 2.1, 3.4, 4.6]
    found, expected = row(fresh), ttest_rel(fresh, SHIPPED).confidence_interval()
    assert found["paired"] and found["seeds"] == 4
    assert found["difference"] - found["half"] == pytest.approx(expected.low)
    assert found["difference"] + found["half"] == pytest.approx(expected.high)


def test_other_seeds_are_compared_by_welchs_interval():
    fresh = [1.3, 2.9, 5.0]
    found, expected = row(fresh, first_seed=10), ttest_ind(fresh, SHIPPED, equal_var=False).confidence_interval()
    assert not found["paired"]
    assert found["difference"] - found["half"] == pytest.approx(expected.low)
    assert found["difference"] + found["half"] == pytest.approx(expected.high)
    assert found["verdict"] == "same within seed noise"
    assert row([50.0, 51.0, 49.0], first_seed=10)["verdict"] == "differs"


def test_only_common_seeds_are_paired():
    found = row([1.0, 2.0, 77.0], shipped=[1.0, 2.0])
    assert (found["seeds"], found["verdict"]) == (2, "identical")


def test_one_seed_decides_nothing_but_identity():
    assert row([1.0], [1.0])["verdict"] == "identical"
    assert row([1.0], [2.0])["verdict"] == "one seed"


def test_what_only_one_run_has():
    found = compare(pd.concat([frame(SHIPPED), frame(SHIPPED, metric="rate")]),
                    pd.concat([frame(SHIPPED), frame(SHIPPED, metric="bound")]))  # fmt: skip
    assert dict(zip(found["metric"], found["verdict"], strict=True)) == {
        "llh": "identical", "rate": "only in the fresh run", "bound": "only in the shipped run",
    }  # fmt: skip
    assert row([np.nan] * 4)["verdict"] == "only in the shipped run"


def test_chance_alone_puts_one_in_twenty_beyond_seed_noise():
    generator = np.random.default_rng(0)
    shipped = pd.concat([frame(generator.normal(size=3).tolist(), metric=f"m{k}") for k in range(400)])
    fresh = shipped.assign(value=shipped["value"] + 0.1 * generator.normal(size=len(shipped)))
    share = (compare(fresh, shipped)["verdict"] != "same within seed noise").mean()
    assert share == pytest.approx(0.05, abs=0.03)


def test_every_number_of_two_runs_is_compared(folder, results, tmp_path, capsys):
    other = pd.concat([results.metrics, results.baselines], ignore_index=True)
    moved = (other["dataset"] == "dense") & (other["metric"] == "llh_gap") & (other["baseline"] == "")
    other.loc[moved, "value"] *= 3
    (tmp_path / "fresh").mkdir()
    other.to_csv(tmp_path / "fresh" / "metrics.csv", index=False)
    out = tmp_path / "out"
    assert main(["compare", "--fresh", str(tmp_path / "fresh"), "--shipped", str(folder), "--out", str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    claims = [claim.id for claim in read_claims()]
    count = len(claims)
    assert [line.split()[0] for line in printed[:count]] == claims
    assert printed[count].startswith("differs: linear dense ") and " llh_gap: " in printed[count]
    compared = pd.concat([results.metrics, results.baselines])[UNIT].drop_duplicates()
    assert printed[-1].startswith(f"{len(compared)} numbers: ")
    assert printed[-2] == f"equal verdicts: {count - 1} of {count - 1} (1 not examined by both)"
    found = pd.read_csv(out / "compare.csv")
    found = found[found["baseline"].isna()]
    assert (found.loc[(found["dataset"] == "dense") & (found["metric"] == "llh_gap"), "verdict"] == "differs").all()
    assert set(found.loc[found["dataset"] == "digits", "verdict"]) == {"identical"}
    assert {path.name for path in out.iterdir()} == {
        *(f"compare.{kind}" for kind in ("csv", "tex", "pdf", "png")), "compare_claims.csv",
    }  # fmt: skip
    assert "dense & " in (out / "compare.tex").read_text()


def test_other_settings_are_said_first(folder, tmp_path):
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "metrics.csv").write_bytes((folder / "metrics.csv").read_bytes())
    settings = pd.read_csv(folder / "settings.csv", dtype=str, keep_default_na=False)
    changed = settings["key"].isin(["cell.train.steps", "cell.seeds", "versions.torch", "cell.data.data_dir"])
    settings.loc[changed, "value"] += "0"
    settings.to_csv(fresh / "settings.csv", index=False)
    steps = settings.loc[settings["key"] == "cell.train.steps", "value"].iloc[0]
    first, second, *_ = job.compare(fresh, folder, tmp_path / "out")
    assert first.startswith(
        f"note: {fresh} and {folder} differ in settings, as two scales do: train.steps {steps} fresh, "
    )
    assert "; seeds " in first and "versions" not in first and second.startswith("C")


def test_claims_that_a_run_left_out_are_not_counted():
    names = {"short": ["s"] * 4, "claim": ["A", "B", "C", "D"], "effect_fresh": [0.0] * 4, "effect_shipped": [0.0] * 4}
    verdicts = {"fresh": ["holds", "undecided", "not run", "not run"], "shipped": ["holds"] * 3 + ["not run"]}
    assert equal_verdicts(pd.DataFrame(names | verdicts)) == "equal verdicts: 1 of 2 (2 not examined by both); other: B"


def test_a_run_that_repeats_the_shipped_one_has_equal_verdicts(folder, tmp_path):
    ship(folder, tmp_path / "shipped")
    lines = job.compare(folder, tmp_path / "shipped", tmp_path / "out")
    count = len(read_claims()) - 1  # the audit is not among these results
    assert lines[-2] == f"equal verdicts: {count} of {count} (1 not examined by both)" and lines[-1].endswith(
        " identical"
    )


def test_equal_numbers_are_counted_among_those_that_both_runs_have():
    moved = [SHIPPED[0] + 1, *SHIPPED[1:]]
    fresh = pd.concat([frame(SHIPPED), frame(moved, metric="other"), frame(SHIPPED, metric="new")])
    numbers = compare(fresh, pd.concat([frame(SHIPPED), frame(SHIPPED, metric="other")]))
    assert equal_numbers(numbers) == "1 of 2 numbers equal"
    (legend,) = figure_of(numbers).legends
    assert legend.get_title().get_text() == "1 of 2 numbers equal"


def test_a_changed_shipped_file_is_refused(tmp_path):
    archive.pack({"metrics.csv": frame(SHIPPED).to_csv(index=False).encode()}, tmp_path / "shipped")
    assert len(read_collected(tmp_path / "shipped")) == 4
    (tmp_path / "shipped" / "metrics.csv").write_text(frame([9.0]).to_csv(index=False))
    with pytest.raises(UserError, match="was changed after it was shipped"):
        job.compare(tmp_path / "shipped", tmp_path / "shipped", tmp_path / "out")


def test_no_results_and_those_of_another_version_are_one_line(tmp_path):
    with pytest.raises(UserError, match="does not exist: no results lie there"):
        read_collected(tmp_path, "no results lie there")
    frame(SHIPPED).drop(columns="prior").to_csv(tmp_path / "metrics.csv", index=False)
    with pytest.raises(UserError, match=r"lacks the column\(s\) prior: it is not of this version"):
        read_collected(tmp_path)
    frame(SHIPPED).assign(value=["1.0", "x1", "", "2"]).to_csv(tmp_path / "metrics.csv", index=False)
    with pytest.raises(UserError, match=r"metrics\.csv, line 3: 'value' is 'x1', expected a number"):
        read_collected(tmp_path)
    frame(SHIPPED).assign(value=[True, False, True, True]).to_csv(tmp_path / "metrics.csv", index=False)
    with pytest.raises(UserError, match=r"line 2: 'value' is 'True', expected a number"):
        read_collected(tmp_path)


def test_a_number_that_pandas_reads_as_text_is_a_number(tmp_path):
    """An integer of more than 64 bits makes pandas keep the whole column as text; an empty value is still missing."""
    frame(SHIPPED).assign(value=["1", "-" + "9" * 30, "", "2.5"]).to_csv(tmp_path / "metrics.csv", index=False)
    found = read_collected(tmp_path)["value"]
    assert found.dtype == float and found.isna().tolist() == [False, False, True, False]
    assert found.dropna().tolist() == [1.0, -1e30, 2.5]
