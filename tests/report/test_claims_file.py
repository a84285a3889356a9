"""What ``config/claims.yaml`` may say: typing errors are one line, claims without results are not."""

import json
import re
from pathlib import Path

import pytest

from pimvae.claims.schema import read_claims
from pimvae.cli import main
from pimvae.errors import UserError
from pimvae.evaluation.rows import SPLITS, is_subset
from pimvae.report import job
from pimvae.results.files import read_collected

NEW = """
- id: C11
  short: a data set that was not run there
  text: A claim is an entry of this file and nothing else.
  experiment: scaling
  where: {dataset: half}
  better: {objective: masked}
  worse: {objective: mixture}
  measures: [{metric: llh, subset: all}]
  effect: difference
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("metric: llh_gapp", "unknown metric 'llh_gapp'"),
        ("metric: llh_mle", "'llh_mle' has no better direction"),
        ("colour: red", "colour"),
        ("where: {aggregater: poe}", "unknown column 'aggregater'"),
        ("where: {aggregator: [poe, sum_poling]}", "unknown aggregator 'sum_poling' (known: "),
        ("where: {dataset: dens}", "unknown dataset 'dens' (known: "),
        ("where: {prior: normal}", "unknown prior 'normal' (known: mixture, standard"),
        ("where: {experiment: linaer}", "did you mean 'linear'?"),
        ("where: {objective: 3}", "unknown objective '3' (known: "),
        ("where: {objective: [[masked]]}", "unknown objective '['masked']' (known: "),
        ("where: {objective: []}", "the list of 'objective' is empty"),
        ("where: {beta: [1, one]}", "beta is 'one', expected a number"),
        ("experiment: []", "the list of 'experiment' is empty"),
    ],
)
def test_bad_claims_give_one_line(tmp_path: Path, change: str, message: str):
    measure = change if change.startswith("metric") else "metric: llh"
    extra = "" if change.startswith("metric") else f"  {change}\n"
    path = tmp_path / "claims.yaml"
    path.write_text(
        "- id: C9\n  short: s\n  text: t\n  experiment: linear\n  better: {objective: masked}\n"
        f"  worse: {{objective: mixture}}\n  effect: difference\n  measures: [{{{measure}, subset: all}}]\n{extra}"
    )
    if change.startswith("experiment"):  # in place of the other line, for a key that comes twice is an error too
        path.write_text(path.read_text().replace("  experiment: linear\n", ""))
    with pytest.raises(UserError) as error:
        read_claims(path)
    assert message in str(error.value) and "C9" in str(error.value) and "\n" not in str(error.value)


def with_measure(path: Path, root: Path, measure: str) -> Path:
    """The shipped claims and one more, C11, of which only the measure differs from test to test."""
    changed = NEW.replace("metric: llh, subset: all", measure)
    path.write_text((root / "config" / "claims.yaml").read_text() + changed)
    return path


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        ("metric: llh, subset: al", "unknown subset 'al' (known: "),
        ("metric: llh, subset: unimodel", "did you mean 'unimodal'?"),
        ("metric: llh, subset: size0", "unknown subset 'size0'"),
        ("metric: coherence, subset: mnist_to_svnh", "did you mean 'mnist_to_svhn'?"),
        ("metric: llh, subset: all, split: tset", "unknown split 'tset' (known: test, train; did you mean 'test'?)"),
    ],
)
def test_a_misspelt_subset_or_split_is_one_line_and_exit_code_1(folder, root, tmp_path, capsys, measure, message):
    claims = with_measure(tmp_path / "claims.yaml", root, measure)
    assert main(["claims", "--results", str(folder), "--out", str(tmp_path), "--claims", str(claims)]) == 1
    error = capsys.readouterr().err
    assert "claim C11: " in error and message in error and error.count("\n") == 1


@pytest.mark.parametrize("names", ["subset: size12", "subset: vector, split: train", "subset: svhn_text_to_mnist"])
def test_what_was_not_run_is_no_error(root, tmp_path, names):
    claims = read_claims(with_measure(tmp_path / "claims.yaml", root, f"metric: llh, {names}"))
    assert claims[-1].id == "C11"


def test_rows_have_known_subsets_and_splits(results, root):
    """Also those of the shipped results, where there are any."""
    shipped = sorted((root / "results" / "shipped").glob("*/metrics.csv*"))
    for metrics in [results.metrics, *(read_collected(path.parent) for path in shipped)]:
        assert all(is_subset(name) for name in metrics["subset"].unique())
        assert set(metrics["split"]) <= {*SPLITS}


@pytest.mark.parametrize("text", ["C9: {short: s}\n", "- C9\n", ""])
def test_what_is_no_list_of_claims_gives_one_line(tmp_path: Path, text: str):
    (tmp_path / "notes.txt").write_text(text)
    with pytest.raises(UserError, match=r"notes\.txt is not a list of claims"):
        read_claims(tmp_path / "notes.txt")
    with pytest.raises(UserError, match="is a folder, expected a YAML file"):
        read_claims(tmp_path)


def test_a_new_claim_is_an_entry_and_not_run_until_there_are_results(folder, root, tmp_path: Path):
    path = tmp_path / "claims.yaml"
    path.write_text((root / "config" / "claims.yaml").read_text() + NEW)
    lines = job.claims(folder, tmp_path, path)
    lines = [line.replace("*", " ", 1) for line in lines if not line.startswith("*")]
    assert lines[-1].split(maxsplit=3)[:3] == ["C11", "not", "run"]
    found = json.loads((tmp_path / "claims.json").read_text())
    assert [claim["claim"] for claim in found] == [line.split()[0].rstrip("*") for line in lines if line[:1] == "C"]
    assert found[-1]["verdict"] == "not run"
    assert (found[-1]["effect"], found[-1]["pairs"], found[-1]["groups"]) == (None, 0, [])
    assert len(found[0]["groups"]) >= 8 and found[0]["groups"][0]["low"] <= found[0]["groups"][0]["effect"]
    (table,) = job.tables(folder, tmp_path, path, only=["t10_claims"])
    assert r"C11 & a data set that was not run there & \verdict{not run}" in table.read_text()
    macros = job.macros(folder, tmp_path / "macros.tex", "laptop", path).read_text()
    assert r"\newcommand{\ClaimCOneOneVerdict}{was not examined}" in macros
    assert re.search(r"\\newcommand\{\\ClaimsNotRunList\}\{.*\\mbox\{C11\}\}", macros)


def test_broken_yaml_gives_one_line(tmp_path: Path):
    (tmp_path / "claims.yaml").write_text("- id: [\n")
    with pytest.raises(UserError) as error:
        read_claims(tmp_path / "claims.yaml")
    assert "\n" not in str(error.value)
