"""The workflow's plan: dry runs only, see test_smoke.py for a real one."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pimvae import archive

CELLS = {"smoke": 128, "laptop": 116, "paper": 128 + 196}
DATA = {
    "linear": ["dense", "sparse", "digits"], "bimodal": ["clusters"], "multimodal": ["complete", "half", "laplace"],
    "images": ["triples"],
}  # fmt: skip
BEYOND = {  # part of 'all' at the scale paper, elsewhere of 'beyond'
    "aggregators": ["loadings", "views", "views_half"],
    "audit": [f"loadings_{arm}" for arm in ("corrected", "subsets", "noise", "all")]
    + [f"views_{arm}" for arm in ("corrected", "subsets", "noise", "split", "all")],
    "scaling": [f"views_{count}" for count in (2, 4, 8, 16, 32)],
}
REPORT = {"collect": 1, "claims": 1, "tables": 1, "macros": 1, "paper_scale": 1, "webpages": 1,
          "render_notebook": 4, "all": 1}  # fmt: skip


def plan(root: Path, folder: Path, *options: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--directory", str(folder), *options]
    environment = {**os.environ, "PATH": path}
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment)


def jobs(text: str) -> dict[str, int]:
    """Numbers of jobs by rule, from the table that a dry run prints."""
    table = text.partition("Job stats:")[2].partition("\ntotal")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}


def drawn_at(scale: str, data: dict[str, list[str]]) -> set[str]:
    """Data sets of a scale: the laptop leaves some out."""
    drawn = {f"{experiment}_{name}" for experiment, names in data.items() for name in names}
    return drawn - ({"multimodal_laplace", "aggregators_views_half"} if scale == "laptop" else set())


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_every_cell_is_trained_and_evaluated(root, tmp_path, scale):
    done = plan(root, tmp_path, "--config", f"scale={scale}", "device=cpu")
    assert done.returncode == 0
    assert f"scale: {scale} (as set), device cpu, {CELLS[scale]} cells\n" in done.stderr
    found = jobs(done.stdout + done.stderr)
    assert found["train"] == found["evaluate"] + found["evaluate_examples"] == CELLS[scale]
    drawn = drawn_at(scale, DATA | (BEYOND if scale == "paper" else {}))
    assert {name for name in found if name.startswith("data_")} == {f"data_{name}" for name in drawn}
    assert {name for name in found if name.startswith("ceiling_")} == {
        f"ceiling_{name}" for name in drawn if name.partition("_")[0] in ("bimodal", "multimodal") or "views" in name
    }
    assert found | REPORT == found


def test_beyond_adds_its_cells_and_makes_a_report_of_its_own(root, tmp_path):
    done = plan(root, tmp_path, "--config", "scale=laptop", "device=cpu", "--", "beyond")
    found = jobs(done.stdout + done.stderr)
    assert found["train"] == CELLS["laptop"] + 196 - 33  # the cells of views_half
    assert {name for name in found if name.startswith("data_")} == {
        f"data_{name}" for name in drawn_at("laptop", DATA | BEYOND)
    }
    assert {"collect_beyond", "claims_beyond", "tables_beyond", "figure_beyond", "macros_beyond"} < found.keys()
    assert not {"collect", "claims", "tables", "figure", "macros", "paper"} & found.keys()


def test_one_cell_needs_its_own_data_only(root, tmp_path):
    done = plan(root, tmp_path, "--config", "scale=smoke", "--", "results/smoke/linear/dense-poe-masked/metrics.csv")
    assert jobs(done.stdout + done.stderr) == {"data_linear_dense": 1, "train": 1, "evaluate": 1}


def test_without_latex_everything_but_the_pdf_is_built(root, tmp_path):
    (tmp_path / "bin").mkdir()
    for program in ("bash", "which"):  # the SLURM plugin, where it is installed, looks around as soon as it is found
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    done = plan(root, tmp_path, "--config", "scale=smoke", path=str(tmp_path / "bin"))
    assert done.returncode == 0
    found = jobs(done.stdout + done.stderr)
    assert "paper" not in found
    assert found | REPORT == found


@pytest.mark.parametrize(
    ("setting", "helps"),
    [("scale=smok", "did you mean 'smoke'?"), ("scal=smoke", "did you mean 'scale'?"), ("device=gpu", "'cuda'")],
)
def test_a_wrong_setting_is_one_line(root, tmp_path, setting, helps):
    done = plan(root, tmp_path, "--config", setting)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("pimvae: error: ")]
    assert len(errors) == 1
    assert helps in errors[0]
    assert "Traceback" not in done.stderr


@pytest.fixture
def checkout(root, tmp_path) -> Path:
    """A root with shipped results: files that hold nothing, which is all that a plan looks at."""
    for part in ("config", "notebooks", "paper", "profiles", "src", "workflow"):
        (tmp_path / part).symlink_to(root / part)
    shutil.copy(root / "Snakefile", tmp_path)
    names = ["metrics.csv", "runs.csv", "history.csv.gz", "settings.csv.gz", "runs.json", "linear/a/examples.npz"]
    archive.pack(dict.fromkeys(names, b""), tmp_path / "results" / "shipped" / "laptop")
    return tmp_path


def test_shipped_results_are_not_trained_again(checkout):
    done = plan(checkout, checkout, "--config", "results=shipped", "device=cpu")
    assert done.returncode == 0, done.stderr
    assert "scale: laptop (shipped results), nothing is trained\n" in done.stderr
    found = jobs(done.stdout + done.stderr)
    made = {"claims", "tables", "figure", "macros", "paper_scale", "webpages"}
    assert set(found) - {"paper", "render_notebook"} == {"unpack", "all"} | made
    assert found["unpack"] == 1
    (checkout / "results" / "shipped" / "laptop" / "metrics.csv").write_text("another number")
    done = plan(checkout, checkout, "--config", "results=shipped", "device=cpu")
    errors = [line for line in done.stderr.splitlines() if line.startswith("pimvae: error: ")]
    assert done.returncode == 1 and len(errors) == 1 and "laptop/metrics.csv was changed" in errors[0]


def test_a_comparison_needs_shipped_results_before_anything_is_trained(root, checkout):
    options = ("--config", "device=cpu", "scale=laptop", "--", "compare")
    found = jobs((done := plan(checkout, checkout, *options)).stdout + done.stderr)
    assert (found["compare"], found["train"]) == (1, CELLS["laptop"])
    shutil.rmtree(checkout / "results")
    done = plan(checkout, checkout, *options)
    assert done.returncode == 1 and "results/shipped/laptop/manifest.json" in done.stdout + done.stderr
