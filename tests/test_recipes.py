"""README's recipe and that of docs/EXTENDING.md, in a copy of the tree: one file, one line of YAML, no other edit."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIMIT = 20  # lines that a stranger writes
RECIPES = {"aggregators": "max_pooling", "objectives": "sub_sampled"}
PAGES = ("README.md", "docs/EXTENDING.md")
LISTS = {
    "aggregators": ("sum_pooling, self_attention]", "sum_pooling, self_attention, max_pooling]"),
    "objectives": ("objectives: [masked, mixture]", "objectives: [masked, mixture, sub_sampled]"),
}
CELLS = {"aggregators": "dense-max_pooling-masked", "objectives": "dense-poe-sub_sampled"}
CHECKED = """
from pathlib import Path
from pimvae.config import find_cell, load
from pimvae.data import job as data
from pimvae.evaluation import job as evaluation
from pimvae.planning.model_counts import count
from pimvae.training import job as training

cell = find_cell(load("smoke"), "linear", "{name}")
assert count(cell).operations > 0
data.run(cell.data, cell.seeds, Path("drawn"))
training.run(cell, Path("drawn"), Path("done"), "cpu")
evaluation.run(cell, Path("drawn"), Path("done"))
"""


def recipe(name: str) -> str:
    """The code of the block that follows the name of its file."""
    pages = "".join((ROOT / page).read_text() for page in PAGES)
    text = pages.partition(f"{name}.py`:")[2]
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture(params=RECIPES)
def kind(request):
    return request.param


@pytest.fixture
def tree(kind, tmp_path):
    """A copy of the tree with the recipe carried out."""
    for name in ("src", "config", "workflow", "tests", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    name = RECIPES[kind]
    (tmp_path / "src/pimvae" / kind / f"{name}.py").write_text(recipe(name))
    grid = tmp_path / "config/experiments/linear.yaml"
    text = grid.read_text()
    assert LISTS[kind][0] in text
    grid.write_text(text.replace(*LISTS[kind], 1))
    return tmp_path


def run(tree: Path, *command: str) -> None:
    path = os.pathsep.join(str(tree / part) for part in ("src", "tests", "."))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def test_a_recipe_is_short(kind):
    lines = [line for line in recipe(RECIPES[kind]).splitlines() if line.strip()]
    assert len(lines) <= LIMIT


@pytest.mark.parametrize("command", ["check --no-cache", "format --check"])
def test_a_recipe_as_printed_passes_the_linter(kind, command):
    """At its place in the tree, where the linter finds the modules that it imports; nothing is written there."""
    place = f"--stdin-filename=src/pimvae/{kind}/{RECIPES[kind]}.py"
    linter = [sys.executable, "-m", "ruff", *command.split(), place, "-"]
    done = subprocess.run(linter, cwd=ROOT, input=recipe(RECIPES[kind]), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_cell_of_the_new_scheme_is_trained_and_evaluated(kind, tree):
    run(tree, "-c", CHECKED.format(name=CELLS[kind]))
    assert (tree / "done/metrics.csv").read_text().count("kl_posterior") > 0


def test_the_laws_find_the_new_scheme(kind, tree):
    folder = f"tests/{kind}/test_laws.py"
    run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder, "-k", RECIPES[kind])


def test_the_configuration_takes_the_new_scheme_in(tree):
    run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_config.py", "-k", "grid")


def test_the_workflow_plans_the_new_cells(kind, tree):
    target = f"results/smoke/linear/{CELLS[kind]}/metrics.csv"
    run(tree, "-m", "snakemake", "-n", "--config", "scale=smoke", "device=cpu", "--", target)
