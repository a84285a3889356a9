"""Verdicts at several scales side by side: in the tables, the paper's text, the web pages and the claims page."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pimvae.claims.selection import select
from pimvae.claims.statistics import format_estimate, mean_interval
from pimvae.cli import main
from pimvae.config.catalogue import read_config
from pimvae.report import job, readme
from pimvae.report.scales import in_order, table_cells, table_scales
from pimvae.report.source import Source, Verdicts, verdict_at
from pimvae.report.table import ACROSS, CELLS, NOT_RUN, SCALES
from pimvae.results.ship import ship

PART = "linear"


def shipped(folder: Path, place: Path, without_beta: str = "", **wanted: str) -> Path:
    """A small archive of a larger scale, of which one experiment is there, or some of its cells or replicas."""
    some = place / "some"
    some.mkdir()
    for name in ("metrics", "runs", "history", "settings"):
        frame = select(pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False), wanted)
        if "beta" in frame and without_beta:
            frame = frame[frame["beta"] != without_beta]
        frame.to_csv(some / f"{name}.csv", index=False)
    part = wanted.get("experiment", PART)
    (some / part).symlink_to(folder / part)
    ship(some, place / "workstation")
    return place / "workstation"


@pytest.fixture(scope="module")
def workstation(folder, tmp_path_factory):
    return shipped(folder, tmp_path_factory.mktemp("shipped"), experiment=PART)


@pytest.fixture(scope="module")
def judged(results) -> Verdicts:
    return Verdicts("laptop", results, job.judge(results))


def test_shipped_results_that_lack_cells_say_so(folder, workstation, tmp_path):
    assert not Verdicts.shipped(workstation).lacking()
    run = Verdicts.shipped(shipped(folder, tmp_path, experiment=PART, dataset="dense"))
    expected = f"10 of 36 cells of {PART}"
    assert run.lacking() == {PART: expected}
    one = next(one for one in run.judgements if one.pairs)
    of_claim = run.lacking(one.claim)[PART]
    assert verdict_at(run, one) == f"{one.stated}, with {of_claim}"
    concerned = run.configured["aggregator"] != "poe_published"
    assert int(of_claim.split()[0]) == (concerned & run.configured["there"]).sum() < int(of_claim.split()[2])
    assert f"cells ({expected}), trained on" in readme._run(run)


def test_shipped_results_of_some_betas_are_repeated_with_those(folder, tmp_path):
    (tmp_path / "narrow").mkdir()
    whole = Verdicts.shipped(shipped(folder, tmp_path, experiment="bimodal"))
    narrow = Verdicts.shipped(shipped(folder, tmp_path / "narrow", "0.1", experiment="bimodal"))
    assert (whole.betas, narrow.betas) == ((), (1.0,))
    assert narrow.command == f"{whole.command} 'betas=[1]'"
    assert whole.command == "snakemake --cores all --config scale=workstation 'experiments=[bimodal]'"


def lines_of(text: str) -> dict[str, list[str]]:
    rows = [line.removesuffix(r" \\[2pt]").split(" & ") for line in text.splitlines() if re.match(r"C\d", line)]
    return {row[0]: row[1:] for row in rows}


def said(cell: str) -> str:
    """The verdict in a cell."""
    return re.sub(r"\\verdict\{(.*)\}", r"\1", cell.strip("*"))


def test_both_verdicts_of_every_claim_are_shown_the_larger_scale_first(folder, judged, workstation, tmp_path):
    path, _ = job.tables(folder, tmp_path, only=[], scale="laptop", others=[workstation])
    text = path.read_text()
    assert path.name == f"{SCALES}.tex" and text.index("workstation") < text.index("laptop")
    rows = lines_of(text)
    there = {one.claim.id: one for one in Verdicts.shipped(workstation).judgements}
    assert list(rows) == [one.claim.id for one in judged.judgements]
    kinds = set()
    for one in judged.judgements:
        claim, other = one.claim, there[one.claim.id]
        _, first, _, second, effect, beside = rows[claim.id]
        assert said(second) == one.stated and bool(effect) == bool(one.pairs and claim.measures)
        assert said(first).startswith(other.stated)
        several = not isinstance(claim.experiment, str) and PART in claim.experiment and other.pairs
        assert (f", of {PART} only" in first) == bool(several)
        if "not run" in (other.stated, one.stated):
            assert beside == "--"
        else:
            plain = {verdict.removesuffix(" (not settled)") for verdict in (other.stated, one.stated)}
            assert beside.split(",")[0] == ("same" if len(plain) == 1 else "other")
            assert beside.endswith("not settled") == ("(not settled)" in f"{other.stated} {one.stated}")
        kinds.add(beside.split(",")[0])
    assert {"--", "same"} <= kinds


def test_verdicts_are_the_same_other_or_not_settled(judged):
    here = judged.judgements
    others = [replace(one, verdict="refuted" if one.verdict == "holds" else "holds", half=None) for one in here[:4]]
    moved = [
        others[0],
        replace(here[1], verdict="not run", half=None),
        replace(others[2], half=here[2]),
        replace(here[3], half=others[3]),
    ]
    assert all(one.settled for one in [*here[:4], *moved[:2]]) and not any(one.settled for one in moved[2:])
    changed = replace(judged, scale="workstation", judgements=[*moved, *here[4:]])
    shown = lines_of(table_scales([changed, judged]).to_latex())
    assert [row[-1] for row in shown.values()][:4] == ["other", "--", "other, not settled", "same, not settled"]


def test_it_says_what_each_scale_takes_and_how_to_repeat_it(folder, results, workstation, tmp_path):
    path, _ = job.tables(folder, tmp_path, only=[], kind="html", scale="laptop", others=[workstation])
    page = path.read_text()
    hours = results.runs["seconds"].sum() / 3600
    assert f">{hours:.1f}<" in page and f">{len(results.runs)}<" in page
    assert f"<code>snakemake --cores all --config scale=workstation 'experiments=[{PART}]'</code>" in page
    assert "<code>snakemake --cores all --config scale=laptop -- beyond</code>" in page
    assert replace(usual(results), scale="paper").command == "make reproduce SCALE=paper"


def test_every_row_has_as_many_cells_as_csv(folder, workstation, tmp_path):
    path, _ = job.tables(folder, tmp_path, only=[], kind="csv", scale="laptop", others=[workstation])
    rows = list(csv.reader(path.read_text().splitlines()))
    assert {len(row) for row in rows} == {2 + 2 + 2 * 2}
    assert rows[-1][2] == "again" and rows[-1][3] == rows[-1][4] != rows[-1][5] == rows[-1][6]


def usual(results) -> Verdicts:
    """A run of the experiments that 'make reproduce' runs."""
    names = read_config("config.yaml")["experiments"]
    runs = results.runs[results.runs["experiment"].isin(names)]
    return Verdicts("laptop", replace(results, runs=runs), [])


def test_scales_have_an_order(judged):
    runs = [replace(judged, scale=scale) for scale in ("mine", "laptop", "paper", "workstation")]
    assert [run.scale for run in in_order(runs)] == ["workstation", "paper", "laptop", "mine"]


def test_it_is_there_only_with_another_scale(folder, workstation, tmp_path):
    """Also after one that was shipped is gone."""
    start = ["tables", "t10_claims", "--results", str(folder), "--out", str(tmp_path), "--scale", "laptop", "--before"]
    assert main([*start, str(workstation)]) == 0
    assert {path.stem for path in tmp_path.iterdir()} == {"t10_claims", *ACROSS}
    assert main(start) == 0
    assert {path.stem for path in tmp_path.iterdir()} == {"t10_claims"}
    assert main([*start[:6], "--before", str(workstation)]) == 1


def test_its_page_comes_and_goes_with_it(folder, workstation, tmp_path):
    pages = tmp_path / "pages"
    job.tables(folder, tmp_path / "tex", scale="laptop", others=[workstation], pages=pages)
    own = [pages / f"{name}.html" for name in ACROSS]
    assert all(path.is_file() for path in own)
    body = own[0].read_text().partition("<body>")[2].partition("<script>")[0]
    assert not re.search(r"[\\{}$]", body) and "workstation" in body
    job.tables(folder, tmp_path / "tex", only=[], others=[], pages=pages)
    left = {path.stem for place in (pages, tmp_path / "tex") for path in place.iterdir()}
    assert left and not left & set(ACROSS)


def test_the_claims_page_shows_them_too(folder, workstation, tmp_path):
    for name in ("metrics", "runs", "history", "settings"):
        (tmp_path / f"{name}.csv").write_bytes((folder / f"{name}.csv").read_bytes())
    job.claims(tmp_path)
    text = readme.expected(Source.load(tmp_path, "laptop", before=[workstation]))
    assert text.startswith("Scale `workstation`: ") and f"scale=workstation 'experiments=[{PART}]'`" in text
    heading, _, *rows = [line.split(" | ") for line in text.splitlines() if line[:1] == "|"]
    assert heading[3:5] == ["verdict, `workstation`", "expected verdict"]
    there = {one.claim.id: one.stated for one in Verdicts.shipped(workstation).judgements}
    assert all(row[3].startswith(there[row[0].strip("| ")]) for row in rows)


def test_cells_stand_side_by_side_with_what_each_scale_reaches(results):
    """Per scale the mean over its own seeds, of held-out samples at β = 1; a cell that a scale lacks has none there."""
    metrics = results.metrics
    e2 = (metrics["experiment"] == "bimodal") & (metrics["objective"] == "masked") & (metrics["prior"] == "standard")
    first = replace(results, metrics=metrics[~(e2 & (metrics["aggregator"] == "moe")) & (metrics["seed"] != 0)])
    runs = [Verdicts(scale, of, []) for scale, of in (("paper", first), ("laptop", results))]
    table = table_cells(runs)
    panel = {part.title: {row[0]: row[1:] for row in part.rows} for part in table.parts}
    rows = panel["masked bound, fixed prior"]
    assert rows["MoE"][:3] == ["--"] * 3 and "--" not in rows["MoE"][3:] and len(rows["MoE"]) == 6
    for place, (metric, run) in enumerate(
        (m, run) for run in runs for m in ("ceiling_gap", "mcc_strong_mean", "mcc_weak_mean")
    ):
        chosen = run.results.metrics[e2.reindex(run.results.metrics.index)]
        where = {"aggregator": "sum_pooling", "metric": metric, "split": "test", "subset": "all", "beta": 1.0}
        for key, value in where.items():
            chosen = chosen[chosen[key] == value]
        assert format_estimate(mean_interval(chosen["value"].tolist())) in rows["SumPooling"][place]
    assert panel[""]["seeds"][0] != panel[""]["seeds"][1] and not any("true" in title for title in panel)
    assert table_cells(runs[:1]) is NOT_RUN and CELLS in ACROSS
