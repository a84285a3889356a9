"""The workflow's plan: dry runs only, see test_smoke.py for a real one."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CELLS = {"smoke": 108, "laptop": 96, "paper": 108}
DATA = {
    "linear": ["dense", "sparse", "digits"], "bimodal": ["clusters"], "multimodal": ["complete", "half", "laplace"],
}  # fmt: skip
REPORT = {"collect": 1, "claims": 1, "tables": 1, "macros": 1, "paper_scale": 1, "webpages": 1,
          "render_notebook": 3, "all": 1}  # fmt: skip


def plan(root: Path, folder: Path, *options: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--directory", str(folder), *options]
    environment = {**os.environ, "PATH": path}
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment)


def jobs(text: str) -> dict[str, int]:
    """Numbers of jobs by rule, from the table that a dry run prints."""
    table = text.partition("Job stats:")[2].partition("\ntotal")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_every_cell_is_trained_and_evaluated(root, tmp_path, scale):
    done = plan(root, tmp_path, "--config", f"scale={scale}", "device=cpu")
    assert done.returncode == 0
    assert f"scale: {scale} (as set), device cpu, {CELLS[scale]} cells\n" in done.stderr
    found = jobs(done.stdout + done.stderr)
    assert found["train"] == found["evaluate"] + found["evaluate_examples"] == CELLS[scale]
    drawn = {f"{experiment}_{name}" for experiment, names in DATA.items() for name in names}
    drawn -= {"multimodal_laplace"} if scale == "laptop" else set()
    assert {name for name in found if name.startswith("data_")} == {f"data_{name}" for name in drawn}
    assert {name for name in found if name.startswith("ceiling_")} == {
        f"ceiling_{name}" for name in drawn if not name.startswith("linear")
    }
    assert found | REPORT == found


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
