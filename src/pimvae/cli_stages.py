"""Commands of the command line from the configuration to the collected metrics of cells."""

__all__ = ["add_stage_commands"]

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from pimvae import stages, stages_report
from pimvae.cli_own import add_data_option, add_own_options
from pimvae.cli_parser import experiment_name

Add = Callable[..., argparse.ArgumentParser]


def add_stage_commands(commands: argparse._SubParsersAction, add: Add) -> None:
    """Add these commands; ``add`` makes the parser of one command."""
    for add_some in (_add_cells, _add_download, _add_data, _add_train, _add_evaluate, _add_ceiling, _add_baselines,
                     _add_classifiers, _add_collect, _add_plan):  # fmt: skip
        add_some(commands, add)


def _add_scale(added: argparse.ArgumentParser) -> None:
    added.add_argument(
        "--scale", help="name of a file in config/scales, or auto (default: what config/config.yaml says)"
    )
    added.add_argument(
        "--root", type=Path, default=Path("."), help="folder that holds config/ (default: where you are)"
    )


def _add_cells(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "cells", stages.cells, "list the cells of a scale",
        "A cell is one training: data set, aggregator, objective and prior, all seeds together.",
        "pimvae cells --scale laptop linear",
    )  # fmt: skip
    added.add_argument("experiment", nargs="?", type=experiment_name, help="only this experiment")
    added.add_argument("--json", action="store_true", help="whole configurations, one JSON object per line")
    _add_scale(added)


def _add_download(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "download", stages.download, "download MNIST and SVHN (258 MB)",
        "Only data sets with 'source: full' need them. What is there already is checked and kept, an interrupted "
        "download goes on where it stopped. SVHN is for non-commercial use only.",
        "pimvae download --to downloads",
    )  # fmt: skip
    added.add_argument(
        "--to", type=Path, metavar="FOLDER", help="folder to write to, for 'data_dir' (default: the user's cache)"
    )


def _add_data(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "data", stages.data, "draw one data set for every seed",
        "Writes one file per seed and manifest.json with their checksums.",
        "pimvae data linear dense --scale smoke --out results/smoke/linear/data/dense",
    )  # fmt: skip
    added.add_argument("experiment", type=experiment_name, help="name of a file in config/experiments")
    added.add_argument("dataset", help="one of its data sets")
    added.add_argument("--out", type=Path, required=True, help="folder to write to")
    _add_scale(added)


def _add_cell(added: argparse.ArgumentParser, training: bool) -> None:
    added.add_argument("experiment", nargs="?", type=experiment_name, help="name of a file in config/experiments")
    added.add_argument("cell", nargs="?", help="name of a cell; 'pimvae cells' lists them")
    add_data_option(
        added,
        "folder that 'pimvae data' wrote; or your own: a .npz, .h5ad or .h5mu file, a folder of "
        "tables, or tables (.csv, .tsv, .parquet) one by one",
    )
    add_own_options(added, training)
    _add_scale(added)


def _add_train(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "train", stages.train, "train one cell, all of its seeds at once",
        "Writes weights.safetensors, history.csv and run.json.",
        "pimvae train linear dense-poe-masked --scale smoke --data results/smoke/linear/data/dense --out run",
    )  # fmt: skip
    _add_cell(added, training=True)
    added.add_argument("--out", type=Path, help="folder to write to (own data: default below results/own)")
    added.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: CUDA if torch finds it (default)"
    )
    added.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="save the training here, and go on from here if it was cut off "
        "(own data: default checkpoint in the folder)",
    )
    added.add_argument(
        "--checkpoint-seconds", type=_seconds, default=os.environ.get("PIMVAE_CHECKPOINT_SECONDS", "60"), metavar="S",
        help="time between two checkpoints (default: 60, or $PIMVAE_CHECKPOINT_SECONDS)",
    )  # fmt: skip
    added.add_argument(
        "--bad-checkpoint", type=_restart_or_stop, metavar="{restart,stop}",
        default=os.environ.get("PIMVAE_BAD_CHECKPOINT", "restart"),
        help="what to do if FILE is damaged or of another training: train afresh (default, or $PIMVAE_BAD_CHECKPOINT) "
        "or stop",
    )  # fmt: skip


def _seconds(text: str) -> float:
    """A time; NaN and negative ones are none."""
    if not 0 <= float(text) < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is no time in seconds")
    return float(text)


def _restart_or_stop(text: str) -> str:
    """One of the two, also where it comes from the environment, which ``choices`` do not look at."""
    if text not in ("restart", "stop"):
        raise argparse.ArgumentTypeError(f"'{text}' is neither 'restart' nor 'stop'")
    return text


def _add_evaluate(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "evaluate", stages.evaluate, "evaluate one trained cell", "Writes metrics.csv beside the weights.",
        "pimvae evaluate linear dense-poe-masked --scale smoke --data results/smoke/linear/data/dense --run run",
    )  # fmt: skip
    _add_cell(added, training=False)
    added.add_argument("--run", type=Path, help="folder that 'pimvae train' wrote")


def _add_ceiling(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "ceiling", stages.ceiling, "log-likelihood of a data set under the model that generated it",
        "Writes tidy metrics of every seed, for the samples on which learned models are evaluated.",
        "pimvae ceiling bimodal clusters --scale smoke --data results/smoke/bimodal/data/clusters --out ceiling.csv",
    )  # fmt: skip
    added.add_argument("experiment", help="name of a file in config/experiments")
    added.add_argument("dataset", help="one of its data sets with clusters")
    added.add_argument("--data", type=Path, required=True, help="folder that 'pimvae data' wrote")
    added.add_argument("--out", type=Path, required=True, help="file to write")
    _add_scale(added)


def _add_baselines(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "baselines", stages.baselines, "fit simple models to a data set and evaluate them",
        "Writes tidy metrics of every seed, for the samples on which learned models are evaluated. Closed forms and "
        "EM, fitted to the training samples alone.",
        "pimvae baselines bimodal clusters --scale smoke --data results/smoke/bimodal/data/clusters --out base.csv",
    )  # fmt: skip
    added.add_argument("experiment", help="name of a file in config/experiments")
    added.add_argument("dataset", help="one of its data sets")
    added.add_argument("--data", type=Path, required=True, help="folder that 'pimvae data' wrote")
    added.add_argument("--out", type=Path, required=True, help="file to write")
    _add_scale(added)


def _add_classifiers(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "classifiers", stages.classifiers, "train the classifiers that read generated images",
        "Writes classifiers.safetensors and classifiers.csv (their accuracies) beside the data.",
        "pimvae classifiers images triples --scale smoke --data results/smoke/images/data/triples",
    )  # fmt: skip
    added.add_argument("experiment", help="name of a file in config/experiments")
    added.add_argument("dataset", help="one of its data sets of images and text")
    added.add_argument("--data", type=Path, required=True, help="folder that 'pimvae data' wrote")
    _add_scale(added)


def _add_collect(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "collect", stages_report.collect, "join the results of cells",
        "Writes metrics.csv, runs.csv, history.csv and settings.csv.",
        "pimvae collect --out results/smoke results/smoke/linear/dense-*",
    )  # fmt: skip
    added.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of evaluated cells")
    added.add_argument("--out", type=Path, required=True, help="folder to write to")
    added.add_argument(
        "--references",
        nargs="*",
        type=Path,
        default=[],
        metavar="FILE",
        help="metrics that are no cell's: of true models ('pimvae ceiling'), simple models ('pimvae baselines'), "
        "classifiers",
    )


def _add_plan(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "plan", stages.plan, "say what a scale will take: operations, time, memory, disk",
        "Counts the models of all cells, times a few steps of a few on this device, and keeps both in "
        "results/<scale>/plan.json, from which the workflow tells a scheduler what its jobs need. How long so many "
        "cores take is simulated: job by job, as the workflow starts them.",
        "pimvae plan --scale paper --cores 4 64",
    )  # fmt: skip
    _add_scale(added)
    added.add_argument("--experiments", nargs="+", metavar="NAME", help="only these (default: those of config.yaml)")
    added.add_argument("--device", choices=["auto", "cpu", "cuda"], help="default: what config/config.yaml says")
    added.add_argument(
        "--cores", type=int, nargs="+", metavar="N", help="jobs at a time, or several numbers (default: all cores)"
    )
    added.add_argument("--untimed", action="store_true", help="time nothing: earlier timings, else cautious guesses")
    added.add_argument("--fresh", action="store_true", help="time again what was timed before")
    added.add_argument("--json", action="store_true", help="numbers as JSON: seconds, MiB")
