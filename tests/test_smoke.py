"""The whole workflow at smoke scale in a copy of the repository, and what a change then makes it do again."""

import contextlib
import csv
import html
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from browser import PROGRAM, browser
from test_dag import jobs

from pimvae.config import load
from pimvae.registry import names
from pimvae.results.provenance import training_sources
from pimvae.results.ship import ship

pytestmark = pytest.mark.smoke
ROOT = Path(__file__).parents[1]
KEYS = ("experiment", "dataset", "aggregator", "objective", "prior", "beta", "seed")
PARTS = ["config", "notebooks", "paper", "src", "tests", "workflow"]
HAS_LATEX = bool(shutil.which("latexmk") or shutil.which("tectonic"))
PAPER = {"paper": 1} if HAS_LATEX else {}
# Whether each picture that the report carries can be shown.
LOADED = """Promise.all(Object.values(results).map(result => result.data_uri)
    .filter(uri => uri.startsWith("data:image"))
    .map(uri => new Promise(done => {
        const picture = new Image();
        picture.onload = () => done(picture.naturalWidth > 100);
        picture.onerror = () => done(false);
        picture.src = uri;
    })))"""
READERS = {"render_notebook": 2}  # the two notebooks that draw this figure


def snakemake(copy: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "--config", "scale=smoke", *options]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, env=environment)


def planned(copy: Path) -> dict[str, int]:
    done = snakemake(copy, "--dry-run")
    assert done.returncode == 0, done.stderr
    return {name: count for name, count in jobs(done.stdout + done.stderr).items() if name != "all"}


@pytest.fixture(scope="module")
def copy(root, tmp_path_factory) -> Path:
    return copied(root, tmp_path_factory.mktemp("smoke"))


def copied(root: Path, folder: Path) -> Path:
    for part in PARTS:
        ignore = shutil.ignore_patterns("__pycache__", "tables" if part == "paper" else "-", "build", "*.pdf")
        shutil.copytree(root / part, folder / part, ignore=ignore)
    for file in ("Snakefile", "pyproject.toml"):
        shutil.copy(root / file, folder)
    (folder / "profiles").symlink_to("workflow/profiles")
    return folder


@pytest.fixture(scope="module")
def first(copy) -> subprocess.CompletedProcess[str]:
    """The one real run; every other test looks at what it left."""
    done = snakemake(copy)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done


@pytest.fixture
def changed(copy, first):
    """Change files for the length of one test."""
    before: dict[Path, str] = {}

    def change(file: str, old: str, new: str) -> None:
        path = copy / file
        before[path] = path.read_text()
        assert old in before[path]
        path.write_text(before[path].replace(old, new, 1))

    yield change
    for path, text in before.items():
        path.write_text(text)


def test_the_run_says_what_it_does_and_found(first):
    said = first.stderr
    assert "scale: smoke (as set), device " in said
    assert "train linear/dense-sum_pooling-masked" in said
    assert "claims at scale smoke:\nC1a" in said
    assert ("paper/paper.pdf\n" if HAS_LATEX else "no LaTeX found") in said.partition("claims at scale")[2]


def test_every_replica_has_metrics(copy, first):
    with (copy / "results/smoke/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    replicas = {tuple(row[key] for key in KEYS) for row in rows}
    # Rows of their own have the true models of four data sets, the classifiers of one seed and the simple models of
    # every data set.
    config = load("smoke", copy)
    trained = sum(len(cell.seeds) * len(cell.objective.betas) for cell in config.cells)
    assert len(replicas) == trained + 2 * 4 + 1 + sum(len(dataset.seeds) for dataset in config.datasets)
    assert {row["metric"] for row in rows} >= {"llh", "llh_gap", "bound_gap", "kl_posterior", "rate", "diverged",
                                               "ceiling_gap", "mcc_strong_mean", "cluster_accuracy",
                                               "coherence"}  # fmt: skip


@pytest.mark.skipif(not HAS_LATEX, reason="needs LaTeX")
def test_the_paper_is_a_pdf_and_the_same_bytes_again(copy, first):
    content = (copy / "paper/paper.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert snakemake(copy, "--forcerun", "paper").returncode == 0
    assert (copy / "paper/paper.pdf").read_bytes() == content


@pytest.mark.skipif(not HAS_LATEX, reason="needs LaTeX")
def test_the_paper_has_no_typesetting_faults(copy, first):
    assert "typesetting faults" not in (copy / "results/smoke/logs/paper.log").read_text()


def test_tables_and_notebooks_are_web_pages_that_fetch_nothing(copy, first):
    pages = [*copy.glob("results/smoke/tables/*.html"), *copy.glob("results/smoke/notebooks/*.html")]
    assert len(pages) == len(names("report.tables")) + 4
    for page in pages:
        text = page.read_text()
        assert text.rstrip().endswith("</html>")
        assert 'src="http' not in text and "import(" not in text


@pytest.mark.parametrize(("name", "said"), [
    ("01_tour", [r"exact (-[\d.]+); masked \1\b"]),
    ("02_read_the_results", []),
    ("03_add_an_aggregator", [r"(?m)^\d{2} passed", "max_pooling − sum_pooling"]),
    ("04_own_data", [r"diagnosis +categorical +2 classes: benign, malignant", r"R² 0\.[789]\d",
                     r"\b(8[6-9]|9\d|100) % lie in", r"\b(8[6-9]|9\d|100) % of the held-out diagnoses"]),
])  # fmt: skip
def test_a_notebook_finds_and_shows_what_it_says(copy, first, name, said):
    text = (copy / f"results/smoke/notebooks/{name}.html").read_text()
    plain = html.unescape(re.sub("<[^>]*>", "", text))
    assert [pattern for pattern in said if not re.search(pattern, plain)] == []
    kept = (copy / f"notebooks/{name}.ipynb").read_text().count('"image/png": "')  # in git with its outputs, or without
    # One of those kept is drawn from shipped weights, which the copy lacks.
    wanted = kept - 1 if kept else {"03_add_an_aggregator": 1, "04_own_data": 2}[name]
    assert text.count('src="data:image/png') == wanted
    assert not (copy / "src/pimvae/aggregators/max_pooling.py").exists()


def test_the_report_is_one_file(copy, first):
    done = snakemake(copy, "--report", "report.html")
    assert done.returncode == 0, done.stderr[-3000:]
    text = (copy / "report.html").read_text()
    for name in ("f2_linear_gap.png", "t1_dense_digits.html", "claims.csv", "01_tour.html"):
        assert name in text
    assert 'src="http' not in text


@pytest.mark.skipif(PROGRAM is None, reason="needs Chromium")
def test_the_report_opens_in_a_browser_with_all_of_its_pictures(copy, first, tmp_path):
    if not (copy / "report.html").is_file():
        assert snakemake(copy, "--report", "report.html").returncode == 0
    with browser(tmp_path) as tab:
        tab.open(copy / "report.html")
        assert "Start with Claims" in tab.ask("document.body.innerText")
        loaded = tab.ask(LOADED)
        assert len(loaded) == len(names("report.figures")) and all(loaded)
        assert tab.errors == []


def test_nothing_is_left_to_do(copy, first):
    assert planned(copy) == {}


def test_a_run_killed_at_random_moments_gives_the_same_metrics(root, copy, first, tmp_path):
    """Snakemake and all of its jobs, kill -9, again and again: what is there in the end is the same, byte for byte."""
    folder, moments = copied(root, tmp_path), random.Random(1)
    cells = ["linear/dense-self_attention-masked", "multimodal/half-sum_pooling-masked-mixture_prior"]
    command = [sys.executable, "-m", "snakemake", *(f"results/smoke/{cell}/metrics.csv" for cell in cells)]
    options = ["--cores", "2", "--config", "scale=smoke", "checkpoint_seconds=0"]
    for _ in range(4):
        running = subprocess.Popen([*command, *options], cwd=folder, start_new_session=True, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(4 + 4 * moments.random())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        subprocess.run([*command, *options, "--unlock"], cwd=folder, capture_output=True, check=True)
    done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for cell in cells:
        expected = (copy / "results/smoke" / cell / "metrics.csv").read_bytes()
        assert (folder / "results/smoke" / cell / "metrics.csv").read_bytes() == expected
    assert not list((folder / "results/smoke/checkpoints").rglob("*.safetensors"))


def test_a_touched_source_changes_nothing(copy, first):
    (copy / "src/pimvae/training/loop.py").touch()
    assert planned(copy) == {}


def test_a_changed_figure_is_drawn_again_and_no_other(copy, changed):
    changed("src/pimvae/report/figures/f2_linear_gap.py", "\n", "\n# changed\n")
    assert planned(copy) == {"figure": 1} | READERS | PAPER


def test_a_changed_table_leaves_the_results_alone(copy, changed):
    changed("src/pimvae/report/tables/t9_compute.py", "\n", "\n# changed\n")
    assert planned(copy) == {"tables": 1} | PAPER


def test_a_changed_page_of_tables_is_a_changed_table(copy, changed):
    changed("src/pimvae/report/tables.yaml", "\n", "\n# changed\n")
    assert planned(copy) == {"tables": 1, "render_notebook": 1} | PAPER


def test_a_changed_text_only_compiles_the_paper(copy, changed):
    changed("paper/main.tex", "\n", "\n% changed\n")
    assert planned(copy) == PAPER


def test_a_changed_aggregator_retrains_its_cells_only(copy, changed):
    changed("src/pimvae/aggregators/moe.py", "\n", "\n# changed\n")
    done = snakemake(copy, "--dry-run")
    trained = set(re.findall(r"train (\w+/\S+)", done.stdout + done.stderr))
    # moe_plus is a moe with other encoders, and other aggregators may use it too: whoever imports the file.
    changed_file = ROOT / "src/pimvae/aggregators/moe.py"
    cells = [cell for cell in load("smoke", copy).cells if changed_file in training_sources(cell)]
    assert trained == {f"{cell.experiment}/{cell.name}" for cell in cells}
    assert {"moe", "moe_plus"} <= {cell.model.aggregator for cell in cells}


def test_a_changed_objective_retrains_its_cells_only(copy, changed):
    changed("src/pimvae/objectives/masked.py", "\n", "\n# changed\n")
    done = snakemake(copy, "--dry-run")
    trained = set(re.findall(r"train (\w+/\S+)", done.stdout + done.stderr))
    cells = [(cell.experiment, cell.name, cell.objective.name) for cell in load("smoke", copy).cells]
    assert trained == {f"{experiment}/{name}" for experiment, name, objective in cells if objective == "masked"}
    assert 0 < len(trained) < len(cells)


def test_other_sample_sizes_evaluate_again_without_training(copy, changed):
    changed("config/scales/smoke.yaml", "    particles: 16", "    particles: 17")
    found = planned(copy)
    assert "train" not in found
    assert found["evaluate"] + found["evaluate_examples"] == len(load("smoke", copy).cells)


def test_other_steps_train_again(copy, changed):
    changed("config/scales/smoke.yaml", "    steps: 4", "    steps: 5")
    found = planned(copy)
    assert found["train"] == len(load("smoke", copy).cells)
    assert not {name for name in found if name.startswith("data_")}


def test_shipped_results_give_the_same_bytes_without_torch(copy, first):
    """Last, for it leaves tables and figures that are made from the shipped results; the paper would be made alike."""
    results = copy / "results"
    ship(results / "smoke", results / "shipped" / "smoke")
    kept = ["figures/smoke/digits.pdf", "figures/smoke/f3_bimodal.csv", "paper/tables/smoke/t1_dense_digits.tex"]
    before = [(copy / name).read_bytes() for name in kept]
    blocked = copy / "src" / "torch.py"  # found before the real one, by the workflow and by its jobs
    blocked.write_text("raise ImportError('torch is blocked')")
    done = snakemake(copy, "results=shipped", "--", *kept, "results/from_shipped/smoke/claims.json")
    blocked.unlink()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    assert "nothing is trained" in done.stderr and "claims at scale smoke:\nC1a" in done.stderr
    assert [(copy / name).read_bytes() for name in kept] == before
    verdicts = [(results / folder / "claims.json").read_bytes() for folder in ("smoke", "from_shipped/smoke")]
    assert verdicts[0] == verdicts[1]
    assert not {"train", "evaluate", "collect", "claims"} & planned(copy).keys()
