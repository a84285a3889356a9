import re
from pathlib import Path

import pandas as pd
import pytest
from report.beyond import cells as beyond_cells
from report.identifiable import CELLS
from report.images import CELLS as IMAGE_CELLS
from report.synthetic import write_cells

from pimvae.chain import seal
from pimvae.claims.selection import diverged_replicas, select
from pimvae.claims.statistics import format_estimate, mean_interval
from pimvae.config.catalogue import catalogue
from pimvae.errors import UserError
from pimvae.registry import names
from pimvae.report import job
from pimvae.report.table import ACROSS
from pimvae.results import collect
from pimvae.results.files import Results

PAPER = Path(__file__).parents[2] / "paper"
SECTIONS = [PAPER / "main.tex", *sorted((PAPER / "sections").glob("*.tex"))]
TEXT = "\n".join(path.read_text() for path in SECTIONS)


@pytest.fixture(scope="module")
def macro_text(folder, tmp_path_factory):
    return job.macros(folder, tmp_path_factory.mktemp("tex") / "macros.tex", "laptop").read_text()


def test_every_value_that_the_text_uses_is_generated(macro_text):
    keys = set(re.findall(r"\\defkey\{([^}]+)\}", macro_text))
    used = {"val:" + ":".join(parts) for parts in re.findall(r"\\val" + r"\{([^}]+)\}" * 5, TEXT)}
    used |= {"setting:" + ":".join(parts) for parts in re.findall(r"\\setting" + r"\{([^}]+)\}" * 2, TEXT)}
    for command, key in (("bestof", "best"), ("abovecode", "above")):
        used |= {f"{key}:" + ":".join(parts) for parts in re.findall(rf"\\{command}" + r"\{([^}]+)\}" * 2, TEXT)}
    used |= {f"betas:{name}" for name in re.findall(r"\\betas\{([^}]+)\}", TEXT)}
    both = re.findall(r"\\twosettings" + r"\{([^}]+)\}" * 3, TEXT)
    used |= {f"setting:{name}:{key}" for *names, key in both for name in names}
    assert len(used) > 20
    assert used <= keys


def test_every_command_that_the_text_uses_is_defined(macro_text):
    prefixes = (
        "Claim|Check|Claims|Clipped|Diverged|Nonfinite|Seeds|Device|Result|Cell|Replica|Verdict|Version|ImageData"
    )
    used = set(re.findall(rf"\\((?:{prefixes})[A-Za-z]*)", TEXT))
    assert len(used) > 20
    assert used <= set(re.findall(r"\\newcommand\{\\([A-Za-z]+)\}", macro_text))


def test_every_table_and_figure_is_in_the_paper():
    shown = set(re.findall(r"\\generated(?:\[[^]]*\])?\{(\w+)\}", TEXT))
    assert shown == {*names("report.tables"), *ACROSS}
    assert set(re.findall(r"\\generatedfigure\{(\w+)\}", TEXT)) == set(names("report.figures"))


def test_every_label_and_citation_resolves():
    labels = re.findall(r"\\label\{([^}]+)\}", TEXT)
    assert len(labels) == len(set(labels))
    assert set(re.findall(r"\\(?:eq)?ref\{([^}]+)\}", TEXT)) <= set(labels)
    entries = set(re.findall(r"@\w+\{(\w+),", (PAPER / "references.bib").read_text()))
    cited = {key for keys in re.findall(r"\\cite[tp]\*?(?:\[[^]]*\])*\{([^}]+)\}", TEXT) for key in keys.split(",")}
    assert cited == entries


def test_no_decimal_number_is_typed():
    """Results have decimals; LaTeX lengths and comments aside, the text has none of its own."""
    plain = re.sub(r"(?m)%.*$|\\(?:setlength|includegraphics)\S*", "", "\n".join(p.read_text() for p in SECTIONS[1:]))
    assert re.findall(r"(?<![\w.{])\d+\.\d+", plain) == []


def test_values_are_means_over_seeds(macro_text, results):
    rows = select(results.metrics, {"dataset": "dense", "aggregator": "poe", "objective": "masked",
                                    "metric": "bound_gap"})  # fmt: skip
    expected = format_estimate(mean_interval(rows["value"].tolist()))
    assert rf"\defkey{{val:dense:poe:masked:bound_gap:average}}{{{expected}}}" in macro_text


def test_claims_files_and_lines(folder, tmp_path):
    lines = job.claims(folder, tmp_path)
    frame = pd.read_csv(tmp_path / "claims.csv")
    assert [line.split()[0].rstrip("*") for line in lines if line[:1] == "C"] == frame["claim"].tolist()
    assert frame.set_index("claim").loc["C8", "verdict"] == "holds"
    assert len(pd.read_csv(tmp_path / "claims_strata.csv")) > len(pd.read_csv(tmp_path / "claims_groups.csv")) > 0


def test_a_value_that_is_not_finite_counts_as_divergence(tmp_path):
    cells = write_cells(tmp_path, range(2))
    path = next(cell for cell in cells if cell.name == "dense-poe-masked") / "metrics.csv"
    frame = pd.read_csv(path)
    frame.loc[(frame["metric"] == "bound_gap") & (frame["seed"] == 1), "value"] = float("inf")
    frame.to_csv(path, index=False)
    seal(path.parent)
    collect.run(cells, tmp_path)
    bad = diverged_replicas(Results.load(tmp_path).metrics)
    assert bad[["dataset", "aggregator", "objective", "seed"]].to_numpy().tolist() == [["dense", "poe", "masked", 1]]


def test_run_rows(results):
    row = results.runs[results.runs["experiment"] == "linear"].iloc[0]
    assert row["ms_per_step"] == pytest.approx(1e3 * 9.0 / (1500 * 3))
    assert row["clipped_fraction"] == pytest.approx(10 / (1500 * 123456))  # of true entries: padding is never clipped
    assert len(results.runs) == 36 + len(CELLS) + len(beyond_cells()) + len(IMAGE_CELLS)
    assert row["replicas"] == 3


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    cells = write_cells(tmp_path, range(1))
    path = cells[0] / "metrics.csv"
    path.write_text(path.read_text()[:-4])
    with pytest.raises(UserError, match="cut off"):
        collect.run(cells, tmp_path / "out")


@pytest.mark.parametrize("name", ["metrics.csv", "history.csv", "run.json"])
def test_a_missing_file_of_a_cell_is_a_user_error(tmp_path, name):
    cells = write_cells(tmp_path, range(1))
    (cells[0] / name).unlink()
    with pytest.raises(UserError, match="does not exist"):
        collect.run(cells, tmp_path / "out")


def test_a_cell_twice_is_a_user_error(tmp_path):
    cells = write_cells(tmp_path, range(1))
    with pytest.raises(UserError, match="occurs twice"):
        collect.run([*cells, cells[0]], tmp_path / "out")


def test_an_unlisted_aggregator_has_a_look_of_its_own():
    look = catalogue().aggregator("brand_new")
    assert look.label == "brand_new" and look.colour.startswith("#")
    assert catalogue().order("aggregators", ["brand_new", "moe", "private_poe", "poe"])[:2] == ["poe", "moe"]
    private, public = catalogue().aggregator("private_poe"), catalogue().aggregator("poe")
    assert private.label == "PoE (private)" and private.colour == public.colour


def test_colours_and_markers_differ():
    looks = [catalogue().aggregator(name) for name in catalogue().entries["aggregators"]]
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == len(looks)
