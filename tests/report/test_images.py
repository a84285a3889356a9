"""Tables, figures and claims of the image experiment on made-up results."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report.images import ACCURACIES, BETAS, CELLS, MODALITIES, SUBSETS, WORDS, metrics_of, pictures_of
from report.test_identifiable import plain, replaced
from report.test_tables import cells, latex

from pimvae.claims.schema import Claim, read_claims
from pimvae.claims.selection import select
from pimvae.claims.statistics import format_estimate, format_number, mean_interval
from pimvae.claims.verdict import Judgement, judge
from pimvae.errors import UserError
from pimvae.registry import lookup
from pimvae.report import job
from pimvae.report.figures._examples import read_examples
from pimvae.report.figures._pictures import ARRAYS

SECTIONS = Path(__file__).parents[2] / "paper" / "sections"


def claim(name: str) -> Claim:
    return next(claim for claim in read_claims() if claim.id == name)


def judged(name: str, aggregators: list[str], change=lambda rows: rows) -> Judgement:
    """A claim on made-up metrics of some aggregators under both bounds, changed first."""
    rows = [metrics_of(aggregator, objective, range(3)) for aggregator in aggregators
            for objective in ("masked", "mixture")]  # fmt: skip
    return judge(change(pd.concat(rows, ignore_index=True)), claim(name))


def shown(results, table: str, panel: str | None, row: str) -> list[str]:
    return [plain(cell) for cell in cells(latex(table, results), panel, row)]


def values(results, aggregator: str, objective: str, metric: str, subset: str, beta: float = 1.0) -> list[float]:
    found = select(results.metrics, {"experiment": "images", "aggregator": aggregator, "objective": objective,
                                     "metric": metric, "subset": subset, "beta": beta, "split": "test"})  # fmt: skip
    assert sorted(found["seed"]) == [0, 1, 2]
    return found["value"].tolist()


def test_likelihoods_by_hand(results):
    row = shown(results, "t6_images", None, "MoPoE")
    assert len(row) == 10
    joint, text = (values(results, "mopoe", "mixture", "llh", name) for name in ("all", "text"))
    assert row[5] == format_estimate(mean_interval(joint)) and row[8] == format_estimate(mean_interval(text))
    assert row[9] == format_number(100 * sum(values(results, "mopoe", "mixture", "k_hat_above", "all")) / 3)


def test_coherence_by_hand(results):
    """The third subset is text alone, the fourth MNIST and SVHN."""
    for place, name in ((2, "text_to_svhn"), (3, "mnist_svhn_to_svhn")):
        row = shown(results, "t7_coherence_svhn", None, "SelfAttention (private)")
        mean = sum(values(results, "private_self_attention", "masked", "coherence", name)) / 3
        assert row[place] == format_number(100 * mean)


def test_a_table_has_one_row_per_aggregator(results):
    text = latex("t8_unconditional", results)
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and not line.startswith(" &")]
    assert len(rows) == len(CELLS) / 2 and "--" not in text and "classifier" not in text


def test_accuracies_of_classifiers(results):
    text = latex("t12_classifiers", results)
    for name, label in zip(MODALITIES, ("MNIST", "SVHN", "text (exact rule)"), strict=True):
        assert cells(text, None, label) == [format_number(100 * ACCURACIES[split, name]) for split in ("train", "test")]


def test_points_of_rates_and_distortions(results):
    drawing = lookup("report.figures", "f5_rates")
    table = drawing.data(results)
    assert len(table) == 2 * len(CELLS) * len(BETAS) and set(table["seeds"]) == {3}
    where = {"kind": "cross", "aggregator": "poe_plus", "objective": "mixture", "beta": 4.0}
    (point,) = select(table, where).to_dict("records")
    rate, fit = (sum(values(results, "poe_plus", "mixture", *name, beta=4.0)) / 3
                 for name in (("cross_rate", "unimodal"), ("reconstruction_cross", "unimodal")))  # fmt: skip
    assert (point["rate"], point["distortion"]) == pytest.approx((rate, -fit))
    axes = drawing.plot(table).axes
    assert len(axes) == 4
    curves = [line for line in axes[3].lines if len(line.get_xdata()) == len(BETAS)]
    assert len(curves) == len(CELLS) / 2
    assert any(line.get_xydata()[-1] == pytest.approx([rate, -fit]) for line in curves)


def test_a_diverged_replica_has_no_part_in_a_point(results):
    metrics = results.metrics.copy()
    failed = (metrics["aggregator"] == "mopoe") & (metrics["beta"] == 4.0) & (metrics["seed"] == 2)
    metrics.loc[failed & (metrics["experiment"] == "images") & (metrics["metric"] == "diverged"), "value"] = 1.0
    table = lookup("report.figures", "f5_rates").data(replaced(results, metrics))
    assert set(select(table, {"aggregator": "mopoe", "beta": 4.0})["seeds"]) == {2}
    assert set(select(table, {"aggregator": "mopoe", "beta": 0.1})["seeds"]) == {3}


def test_pictures_are_those_of_the_cell(results):
    drawing = lookup("report.figures", "f6_mixture")
    table = drawing.data(results)
    assert len(table) == 2 * (1 + 7 * len(CELLS) // 2)
    arrays = read_examples(results.folder / "images" / "triples-moe-mixture" / "examples.npz", ARRAYS)
    place = arrays["given"].tolist().index([True, False, True])
    (row,) = select(table, {"example": 1, "given": "MT", "aggregator": "moe"}).to_dict("records")
    assert bytes.fromhex(row["svhn"]) == arrays["given_svhn"][place, 1].tobytes()
    assert row["text"] == arrays["given_text"][place, 1] and row["text"] in WORDS


def test_damaged_pictures_are_a_user_error(tmp_path):
    pictures_of(tmp_path / "examples.npz")
    whole = (tmp_path / "examples.npz").read_bytes()
    (tmp_path / "examples.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be read"):
        read_examples(tmp_path / "examples.npz", ARRAYS)


def test_claims_about_images(results):
    verdicts = {judgement.claim.id: judgement for judgement in job.judge(results)}
    assert [verdicts[name].verdict for name in ("C6a", "C7", "C8", "C9")] == ["holds"] * 4
    assert verdicts["C6a"].pairs == 3 * len(CELLS) / 2
    assert len(verdicts["C8"].groups) == 2 * len(CELLS)  # two measures of every aggregator under either bound


def swapped(metrics: list[str]):
    """The bounds change places in these metrics."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        mine = rows["metric"].isin(metrics)
        other = rows["objective"].map({"masked": "mixture", "mixture": "masked"})
        return rows.assign(objective=rows["objective"].where(~mine, other))

    return change


def test_one_aggregator_is_enough_for_some_and_too_few_for_every():
    both = ["coherence", "reconstruction_cross"]

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        poe = rows["aggregator"] == "poe"
        return pd.concat([swapped([*both, "llh"])(rows[~poe]), rows[poe]])

    assert judged("C7", ["poe", "moe"], change).verdict == "holds"
    assert judged("C6a", ["poe", "moe"], change).verdict == "refuted"
    assert judged("C7", ["moe"], swapped(both)).verdict == "refuted"
    assert judged("C7", ["moe"], swapped(["coherence"])).verdict == "holds"  # by its cross reconstruction


def test_whether_one_scheme_is_best_in_every_measure():
    """SumPooling is best under either bound, in likelihood under masked and in coherence under mixture."""
    assert judged("C9", ["sum_pooling", "moe"]).verdict == "holds"

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        """SumPooling under the masked bound is far better at everything."""
        best = (rows["aggregator"] == "sum_pooling") & (rows["objective"] == "masked") & (rows["metric"] != "diverged")
        return rows.assign(value=rows["value"].where(~best, 10.0))

    assert judged("C9", ["sum_pooling", "moe"], change).verdict == "refuted"


def test_every_subset_counts_once_among_the_measures_of_best():
    """Generation across modalities and latents: the measures of C9 exist among the metrics."""
    names = {(measure.metric, measure.subset) for measure in claim("C9").measures}
    crossing = {f"{given}_to_{target}" for given in SUBSETS for target in MODALITIES if target not in given}
    assert {subset for metric, subset in names if metric == "coherence"} == crossing | {"prior"}
    rows = metrics_of("poe", "masked", range(1))
    assert names <= set(zip(rows["metric"], rows["subset"], strict=True))


@pytest.mark.parametrize("name", ["images", "appendix_images"])
def test_every_caption_says_which_data_they_are(name):
    text = (SECTIONS / f"{name}.tex").read_text()
    floats = re.findall(r"\\begin\{(?:table|figure)\}.*?\\end\{(?:table|figure)\}", text, re.S)
    assert floats and all(r"\ImageData" in part for part in floats)


def test_embedded_stand_ins_are_not_called_the_data_of_the_publication(folder, tmp_path):
    text = job.macros(folder, tmp_path / "macros.tex", "laptop").read_text()
    (line,) = re.findall(r"\\newcommand\{\\ImageData\}\{(.*)\}", text)
    assert "stand-ins" in line and "not comparable with the publication's numbers" in line


def test_every_point_of_the_rates_is_drawn_in_the_panel_of_its_bound(results):
    drawing = lookup("report.figures", "f5_rates")
    table = drawing.data(results)
    drawn = drawing.plot(table)
    panels = np.array(drawn.axes).reshape(table["kind"].nunique(), -1)
    objectives = {axes.get_title().removesuffix(" bound"): column for column, axes in enumerate(panels[0])}
    for (kind, objective), rows in table.groupby(["kind", "objective"]):
        axes = panels[["full", "cross"].index(kind), objectives[objective]]
        found = {tuple(point) for line in axes.lines for point in line.get_xydata()}
        assert found == {(row["rate"], row["distortion"]) for _, row in rows.iterrows()}
        (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        assert all(low <= x <= high and bottom <= y <= top for x, y in found)
