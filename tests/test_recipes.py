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
import sys
from pathlib import Path
from pimvae.config import find_cell, load
from pimvae.data import job as data
from pimvae.evaluation import job as evaluation
from pimvae.planning.model_counts import count
from pimvae.training import job as training

for name in sys.argv[1:]:
    cell = find_cell(load("smoke"), "linear", name)
    assert count(cell).operations > 0
    data.run(cell.data, cell.seeds, Path("drawn"))
    training.run(cell, Path("drawn"), Path(name), "cpu")
    evaluation.run(cell, Path("drawn"), Path(name))
"""


def recipe(name: str) -> str:
    """The code of the block that follows the name of its file."""
    pages = "".join((ROOT / page).read_text() for page in PAGES)
    text = pages.partition(f"{name}.py`:")[2]
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the tree with the recipes carried out."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("src", "config", "workflow", "tests", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    grid = folder / "config/experiments/linear.yaml"
    for kind, name in RECIPES.items():
        (folder / "src/pimvae" / kind / f"{name}.py").write_text(recipe(name))
        text = grid.read_text()
        assert LISTS[kind][0] in text
        grid.write_text(text.replace(*LISTS[kind], 1))
    return folder


def run(tree: Path, *command: str) -> str:
    path = os.pathsep.join(str(tree / part) for part in ("src", "tests", "."))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    return said


@pytest.mark.parametrize("name", RECIPES.values())
def test_a_recipe_is_short(name):
    lines = [line for line in recipe(name).splitlines() if line.strip()]
    assert len(lines) <= LIMIT


def test_cells_of_the_new_schemes_are_trained_and_evaluated(tree):
    run(tree, "-c", CHECKED, *CELLS.values())
    for name in CELLS.values():
        assert (tree / name / "metrics.csv").read_text().count("kl_posterior") > 0


def test_laws_and_configuration_take_the_new_schemes_in(tree):
    files = [f"tests/{kind}/test_laws.py" for kind in RECIPES] + ["tests/test_config.py"]
    chosen = " or ".join([*RECIPES.values(), "grid"])
    said = run(tree, "-m", "pytest", "-v", "-p", "no:cacheprovider", *files, "-k", chosen)
    for kind, name in RECIPES.items():
        assert re.search(rf"tests/{kind}/test_laws\.py::\w+\[.*{name}.*\] PASSED", said)
    assert re.search(r"tests/test_config\.py::\w*grid\w* PASSED", said)


def test_the_workflow_plans_the_new_cells(tree):
    targets = [f"results/smoke/linear/{name}/metrics.csv" for name in CELLS.values()]
    said = run(tree, "-m", "snakemake", "-n", "--config", "scale=smoke", "device=cpu", "--", *targets)
    assert all(f"train linear/{name}" in said for name in CELLS.values())
