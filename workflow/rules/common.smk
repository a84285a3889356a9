# The configuration, and what several rules share. No science here: that is in src/pimvae.
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import textwrap
import time

sys.path.insert(0, str(ROOT / "src"))

from pimvae import archive, warm
from pimvae.results import provenance
from pimvae.config import find_cell, load
from pimvae.errors import UserError
from pimvae.kernels import kernels_of
from pimvae.planning.graph import TRUE_MODEL, bundle
from pimvae.planning.kept import Kept
from pimvae.planning.resources import baselines_job, ceiling_job, data_job
from pimvae.registry import names, summary
from pimvae.report.table import ACROSS

# What "auto" stands for is decided once: a compute node may have another device than the machine that started the run.
DECIDED = "PIMVAE_SCALE_AND_DEVICE"
if not workflow.is_main_process and DECIDED in os.environ:
    config.update(json.loads(os.environ[DECIDED]))

try:
    CONFIG = load(root=ROOT, settings=config)  # what 'all' runs
    WORKFLOW = load(root=ROOT, settings=config, beyond=True)  # what can be run
    SHIPPED = ROOT / "results" / "shipped" / CONFIG.scale
    MANIFEST = archive.verify(SHIPPED) if CONFIG.shipped else None
except UserError as error:
    sys.exit(f"pimvae: error: {error}")

SCALE = CONFIG.scale
OTHER_SCALES = [SHIPPED.with_name(name) for name in archive.shipped_scales(ROOT) if name != SCALE]  # shown beside
# Where this run writes; what is made from shipped results never mixes with what was trained here.
RESULTS = f"results/from_shipped/{SCALE}" if CONFIG.shipped else f"results/{SCALE}"
# What is collected and reported together, by the part of a path that tells it: 'all' reports its own cells, and 'beyond'
# those and the experiments beyond the publication, in folders of their own.
COLLECTIONS = {"": CONFIG} if CONFIG.shipped else {"": CONFIG, "beyond/": WORKFLOW}
COLLECTED = [f"{RESULTS}/{{collection}}{name}.csv" for name in ("metrics", "runs", "history", "settings")]
EXAMPLE_FIGURES = {  # figure: data
    "digits": "digits",
    "f3_bimodal": "bimodal",
    "f6_masked": "images",
    "f6_mixture": "images",
    "f7_unconditional": "images",
}
BESIDE = {"baselines": baselines_job, "ceiling": ceiling_job}  # what a data set is held against, beside the cells
ENVIRONMENT = ROOT / "workflow" / "envs" / "pimvae.yaml"
LATEX = shutil.which("latexmk") or shutil.which("tectonic")
LATEX_MISSING = (
    "no LaTeX found: everything but the PDF will be built. On Debian, as root: apt-get install -y latexmk "
    "texlive-latex-recommended texlive-latex-extra texlive-fonts-recommended; with conda: conda install -c "
    "conda-forge tectonic. Then run the same command again."
)

if workflow.is_main_process:
    os.environ[DECIDED] = json.dumps({"scale": SCALE, "device": CONFIG.device})
    print(CONFIG.headline(), file=sys.stderr)

# Jobs run this Python, and the package as it lies here; with --sdm, Python comes from the deployed environment.
PYTHON = "python" if workflow.deployment_settings.deployment_method else sys.executable
# Both places are named in the environment of a job: as parameters, another path of the project or of its Python would
# make every job due.
PIMVAE = '"$PIMVAE_PYTHON" -m pimvae.cli'
SCALE_OPTIONS = f'--scale {SCALE} --root "$PIMVAE_ROOT"'
BETAS = CONFIG.settings.betas or ()
CELL_OPTIONS = " ".join([SCALE_OPTIONS, *(["--betas", *map(str, BETAS)] if BETAS else ())])

shell.executable("bash")
PREFIX = (
    # Caches of LaTeX, Matplotlib and Jupyter lie below HOME, which not every node of a cluster has.
    'if ! [ -d "$HOME" ] || ! [ -w "$HOME" ]; then export HOME="$PWD/build/home"; mkdir -p "$HOME"; fi; '
    f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(ROOT / 'src'))} SOURCE_DATE_EPOCH=0 MPLBACKEND=agg PYTHONUTF8=1"
    f" PIMVAE_PYTHON={shlex.quote(PYTHON)} PIMVAE_ROOT={shlex.quote(str(ROOT))}"
    # glibc else gives the large tensors of a step back to the system and faults them in again at the next step.
    " MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_MMAP_THRESHOLD_=4000000000"
    # These change no result; as parameters of a rule, a change of them would train everything again.
    f" PIMVAE_CHECKPOINT_SECONDS={CONFIG.settings.checkpoint_seconds}"
    f" PIMVAE_BAD_CHECKPOINT={CONFIG.settings.bad_checkpoint}"
    f"{kernels_of((cell.train.compile for cell in WORKFLOW.cells), RESULTS)}; "
)
shell.prefix(PREFIX)


WARM = []  # the process below, kept as long as this one


def start_warm():
    """A process with all libraries that the jobs on this machine are forks of; it ends with this one."""
    if workflow.local_exec and CONFIG.device == "cpu" and not workflow.deployment_settings.deployment_method:
        os.environ[warm.VARIABLE] = place = os.path.join(tempfile.mkdtemp(prefix="pimvae-"), "socket")
        command = f'{PREFIX} OMP_NUM_THREADS=1 exec "$PIMVAE_PYTHON" -m pimvae.warm {shlex.join([place, RESULTS])}'
        WARM.append(subprocess.Popen(["bash", "-c", command], stdin=subprocess.PIPE, start_new_session=True))


def one_of(values):
    """A pattern for a wildcard that takes these values; for none of them, a pattern that fits nothing."""
    return "|".join(values) or "(?!)"


wildcard_constraints:
    experiment="|".join(WORKFLOW.experiments),
    cell=one_of(dict.fromkeys(cell.name for cell in WORKFLOW.cells)),
    figure="|".join(names("report.figures")),
    collection="(beyond/)?",


def local(paths):
    """Paths as they are seen from the working directory, where they lie below it."""
    return [os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else str(path) for path in paths]


def once(function):
    """The same function of wildcards, computed once for each: Snakemake asks several times for every job."""
    known = {}

    def remembered(wildcards):
        key = tuple(wildcards)
        if key not in known:
            known[key] = function(wildcards)
        return known[key]

    return remembered


@once
def cell_of(wildcards):
    """The cell of a job."""
    return find_cell(WORKFLOW, wildcards.experiment, wildcards.cell)


# What 'pimvae plan' counted and measured at this scale; cautious guesses stand in for what it did not.
PLAN = Kept(Path(RESULTS) / "plan.json")


@once
def urgency_of(wildcards):
    """The priority of a cell's jobs: what takes long starts early, so that no core waits for it in the end."""
    return PLAN.urgency(cell_of(wildcards), CONFIG.device)


def first_of(dataset):
    """The priority of a data set: that of the most urgent cell that reads it."""
    cells = (cell for cell in WORKFLOW.of(dataset.experiment) if cell.dataset == dataset.name)
    return max(PLAN.urgency(cell, CONFIG.device) for cell in cells)


# Groups of short jobs, where a profile says how many of them share a job of a cluster: not known when rules are read.
CELLS = lambda wildcards: bundle(urgency_of(wildcards)) if workflow.group_settings.group_components else None


def needs(estimate):
    """Memory, minutes and disk of a job, which a scheduler is told; a job that is tried again gets more."""
    job = once(estimate)
    return {
        key: lambda wildcards, attempt, threads, key=key: job(wildcards).request(attempt, threads)[key]
        for key in ("mem_mb", "runtime", "disk_mb")
    }


def as_json(*parts):
    """Settings as text; when it changes, the job runs again."""
    return json.dumps(
        [part.model_dump(mode="json") if hasattr(part, "model_dump") else part for part in parts],
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


def cell_manifest(wildcards):
    """The manifest that the data of a cell are held to."""
    cell = cell_of(wildcards)
    return f"{data_folder(cell.experiment, cell.dataset)}/manifest.json"


def cell_data_folder(wildcards):
    """The folder of the data set of a cell."""
    return data_folder(wildcards.experiment, cell_of(wildcards).dataset)


def cell_files(name, cells):
    """A file of every cell."""
    return [f"{RESULTS}/{cell.experiment}/{cell.name}/{name}" for cell in cells]


def lost_cells(collection):
    """A file that changes when cells of a collection are gone since they were collected, so that they are made again.

    Snakemake by itself looks for the files between data and results only once, until the results are there.
    """
    place, lost = Path(RESULTS, collection, "lost.txt"), []
    cells = COLLECTIONS[collection].cells
    if workflow.is_main_process:
        if (place.parent / "metrics.csv").is_file():
            files = cell_files("run.json", cells) + cell_files("metrics.csv", cells)
            lost = [path for path in files if not Path(path).is_file()]
        if lost or not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("\n".join([time.ctime(), *lost]), encoding="utf-8")
    return str(place)


def parts(wildcards):
    """The files that are joined to the results of a collection."""
    chosen = COLLECTIONS[wildcards.collection]
    return {
        "metrics": cell_files("metrics.csv", chosen.cells),
        "seals": cell_files("metrics.json", chosen.cells),
        "lost": LOST[wildcards.collection],
        "history": cell_files("history.csv", chosen.cells),
        "records": cell_files("run.json", chosen.cells),
        "ceilings": ceiling_files(chosen.datasets),
        "baselines": baseline_files(chosen.datasets),
        "classifiers": classifier_files(chosen.datasets),
    }


def figure_sources(wildcards):
    """Digest of the sources of one figure."""
    return provenance.digest(provenance.report_sources("figures", f"figures.{wildcards.figure}"))


def figure_examples(wildcards):
    """Example reconstructions, for the figures that show them."""
    kind = EXAMPLE_FIGURES.get(wildcards.figure)
    if CONFIG.shipped:
        return SHIPPED_EXAMPLES if kind else []
    return cell_files(
        "examples.npz", [cell for cell in COLLECTIONS[wildcards.collection].cells if cell.data.kind == kind]
    )


def content(registry, name, note=""):
    """What the report lists a table or figure under: as much of its summary as is short."""
    told = ACROSS.get(name) or summary(registry, name)
    short, *rest = re.split("(?=[,;:])", told.rstrip("."))
    for part in rest:
        if len(short + part) > 70:
            # A bare number would tell nothing.
            short += "" if ":" in short else textwrap.shorten(part, 66, placeholder=" …")
            break
        short += part
    return {"content": short + note}


def category(name, otherwise):
    """The chapter of the report that shows a table or figure."""
    return "Claims" if name.endswith("_claims") or name in ACROSS else otherwise


def notebook_inputs(wildcards):
    """What a notebook reads: the results, the shipped weights or the tests, if it shows them."""
    weights = local(sorted((ROOT / "results" / "shipped" / "laptop" / "weights").rglob("*.*")))
    if wildcards.notebook == "01_tour":
        return [path for path in weights if "dense-sum_pooling" in path]
    if wildcards.notebook == "02_read_the_results":
        return expand([*COLLECTED, JUDGED], collection="") + CLAIMS + weights
    if wildcards.notebook == "03_add_an_aggregator":
        return local([ROOT / "tests" / "aggregators" / "test_laws.py"])
    return []


def notebook_sources(wildcards):
    """Digest of the sources of one notebook."""
    return provenance.digest(provenance.notebook_sources(NOTEBOOKS[wildcards.notebook]))


def notebook_title(name):
    """Number and first heading of a notebook."""
    heading = json.loads(NOTEBOOKS[name].read_text(encoding="utf-8"))["cells"][0]["source"][0]
    return " ".join([name[:2], heading.lstrip("#").strip()])


def ceiling_files(datasets):
    """Log-likelihoods under the true model, one file per data set whose true model is known."""
    return [
        f"{RESULTS}/{dataset.experiment}/ceiling/{dataset.name}.csv" for dataset in datasets if has_ceiling(dataset)
    ]


def baseline_files(datasets):
    """Metrics of simple models, one file per data set."""
    return [f"{RESULTS}/{dataset.experiment}/baselines/{dataset.name}.csv" for dataset in datasets]


def classifier_files(datasets):
    """Accuracies of the classifiers, one file per data set of images."""
    return [
        f"{data_folder(dataset.experiment, dataset.name)}/classifiers.csv"
        for dataset in datasets
        if dataset.data.kind == "images"
    ]


def cell_classifiers(wildcards):
    """The classifiers that the evaluation of a cell reads."""
    cell = cell_of(wildcards)
    folder = data_folder(cell.experiment, cell.dataset)
    return [f"{folder}/classifiers.safetensors"] if cell.data.kind == "images" else []


def has_ceiling(dataset):
    """Whether the model that generated a data set is known, but not in closed form."""
    return dataset.data.kind in TRUE_MODEL


def reported(paper):
    """What a run ends with, of one of the papers: figures, tables, verdicts and the PDF, or all that would be in it."""
    pdf = GENERATED_TEX if LATEX is None else [f"paper/{paper}.pdf"]
    files = [*FIGURE_FILES, *TABLE_FILES, *WEBPAGES, f"{RESULTS}/{{collection}}claims.txt", *pdf]
    return expand(files, collection=PAPERS[paper])


def closing_words():
    """What the claims said and where the paper is, as far as this run came."""
    words = []
    headings = {"": f"claims at scale {SCALE}:", "beyond/": "with the experiments of 'snakemake beyond':"}
    for collection, heading in headings.items():
        claims = Path(RESULTS, collection, "claims.txt")
        if claims.is_file():
            words += ["", heading, claims.read_text(encoding="utf-8").rstrip()]
    compared, metrics = Path(RESULTS, "compare/compare.txt"), Path(RESULTS, "metrics.csv")
    if compared.is_file() and compared.stat().st_mtime >= metrics.stat().st_mtime:
        summary = "; ".join(compared.read_text(encoding="utf-8").splitlines()[-2:])
        words.append(f"fresh against shipped: {summary} (more: {compared.parent})")
    if LATEX is None:
        return "\n".join([*words, LATEX_MISSING])
    papers = {"paper": Path("paper/paper.pdf"), "with 'beyond'": Path("paper/beyond.pdf")}
    return "\n".join([*words, *(f"{name}: {path.resolve()}" for name, path in papers.items() if path.is_file())])
