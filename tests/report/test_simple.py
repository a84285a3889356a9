"""Simple models in the tables: their block, without marks, and the marks of replicas that are no better."""

import pandas as pd
import pytest

from pimvae.claims.status import replica_status
from pimvae.report.table import Part, Table, grouped_headings
from pimvae.report.tables._below import simple_parts
from pimvae.report.tables._cells import Column, body
from pimvae.report.webpage import page
from pimvae.results.files import COLUMNS, Results

CLUSTERED = ["independent", "probabilistic PCA", "one Gaussian", "Gaussian mixture", "random code of the cluster",
             "random mix of the latents"]  # fmt: skip
BLOCKS = {
    "t1_dense_digits": ["no latent", "maximum likelihood"],
    "t2_sparse": ["no latent", "maximum likelihood"],
    **dict.fromkeys(("t3_bimodal", "t4_multimodal", "t5_missing", "t5_laplace"), CLUSTERED),
    "t6_images": ["independent", "independent given the class"],
    "t1_rates": [],
    "t7_coherence_mnist": [],
}
LABELS = {label for labels in BLOCKS.values() for label in labels}


@pytest.fixture(scope="module")
def texts(written) -> dict[str, str]:
    return {name: (written / f"{name}.tex").read_text() for name in BLOCKS}


@pytest.mark.parametrize("name", BLOCKS)
def test_simple_models_are_listed_without_marks(texts, name):
    rows = [line for line in texts[name].splitlines() if line.split(" & ")[0] in LABELS]
    listed = list(dict.fromkeys(row.split(" & ")[0] for row in rows))
    assert listed == BLOCKS[name]
    assert not any(mark in row for row in rows for mark in ("\\best", "\\tie", "\\untrained", "\\diverged"))
    if rows:
        before = texts[name].splitlines()[texts[name].splitlines().index(rows[0]) - 1]
        assert before == r"\midrule"


def test_values_of_the_block_are_those_of_the_rows(texts):
    row = next(line for line in texts["t2_sparse"].splitlines() if line.startswith("no latent"))
    assert row == r"no latent & 5.500 &  &  &  & 5.500 &  &  &  \\"
    row = next(line for line in texts["t4_multimodal"].splitlines() if line.startswith("Gaussian mixture"))
    assert row.split(" & ")[2].startswith(r"15.1\pmhalf")  # the gap to the true model: 15, 15.1 and 15.2


def test_gaps_to_the_true_model_are_collected_for_simple_models_too(results: Results):
    gaps = results.baselines[results.baselines["metric"] == "ceiling_gap"]
    chosen = gaps[(gaps["baseline"] == "ppca") & (gaps["seed"] == 1) & (gaps["split"] == "test")]
    assert set(chosen["dataset"]) >= {"clusters", "complete", "half", "laplace"}
    assert chosen["value"].to_numpy() == pytest.approx(22.1)
    assert not (results.metrics["baseline"] != "").any()


def test_replicas_below_the_simplest_model_are_counted_in_their_cell(texts, results):
    status = replica_status(results.metrics, results.baselines)
    low = status[(status["dataset"] == "sparse") & (status["status"] == "untrained")]
    assert len(low) and set(low["aggregator"]) == {"moe"} and set(low["objective"]) == {"mixture"}
    row = next(line for line in texts["t2_sparse"].splitlines() if line.startswith("MoE &"))
    cells = row.removesuffix(r" \\").split(" & ")
    assert [index for index, cell in enumerate(cells) if "untrained" in cell] == [5]  # the gap under the mixture bound
    assert rf"\untrained{{{len(low)}}}" in cells[5]


def test_marks_reach_the_web_page():
    trained = [["MoE", r"3\pmhalf{1}\,\untrained{2}"], ["PoE", r"3\,\collapsed{1}"]]
    table = Table("lr", grouped_headings([("", ["LLH"])]), [Part(trained), Part([["no latent", "4"]])])
    html = page("T", table, "smoke")
    assert '<span class="diverged">‡2</span>' in html and '<span class="diverged">∘1</span>' in html
    assert "below the simplest" in html.replace("\n", " ")


def test_likelihoods_that_rest_on_annealing_are_marked():
    """More than a third of the points, as a mean over replicas; of that bound and subset only."""
    shares = {("poe", "masked"): (0.3, 0.4), ("poe", "mixture"): (0.2, 0.4), ("moe", "masked"): (0.0, 0.1)}
    rows = [("images", "triples", *keys, "standard", 1.0, seed, 1.0, "", "test", "all", metric, value)
            for keys, both in shares.items() for seed, share in enumerate(both)
            for metric, value in (("llh", -9.0 - seed), ("k_hat_above", share))]  # fmt: skip
    columns = [Column("llh", where={"objective": bound, "beta": 1.0}) for bound in ("masked", "mixture")]
    labels = [("PoE", {"aggregator": "poe"}), ("MoE", {"aggregator": "moe"})]
    found = body(pd.DataFrame(rows, columns=COLUMNS), labels, columns)
    assert [[r"\annealed" in cell for cell in row[1:]] for row in found] == [[True, False], [False, False]]
    assert "annealed" not in "".join(map(str, body(pd.DataFrame(rows, columns=COLUMNS), labels, [Column("rate")])))


def test_a_simple_model_without_a_value_has_no_row():
    row = ("linear", "dense", "none", "none", "none", 1.0, 0, 1.0, "no_latent", "train", "all", "llh", -1.0)
    rows = pd.DataFrame([row], columns=COLUMNS)
    assert simple_parts(rows, [Column("rate")]) == []
    assert simple_parts(rows, [Column("llh", where={"beta": 0.1})]) == []
    assert simple_parts(rows, [Column("llh")]) == [Part([["no latent", r"\ensuremath{-}1.00"]])]
