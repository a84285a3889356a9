"""Memory, disk and time of jobs, estimated from configuration and counts: what Snakemake tells a scheduler."""

__all__ = ["CAUTIOUS", "GPU_MIB", "JOB", "MARGIN", "START", "Job", "Speed", "baselines_job", "ceiling_job", "data_job",
           "device_memory", "evaluated_on", "evaluation_job", "evaluation_operations", "training_job"]  # fmt: skip

from dataclasses import dataclass
from itertools import product
from math import ceil

from pimvae.config.experiments import DataSet
from pimvae.config.schema import Cell
from pimvae.planning.counts import Counts
from pimvae.planning.datasets import image_bytes, raw_image_bytes, shape

MIB = 2**20
FLOAT, DOUBLE = 4, 8
# What a process holds before it does anything: Python, torch, the tables of the evaluation; CUDA keeps a context.
PROCESS_MIB = {"cpu": 400, "cuda": 1500}
CHUNKS_MIB = 350  # of the chunks in which an evaluation goes through near-exact likelihoods and quadratures
OPTIMISER = 3  # numbers per parameter beside those of a checkpoint: the gradient, a clean copy of it, a work space
HELD = 4  # numbers of a step for each that is kept for the backward pass: itself, its gradient, work space
ON_DEVICE = {"images"}  # kinds that are evaluated where they were trained
SPLITS, ALONE = {"bimodal": 2}, {"images": 1}  # that are evaluated; likelihoods of modalities one by one, as whole ones
GRID = 64**2  # passes of the decoder for the likelihood of a point with one or two latents: cells of its first grid
REPLICA, SAMPLE = 0.2, 2e-5  # seconds of an evaluation beside its operations: correlations, assignments
MARGIN = 1.5  # what a job asks for over what it should need
START, JOB = 10.0, 2.0  # seconds until a job works: at most, as it is asked for, and as a rule
GPU_MIB = 16_000  # memory of a GPU that nobody looked at


@dataclass(frozen=True)
class Speed:
    """Seconds of a step: ``step`` + operations / ``training``; evaluation: operations / ``evaluation``."""

    step: float
    training: float
    evaluation: float

    def training_seconds(self, cell: Cell, counts: Counts) -> float:
        """Seconds of the training of all replicas."""
        return cell.train.steps * (self.step + len(cell.members) * counts.operations / self.training)

    def busy(self, cell: Cell, counts: Counts) -> float:
        """Share of a step that goes with its operations: the rest, launches mostly, keeps no GPU busy."""
        work = len(cell.members) * counts.operations / self.training
        return work / (self.step + work)

    def evaluation_seconds(self, cell: Cell, counts: Counts) -> float:
        """Seconds of the evaluation of all replicas."""
        simple = len(cell.members) * (REPLICA + SAMPLE * shape(cell.data).samples)
        return simple + len(cell.seeds) * evaluation_operations(cell, counts) / self.evaluation


# A slow core, or a GPU that several trainings share: a limit that is too low costs a job, one that is too high some
# minutes in a queue. Sixteen trainings on an H200 were faster.
CAUTIOUS = {"cpu": Speed(0.03, 10e9, 2e9), "cuda": Speed(0.01, 1e12, 2e9)}


@dataclass(frozen=True)
class Job:
    """What one job needs: MiB of memory, MiB that it writes, seconds."""

    memory: int
    disk: int
    seconds: float

    def request(self, attempt: int = 1, processes: int = 1) -> dict[str, int]:
        """Snakemake's resources: with a margin, and at every further attempt twice the memory and the time.

        Several processes are given the memory of one each; the time is that of one.
        """
        factor = 2 ** (attempt - 1)
        return {
            "mem_mb": ceil(self.memory * MARGIN * factor * processes),
            "runtime": (5 + ceil(2 * self.seconds / 60)) * factor,
            "disk_mb": max(1, self.disk),
        }


def evaluation_operations(cell: Cell, counts: Counts) -> int:
    """Operations of the evaluation of one seed: every β after every share of the steps, as `pimvae.evaluation` has it.

    Near-exact likelihoods, those with the encoder as proposal, and draws from posteriors. Points whose heavy-tailed
    weights call for a second refinement, twice as long, or for annealing are not foreseen: a fifth of those of E4 at
    laptop scale, three fifths at workstation scale.
    """
    form, sizes, kind = shape(cell.data), cell.evaluation, cell.evaluator
    points, subsets = min(sizes.llh_samples, form.samples), form.modalities + 1  # all modalities, and each alone
    passes = drawn = 0
    for share, beta in product(cell.train.shares, cell.objective.betas):
        last, splits = share == 1, SPLITS.get(kind, 1) if share == 1 else 1
        if last or (kind == "images" and share >= 0.5):
            drawn += splits * subsets
        if (last or kind != "linear") and (beta == 1 or kind == "multimodal" or (last and kind == "bimodal")):
            passes += (splits + last * ALONE.get(kind, 0)) * (_near_exact_passes(cell) + last * sizes.particles)
    return points * passes * counts.particle + sizes.samples * sizes.draws * drawn * counts.draw


def _near_exact_passes(cell: Cell) -> int:
    """Passes of the decoder for the near-exact likelihood of a point; a gradient in z is one more."""
    latent, sizes = cell.model.latent + shape(cell.data).modalities * cell.model.private_latent, cell.evaluation
    if latent <= 2:
        return GRID
    return 2 * 2 * max(8, ceil(latent / 5)) * sizes.refinement_steps + sizes.refined_particles


def data_job(dataset: DataSet) -> Job:
    """Drawing a data set for every seed."""
    if dataset.data.kind == "images":
        return _image_data_job(dataset)
    form = shape(dataset.data)
    amount = form.samples * form.modalities * form.width
    latents = form.samples * 32 * DOUBLE
    memory = 200 + (4 * DOUBLE * amount + latents) / MIB
    written = len(dataset.seeds) * (FLOAT * amount + latents) / MIB
    return Job(ceil(memory), ceil(written), START + len(dataset.seeds) * (2 + amount / 1e6))


def _image_data_job(dataset: DataSet) -> Job:
    """Pictures are read or drawn, halved and paired, then copied, checked and written."""
    raw, written = raw_image_bytes(dataset.data), image_bytes(dataset.data)
    seconds = START + len(dataset.seeds) * (2 + (raw + written) / 1e7)
    return Job(ceil(200 + 3 * (raw + written) / MIB), ceil(len(dataset.seeds) * written / MIB), seconds)


def training_job(cell: Cell, counts: Counts, device: str, speed: Speed | None = None) -> Job:
    """Training all replicas of a cell; on CUDA the memory is that of the host."""
    held = _held(cell, counts) if device == "cpu" else 0
    seconds = START + (speed or CAUTIOUS[device]).training_seconds(cell, counts)
    return Job(PROCESS_MIB[device] + ceil((held + _data_bytes(cell)) / MIB), _run_disk(cell, counts), seconds)


def device_memory(cell: Cell, counts: Counts) -> int:
    """MiB that a training keeps on a GPU."""
    return 500 + ceil((_held(cell, counts) + _data_bytes(cell)) / MIB)


def _held(cell: Cell, counts: Counts) -> int:
    """Bytes of parameters, optimiser and a step of all replicas."""
    numbers = OPTIMISER + _remembered(cell)
    return len(cell.members) * (numbers * counts.parameters + HELD * counts.activations) * FLOAT


def _remembered(cell: Cell) -> int:
    """Numbers per parameter that a training goes on from: itself, two moments, the mean, what shares have kept."""
    return 3 + (cell.train.averaging is not None) + len(cell.train.shares) - 1


def evaluated_on(cell: Cell, device: str) -> str:
    """Where a cell is evaluated that was trained on ``device``."""
    return device if cell.evaluator in ON_DEVICE else "cpu"


def evaluation_job(cell: Cell, counts: Counts, device: str = "cpu", speed: Speed | None = None) -> Job:
    """Evaluating all replicas of a cell, one by one, in double precision on the CPU.

    Images: in single precision, on the device that they were trained on.
    """
    form, model, evaluation = shape(cell.data), cell.model, cell.evaluation
    weights = 2 * len(cell.members) * counts.parameters
    latent = model.latent + form.modalities * model.private_latent
    drawn = counts.components * min(evaluation.samples, form.samples)
    noise = 3 * evaluation.draws * drawn * latent
    passed = _images_passed(cell, drawn * counts.decoded) if cell.data.kind == "images" else _vectors_passed(cell)
    held = ceil((DOUBLE * (weights + noise) + passed + _data_bytes(cell)) / MIB)
    seconds = START + (speed or CAUTIOUS["cpu"]).evaluation_seconds(cell, counts)
    return Job(PROCESS_MIB[evaluated_on(cell, device)] + CHUNKS_MIB + held, 1, seconds)


def _vectors_passed(cell: Cell) -> int:
    """Bytes of the widest layers when a whole split passes."""
    form, model = shape(cell.data), cell.model
    learned = max(model.pooling_width, *model.encoder_widths, form.width)
    return DOUBLE * 6 * form.modalities * max(form.train, form.test) * learned


def _images_passed(cell: Cell, decoded: int) -> int:
    """Bytes of the triples in use, unpacked, and of one draw from every component on its way through the decoders."""
    form, evaluation = shape(cell.data), cell.evaluation
    unpacked = 4 * max(evaluation.samples, evaluation.llh_samples) * form.modalities * form.width
    return FLOAT * (unpacked + 2 * decoded)


def ceiling_job(dataset: DataSet) -> Job:
    """Log-likelihood of a data set under the model that generated it, for every seed and split."""
    form, evaluation = shape(dataset.data), dataset.evaluation
    width, rounds, chunk = form.modalities * form.width, 5, 250  # rounds and samples at a time of the ceiling stage
    numbers = evaluation.ceiling_particles * width
    memory = PROCESS_MIB["cpu"] + 4 * chunk * numbers * DOUBLE / MIB
    if dataset.data.kind == "images":
        return Job(PROCESS_MIB["cpu"], 1, START)  # never asked for: the true model is not known
    samples = len(dataset.seeds) * 2 * min(evaluation.llh_samples, max(form.train, form.test))
    operations = rounds * samples * numbers * 6 * form.width  # some dense layers as wide as a modality
    return Job(ceil(memory), 1, START + operations / CAUTIOUS["cpu"].evaluation)


def baselines_job(dataset: DataSet) -> Job:
    """Simple models of a data set, for every seed: EM over all entries, or medians of the tables of images."""
    form = shape(dataset.data)
    iterations = 200 if form.test else 1  # at most so many of EM; linear data have closed forms and no test samples
    if dataset.data.kind == "images":
        held = 3 * image_bytes(dataset.data) + 8 * DOUBLE * form.train
        return Job(PROCESS_MIB["cpu"] + ceil(held / MIB), 1, START + len(dataset.seeds) * 1e-6 * held)
    width = form.modalities * form.width
    memory = PROCESS_MIB["cpu"] + ceil(8 * DOUBLE * form.samples * width / MIB)
    operations = len(dataset.seeds) * iterations * form.train * width**2
    return Job(memory, 1, START + len(dataset.seeds) + operations / CAUTIOUS["cpu"].training)


def _data_bytes(cell: Cell) -> int:
    """Data of all seeds: as read, packed, stacked by replica, in the order of the epoch."""
    form = shape(cell.data)
    if cell.data.kind == "images":  # tables and indices into them: as read, and as tensors; an order of the samples
        return 2 * len(cell.seeds) * image_bytes(cell.data) + 3 * DOUBLE * len(cell.members) * form.train
    one = form.modalities * form.width * FLOAT
    return one * (2 * len(cell.seeds) * form.samples + 2 * len(cell.members) * form.train)


def _run_disk(cell: Cell, counts: Counts) -> int:
    """Weights after every share, the history, and a checkpoint, twice while a newer one replaces it."""
    numbers = len(cell.train.shares) + 2 * _remembered(cell)
    weights = numbers * FLOAT * len(cell.members) * counts.parameters
    history = 6 * 60 * len(cell.members) * cell.train.steps // cell.train.history_every
    return ceil((weights + history) / MIB)
