# The configuration, and what several rules share. No science here: that is in src/pimvae.
import json
import os
import shlex
import shutil

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from pimvae import provenance
from pimvae.config import find_cell, load
from pimvae.errors import UserError
from pimvae.registry import names

try:
    CONFIG = load(root=ROOT, settings=config)
except UserError as error:
    sys.exit(f"pimvae: error: {error}")

SCALE = CONFIG.scale
RESULTS = f"results/{SCALE}"
EXAMPLE_FIGURES = {  # figure: data
    "digits": "digits",
    "f3_bimodal": "bimodal",
    "f6_masked": "images",
    "f6_mixture": "images",
    "f7_unconditional": "images",
}
ENVIRONMENT = ROOT / "workflow" / "envs" / "pimvae.yaml"
LATEX = shutil.which("latexmk") or shutil.which("tectonic")
LATEX_MISSING = (
    "no LaTeX found: everything but the PDF will be built. On Debian, as root: apt-get install -y latexmk "
    "texlive-latex-recommended texlive-latex-extra texlive-fonts-recommended; with conda: conda install -c "
    "conda-forge tectonic. Then run the same command again."
)

if workflow.is_main_process:
    print(CONFIG.headline(), file=sys.stderr)

# Jobs run this Python, and the package as it lies here; with --sdm, Python comes from the deployed environment.
PYTHON = "python" if workflow.deployment_settings.deployment_method else sys.executable
PIMVAE = f"{shlex.quote(PYTHON)} -m pimvae.cli"
SCALE_OPTIONS = f"--scale {SCALE} --root {shlex.quote(str(ROOT))}"

shell.executable("bash")
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(ROOT / 'src'))} SOURCE_DATE_EPOCH=0 MPLBACKEND=agg; "
)


wildcard_constraints:
    experiment="|".join(CONFIG.experiments),
    cell="|".join(dict.fromkeys(cell.name for cell in CONFIG.cells)),
    figure="|".join(names("report.figures")),


def local(paths):
    """Paths as they are seen from the working directory, where they lie below it."""
    return [
        os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else str(path)
        for path in paths
    ]


def cell_of(wildcards):
    """The cell of a job."""
    return find_cell(CONFIG, wildcards.experiment, wildcards.cell)


def as_json(*parts):
    """Settings as text; when it changes, the job runs again."""
    return json.dumps(
        [
            part.model_dump(mode="json") if hasattr(part, "model_dump") else part
            for part in parts
        ],
        sort_keys=True,
    )


def data_folder(experiment, dataset):
    """Where a data set lies."""
    return f"{RESULTS}/{experiment}/data/{dataset}"


def data_files(experiment, dataset, seeds):
    """The files of a data set, one per seed."""
    folder = data_folder(experiment, dataset)
    return [f"{folder}/seed{seed}.safetensors" for seed in seeds]


def cell_data(wildcards):
    """The data files that a cell reads."""
    cell = cell_of(wildcards)
    return data_files(cell.experiment, cell.dataset, cell.seeds)


def cell_data_folder(wildcards):
    """The folder of the data set of a cell."""
    return data_folder(wildcards.experiment, cell_of(wildcards).dataset)


def cell_files(name, wanted=lambda cell: True):
    """A file of every cell, or of every cell that is wanted."""
    return [
        f"{RESULTS}/{cell.experiment}/{cell.name}/{name}"
        for cell in CONFIG.cells
        if wanted(cell)
    ]


def figure_sources(wildcards):
    """Sources of one figure."""
    return local(provenance.report_sources("figures", f"figures.{wildcards.figure}"))


def figure_examples(wildcards):
    """Example reconstructions, for the figures that show them."""
    kind = EXAMPLE_FIGURES.get(wildcards.figure)
    return cell_files("examples.npz", lambda cell: cell.data.kind == kind)


def ceiling_files():
    """Log-likelihoods under the true model, one file per data set whose true model is known."""
    return [
        f"{RESULTS}/{dataset.experiment}/ceiling/{dataset.name}.csv"
        for dataset in CONFIG.datasets
        if has_ceiling(dataset)
    ]


def classifier_files(suffix):
    """Files of the classifiers, one per data set of images."""
    return [
        f"{data_folder(dataset.experiment, dataset.name)}/classifiers.{suffix}"
        for dataset in CONFIG.datasets
        if dataset.data.kind == "images"
    ]


def cell_classifiers(wildcards):
    """The classifiers that the evaluation of a cell reads."""
    cell = cell_of(wildcards)
    folder = data_folder(cell.experiment, cell.dataset)
    return [f"{folder}/classifiers.safetensors"] if cell.data.kind == "images" else []


def has_ceiling(dataset):
    """Whether the model that generated a data set is known, but not in closed form."""
    return dataset.data.kind in ("bimodal", "multimodal")


def closing_words():
    """What the claims said and where the paper is, as far as this run came."""
    claims, paper = Path(RESULTS) / "claims.txt", Path("paper/paper.pdf")
    words = []
    if claims.is_file():
        verdicts = claims.read_text(encoding="utf-8").rstrip()
        words += ["", f"claims at scale {SCALE}:", verdicts]
    if LATEX is None:
        words.append(LATEX_MISSING)
    elif paper.is_file():
        words.append(f"paper: {paper.resolve()}")
    return "\n".join(words)
