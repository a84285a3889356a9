"""Commands that train models and ask them: of the experiments' cells, or of the user's own data."""

__all__ = ["MODELS"]

import argparse
from pathlib import Path
from typing import Any

from pimvae.chain import MANIFEST
from pimvae.cli import own
from pimvae.cli.options import BETAS, ROOT, SCALE, experiment_name
from pimvae.cli.parser import Group, option, variable
from pimvae.errors import UserError
from pimvae.files import check_writable
from pimvae.kernels import COMPILED, kernels_in

MODELS = Group("Models")
CELL = (
    option("experiment", nargs="?", type=experiment_name, help="name of a file in config/experiments"),
    option("cell", nargs="?", help="name of a cell; 'pimvae cells' lists them"),
    own.data_option("folder that 'pimvae data' wrote; or your own: a .npz, .h5ad or .h5mu file, a folder of tables, "
                    "or tables (.csv, .tsv, .parquet) one by one"),
)  # fmt: skip
RUN = (
    option("--run", type=Path, required=True, help="folder that 'pimvae train' wrote"),
    own.data_option("other data of the same modalities (default: those of the training)"),
    *own.READING,
    option(
        "--seed",
        type=int,
        help="this replica alone (default: latents of the best on its validation samples, else the average of all)",
    ),
)


def _seconds(text: str) -> float:
    """A time; NaN and negative ones are none."""
    if not 0 <= float(text) < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is no time in seconds")
    return float(text)


def _processes(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of processes")
    return int(text)


def _restart_or_stop(text: str) -> str:
    """One of the two, also where it comes from the environment, which ``choices`` do not look at."""
    if text not in ("restart", "stop"):
        raise argparse.ArgumentTypeError(f"'{text}' is neither 'restart' nor 'stop'")
    return text


@MODELS.command(
    *CELL,
    own.options_of_training,
    SCALE,
    BETAS,
    ROOT,
    option("--out", type=Path, help="folder to write to (own data: default below results/own)"),
    option("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: CUDA if torch finds it (default)"),
    option("--compile", choices=["auto", "always", "never"],
           help="whether the step is compiled (default: what train.compile says)"),
    option("--checkpoint", type=Path, metavar="FILE",
           help="save the training here, and go on from here if it was cut off (own data: default checkpoint in the "
           "folder)"),
    variable("--checkpoint-seconds", "PIMVAE_CHECKPOINT_SECONDS", "60", type=_seconds, metavar="S",
             help="time between two checkpoints (default: 60, or $PIMVAE_CHECKPOINT_SECONDS)"),
    variable("--bad-checkpoint", "PIMVAE_BAD_CHECKPOINT", "restart", type=_restart_or_stop, metavar="{restart,stop}",
             help="what to do if FILE is damaged or of another training: train afresh (default, or "
             "$PIMVAE_BAD_CHECKPOINT) or stop"),
    option("--processes", type=_processes, default=1, metavar="N",
           help="train the seeds and values of β in so many processes side by side, a core each (default: 1); they "
           "hand over by the checkpoint"),
    example="linear dense-poe-masked --scale smoke --data results/smoke/linear/data/dense --out run",
)  # fmt: skip
def train(options: argparse.Namespace) -> None:
    """Train one cell, all of its seeds at once.

    Writes weights.safetensors, history.csv and run.json.
    """
    if own.is_own(options):
        if options.processes > 1:
            raise UserError("--processes is for cells of experiments, not for own data")
        own.train(options)
        return
    from pimvae.claims.rules import record
    from pimvae.results.provenance import digest, training_sources

    cell = _cell(options, "out")
    check_writable(options.out)  # before the training, not after it
    from pimvae.training.job import run

    strict, notes = options.bad_checkpoint == "stop", record(options.root)
    saved = options.checkpoint, options.checkpoint_seconds
    code = digest(training_sources(cell)) if options.checkpoint else ""
    with kernels_in(options.out / COMPILED, options.compile or cell.train.compile):
        run(cell, options.data[0], options.out, options.device, *saved, strict, notes, options.compile, code,
            options.processes)  # fmt: skip


@MODELS.command(
    *CELL,
    own.options_of_evaluation,
    SCALE,
    BETAS,
    ROOT,
    option("--run", type=Path, help="folder that 'pimvae train' wrote"),
    example="linear dense-poe-masked --scale smoke --data results/smoke/linear/data/dense --run run",
)
def evaluate(options: argparse.Namespace) -> None:
    """Evaluate one trained cell.

    Writes metrics.csv beside the weights.
    """
    if own.is_own(options):
        own.evaluate(options)
        return
    cell = _cell(options, "run")
    from pimvae.evaluation.job import run

    run(cell, options.data[0], options.run)


def _cell(options: argparse.Namespace, folder: str) -> Any:
    """The cell that is named. The parser cannot demand one, nor data and ``folder``: own data need other arguments."""
    from pimvae.config import find_cell, load

    needed = {"experiment": "experiment", "cell": "cell", "data": "--data", folder: f"--{folder}"}
    if missing := [shown for name, shown in needed.items() if not getattr(options, name)]:
        help_ = f"(see 'pimvae {options.name} --help')"
        raise UserError(f"the following arguments are required: {', '.join(missing)} {help_}")
    config = load(options.scale, options.root, [options.experiment], betas=options.betas)
    cell = find_cell(config, options.experiment, options.cell)
    drawn = options.data[0]
    if drawn.exists() and not (drawn / MANIFEST).is_file():
        raise UserError(f"{drawn} holds no data set of 'pimvae data': make it with 'pimvae data {cell.experiment} "
                        f"{cell.dataset}', or give own data without EXPERIMENT and CELL")  # fmt: skip
    return cell


@MODELS.command(
    *RUN,
    option("--out", type=Path, metavar="FILE", help="default: latents.csv in the run's folder"),
    option("--amortised", action="store_true", help="the encoder's posterior, not refined for each sample"),
    example="--run results/own/my-sum_pooling-masked --out latents.csv",
)
def encode(options: argparse.Namespace) -> None:
    """Write latents of own data, with the ids of the samples.

    Posterior means and standard deviations of z: CSV, parquet, or obsm of a .h5ad file.
    """
    from pimvae.own import job

    refined = False if options.amortised else None
    print(job.encode(options.run, own.source_of(options), options.out, options.seed, refined))


@MODELS.command(
    *RUN,
    option("--out", type=Path, metavar="FOLDER", help="default: imputed in the run's folder"),
    option("--format", choices=["csv", "parquet"], default="csv", help="of the tables (default: csv)"),
    example="--run results/own/my-sum_pooling-masked --data new.npz --out imputed",
)
def impute(options: argparse.Namespace) -> None:
    """Fill missing modalities of own data.

    One table per modality: values (observed ones as they are) with standard deviations, 0 where observed; classes with
    their probabilities, 1 and 0 where observed.
    """
    from pimvae.own import job

    print(job.impute(options.run, own.source_of(options), options.out, options.seed, options.format))
