import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pimvae.errors import UserError
from pimvae.report import first_screen, job, readme
from pimvae.report.prose import counted
from pimvae.report.readme import refresh, rewrite
from pimvae.report.source import Source, Verdicts
from pimvae.results.jobs import REPORT, read_jobs
from pimvae.results.ship import ship

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "README.md", ROOT / "docs" / "REVIEWERS.md"]
COMMAND = r"`snakemake --cores all --config scale=laptop 'experiments=\[[a-z,]+\]' -- results/laptop/claims\.txt`"
UNTOLD = "compared"  # the block that keeps its text unless there is a comparison to tell of


@pytest.fixture(scope="module")
def source(folder, tmp_path_factory):
    """The made-up results with verdicts, and the times of four jobs."""
    place = tmp_path_factory.mktemp("laptop")
    for name in ("metrics", "runs", "history", "settings"):
        (place / f"{name}.csv").write_bytes((folder / f"{name}.csv").read_bytes())
    job.claims(place)
    for name, seconds in (("linear/a-train", 90), ("linear/a-evaluate", 30), ("claims", 4), ("beyond/claims", 2)):
        path = place / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:01:00\t512\n")
    return Source.load(place, "laptop")


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_verdicts_are_those_of_the_claims_file(source):
    heading, _, *rows = cells(readme.verdicts(source))
    assert len(rows) == len(source.judgements) and len(heading) == len(rows[0])
    for row, one in zip(rows, source.judgements, strict=True):
        assert row[0].split()[0] == one.claim.id and row[1].rstrip("\\*") == one.stated
        if not one.pairs:
            assert set(row[2:-1]) == {"–"}
            continue
        counts = [int(count) for count in row[4].split(" : ")]
        assert (counts[0], sum(counts), counts[2]) == (one.as_claimed, len(one.groups), one.against)


def test_claims_are_the_first_columns_of_the_verdicts(source):
    short, full = (cells(block(source)) for block in (readme.BLOCKS["claims"], readme.verdicts))
    assert short == [row[:3] for row in full]


def test_verdicts_of_other_scales_come_first(source):
    """Those of a run of some of the experiments say which."""
    part = "bimodal"
    some = replace(source.results, runs=source.results.runs[source.results.runs["experiment"] == part])
    first = Verdicts("workstation", some, source.judgements)
    heading, _, *rows = cells(readme.verdicts(replace(source, before=(first,))))
    plain = cells(readme.verdicts(source))[2:]
    assert [name for name in heading if name.startswith("verdict")] == ["verdict, `workstation`", "verdict, `laptop`"]
    partial = 0
    for row, alone, one in zip(rows, plain, source.judgements, strict=True):
        assert len(row) == len(heading) and row[-2:] == alone[1:3]
        experiments = one.claim.experiment
        several = isinstance(experiments, list) and part in experiments and alone[1] != "not run"
        assert (f"of {part} only" in row[1]) == several
        partial += several
        assert row[2:6] == alone[2:6]
    assert partial
    assert replace(source, before=(first,)).pictured.scale == "laptop"  # not of a part of the experiments
    whole = replace(source, before=(replace(first, results=source.results),))
    assert whole.pictured.scale == "workstation" and "Scale `workstation`. Left" in first_screen.pictures(whole)
    said = first_screen.summary(replace(source, before=(first,)))
    assert said.index("Scale `workstation`") < said.index("Scale `laptop`")


def test_shipped_verdicts_are_those_of_the_run(folder, source, tmp_path):
    ship(folder, tmp_path / "laptop")
    shown = Verdicts.shipped(tmp_path / "laptop")
    verdicts = [[one.stated for one in run.judgements] for run in (shown, source)]
    assert shown.scale == "laptop" and verdicts[0] == verdicts[1]
    assert shown.experiments == source.experiments


def test_effects_are_rounded_to_their_interval(source):
    one = replace(source.judgements[0], pairs=9, effect=-0.2871, low=-0.4113, high=-0.1682)
    assert readme._expected(one) == "−0.29 [−0.41, −0.17] relative"
    assert readme._expected(replace(one, pairs=0)) == "–"


def test_every_claim_has_its_command_and_time(source):
    for row, one in zip(cells(readme.expected(source))[2:], source.judgements, strict=True):
        claim = one.claim
        assert row[0] == claim.id
        assert re.fullmatch(COMMAND, row[1])
        assert row[2] == ("2" if claim.experiment == "linear" else "–" if "linear" not in claim.experiment else row[2])


@pytest.mark.parametrize("place", [0, -1], ids=["published", "audit"])
def test_the_command_of_a_claim_makes_its_verdict_from_its_data(source, tmp_path, place):
    """The first claim, and the one of the audit, which is no part of 'make reproduce': a dry run finds its target."""
    program, *options = shlex.split(cells(readme.expected(source))[2:][place][1].strip("`"))
    plan = [sys.executable, "-m", program, "--dry-run", "--directory", str(tmp_path), *options]
    done = subprocess.run(plan, cwd=ROOT, capture_output=True, text=True, check=True)
    found = set(re.findall(r"^(\w+) +\d+$", done.stdout + done.stderr, flags=re.MULTILINE))
    drawn = {name.split("_")[1] for name in found if name.startswith("data_")}
    assert drawn == set(source.judgements[place].claim.experiments)
    assert "claims" in found and not {"paper", "figure", "all", "beyond"} & found


def test_at_scale_paper_a_command_leaves_out_what_is_beyond(source):
    _, command, *_ = cells(readme.expected(replace(source, scale="paper")))[2]
    assert "scale=paper 'experiments=[linear]' 'beyond=[]' -- results/paper/claims.txt" in command


def test_exceptions_are_the_groups_that_are_not_as_claimed(source):
    one = next(one for one in source.judgements if one.claim.id == "C2")
    groups = one.groups
    named = set(re.sub(r" and \d+ more", "", readme._exceptions(one)).split("; "))
    bad = set(groups.loc[~(groups["low"] > 0), "group"])
    assert {name.strip("*") for name in named} <= bad | {"none"}
    assert {name.strip("*") for name in named if "*" in name} <= set(groups.loc[groups["high"] < 0, "group"])


def test_times_are_sums_over_jobs(source):
    assert cells(readme.times(source))[2:] == [
        ["linear", "2", "2", "0.5 GB"], ["tables, figures, paper, notebooks", "2", "< 1", "0.5 GB"],
    ]  # fmt: skip


def test_memory_of_forks_is_what_they_noted(tmp_path):
    place = tmp_path / "benchmarks"
    (place / "linear").mkdir(parents=True)
    for name in ("linear/a-train", "linear/b-train", "claims"):
        (place / f"{name}.tsv").write_text("s\tmax_rss\n3\t12\n")
    (place / "memory.csv").write_text("job,max_rss\nlinear/b-train,1\nlinear/b-train,700\nclaims,400\n")
    jobs = read_jobs(tmp_path)
    assert jobs["part"].tolist() == ["linear", "linear", REPORT] and jobs["memory"].tolist() == [12, 700, 400]


def test_without_benchmarks_there_are_no_times(source, folder):
    bare = Source("laptop", source.results, source.judgements, read_jobs(folder / "no"))
    assert "No times were recorded" in readme.times(bare)
    assert cells(readme.expected(bare))[2][2] == "–"


def test_only_the_blocks_change_and_twice_is_once(source, tmp_path):
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- begin:times -->\nold\n<!-- end:times -->\nafter\n")
    rewrite(path, source)
    text = path.read_text()
    assert text.startswith("before\n<!-- begin:times (") and text.endswith("<!-- end:times -->\nafter\n")
    assert "old" not in text and "core minutes" in text
    assert refresh(text, source, "page.md") == text


def test_a_block_without_news_keeps_its_text(source, tmp_path):
    page = f"<!-- begin:{UNTOLD} -->\nsaid before\n<!-- end:{UNTOLD} -->\n"
    assert "\nsaid before\n<!-- end" in refresh(page, source, "page.md")
    told = refresh(page, replace(source, compared="2 of 3 numbers equal."), "page.md")
    assert "said before" not in told and "2 of 3 numbers equal." in told and "docs/figures/compare.png" in told


def test_the_summary_names_every_examined_claim_once_and_quotes_those_that_were_decided(source):
    said, _, note = first_screen.summary(source).partition("\n\nNot settled")
    heading, _, *lines = said.splitlines()
    kinds = {one.claim.id: one.stated for one in source.judgements if one.verdict != "not run"}
    assert re.fullmatch(rf"\*\*Scale `laptop`, {counted(len(kinds), 'claim')} tested:\*\*", heading)
    short = {one.claim.id: one.claim.short for one in source.judgements}
    found = {}
    for line in lines:
        count, verb, rest = re.fullmatch(r"- \*\*(\d+) ([^*]+)\*\*: (.*)\.", line).groups()
        named = {name: bool(mark) for name, mark in re.findall(r"\b(C\d+[a-z]?)\b(,? \(?not settled)?", rest)}
        assert int(count) == len(named)
        verdict = next(key for key, verbs in first_screen.VERBS.items() if verb in verbs)
        found |= {name: verdict + " (not settled)" * open_ for name, open_ in named.items()}
        assert all((short[name] in rest) == (verdict in first_screen.TOLD) for name in named)
    assert found == kinds
    assert bool(note) == any(kind.endswith("(not settled)") for kind in kinds.values())


def test_the_ending_is_a_shortened_list_of_verdicts(source):
    lines = first_screen.ending(source).splitlines()
    assert lines[1] == "claims at scale laptop:" and lines[2].startswith("C1a  ")
    assert lines[2 + first_screen.SHOWN] == f"... ({len(source.judgements) - first_screen.SHOWN} more)"


def test_the_time_of_the_laptop_scale_is_that_of_its_jobs(source):
    assert "| 5 minutes (two cores) | `make reproduce SCALE=laptop`" in first_screen.by_time(source)
    assert "| under an hour | `make reproduce SCALE=laptop`" in first_screen.by_time(replace(source, scale="smoke"))


@pytest.mark.parametrize(
    ("text", "helps"),
    [
        ("<!-- begin:verdict -->\n<!-- end:verdict -->", "did you mean 'verdicts'"),
        ("<!-- begin:times -->", "not closed"),
    ],
)
def test_a_wrong_block_is_a_user_error(source, text, helps):
    with pytest.raises(UserError, match=helps):
        refresh(text, source, "page.md")


def test_missing_verdicts_are_a_user_error(folder, tmp_path):
    with pytest.raises(UserError, match="decide the claims first"):
        Source.load(tmp_path, "laptop")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_pages_have_their_blocks(source, path):
    text = path.read_text()
    assert set(re.findall(r"<!-- begin:(\w+)", text)) <= set(readme.BLOCKS)
    assert refresh(refresh(text, source, path.name), source, path.name) == refresh(text, source, path.name)
    assert refresh(text, source, path.name) != text  # other results, other numbers: the blocks are alive


def test_verdicts_stand_nowhere_else():
    for path in FILES:
        outside = readme.MARKED.sub("", path.read_text())
        assert not re.findall(r"\bC\d+[a-z]?\b.*(?:undecided|holds|refuted|negligible)", outside)


def test_seeds_are_named_by_experiment_where_they_differ():
    rows = pd.DataFrame({"experiment": ["linear"] * 3 + ["bimodal"] * 5, "seed": [0, 1, 1, 0, 1, 2, 2, 3]})
    assert readme._seeds(rows) == "seeds a cell: 2 (linear), 4 (bimodal)"
    assert readme._seeds(rows[:3]) == "2 seeds a cell"
