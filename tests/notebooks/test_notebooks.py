"""The notebooks as they lie in git: two with outputs, to be read without being run. The smoke run runs all of them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pimvae.results import provenance

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
KEPT = ("01_tour", "02_read_the_results")  # 'make notebooks' writes their outputs
# The kernel's own warnings about event loops and transports are no matter of the notebooks.
RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def content(request):
    return json.loads(request.param.read_text())


def code(content) -> str:
    return "\n".join("".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code")


def execute(source: Path, folder: Path, **environment: str) -> dict:
    """Run a notebook in ``folder``, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(source), str(folder / "done.ipynb")],
        cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(FOLDER.parent / "src"), "IPYTHONDIR": str(folder)} | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "done.ipynb").read_text())


def printed(content: dict) -> str:
    outputs = [output for cell in content["cells"] for output in cell.get("outputs", [])]
    return "".join("".join(output.get("text", "")) for output in outputs if output["output_type"] == "stream")


def images(content: dict) -> int:
    outputs = [output for cell in content["cells"] for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_there_are_four():
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]


def test_outputs_are_kept_where_they_are_read_and_nothing_of_the_machine(content, request):
    path = request.node.callspec.params["content"]
    shown = [cell["outputs"] for cell in content["cells"] if cell.get("outputs")]
    assert bool(shown) == (path.stem in KEPT)
    assert path.stat().st_size < 500_000
    assert all(cell.get("execution_count") is None for cell in content["cells"])
    assert set(content["metadata"]) == {"kernelspec", "language_info", "pimvae"}
    text = json.dumps([output for outputs in shown for output in outputs if "image/png" not in output.get("data", {})])
    assert "stderr" not in text and "Traceback" not in text
    assert str(FOLDER.parent) not in text and "/home/" not in text


def test_kept_outputs_show_pictures_and_the_shipped_results():
    tour, read = (json.loads(path.read_text()) for path in NOTEBOOKS[:2])
    assert images(tour) == 6 and images(read) == 4
    assert "reading results/shipped/laptop" in printed(read)


def test_kept_outputs_come_from_shipped_weights():
    """Latents recovered from the weights as well as the table says."""
    tour, read = (printed(json.loads(path.read_text())) for path in NOTEBOOKS[:2])
    assert "masked: seed 0, 5 modalities" in tour and "mixture: seed 0, 5 modalities" in tour
    shipped = {path.parent.name for path in (FOLDER.parent / "results/shipped/laptop/weights").glob("*/*/run.json")}
    assert set(re.findall(r"(?m)^(\S+-\S+) +seed 0, ", read)) == shipped
    for rule in ("strong", "weak"):
        found = float(re.search(rf"{rule} recovery from the shipped weights: ([\d.]+)", read)[1])
        assert found == pytest.approx(float(re.search(rf"mcc_{rule}_mean +([\d.]+)", read)[1]), abs=2e-5)


def test_prose_needs_no_script_to_be_read(content):
    """Formulas are plain text: mathematics in dollars would need a script from the network once it is HTML."""
    prose = "\n".join("".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "markdown")
    assert "$" not in prose


def test_cells_are_short(content):
    lengths = ["".join(cell["source"]).count("\n") + 1 for cell in content["cells"] if cell["cell_type"] == "code"]
    assert max(lengths[1:]) <= 24  # the first has the imports


def test_without_results_a_tiny_run_is_read(tmp_path):
    """In a copy of the package, so that no results of this checkout are found."""
    for part in ("src", "config"):
        shutil.copytree(FOLDER.parent / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    done = execute(FOLDER / "02_read_the_results.ipynb", tmp_path, PYTHONPATH=str(tmp_path / "src"))
    assert "four cells were trained for a few steps" in printed(done)
    assert images(done) == 3


@pytest.mark.parametrize("place", ["results/laptop", "results/shipped/laptop"])
def test_results_are_found_where_they_lie(place, tmp_path):
    """Only the cell that chooses is run: a fresh run goes before the shipped one."""
    found = re.search(r"(?m)^places = .*?(?=^if folder is None)", code(json.loads(NOTEBOOKS[1].read_text())), re.S)
    for where in {"results/shipped/laptop", place}:
        (tmp_path / where).mkdir(parents=True)
        (tmp_path / where / "metrics.csv").touch()
    names = {"Path": Path, "os": os, "root": tmp_path}
    exec(found[0], names)
    assert names["folder"] == tmp_path / place


def test_the_scheme_of_the_notebook_is_that_of_the_readme():
    scheme = re.search(r"SCHEME = '''\n(.*?)'''", code(json.loads(NOTEBOOKS[2].read_text())), re.S)[1]
    assert scheme in (FOLDER.parent / "README.md").read_text()


def test_the_workflow_knows_the_sources_of_a_notebook():
    found = {path.stem for path in provenance.notebook_sources(NOTEBOOKS[0])}
    assert {"oracle", "anatomy", "loop", "style"} <= found
    assert "sum_pooling" in found, "what it looks up in a registry is named in its metadata"
    assert "claims" not in found
