"""The command line ``pimvae``: one command per stage of the workflow."""

__all__ = ["main"]

import argparse
import atexit
import errno
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pimvae import __version__, stages
from pimvae.cli_archive import add_archive_commands
from pimvae.cli_look import add_look_commands
from pimvae.cli_own import add_data_option, add_own_commands, add_own_options
from pimvae.cli_parser import Parser, experiment_name, nearest_option, overview, speak_utf8
from pimvae.cli_report import add_report_commands
from pimvae.errors import UserError
from pimvae.signals import Stopped, raising

Command = Callable[[argparse.Namespace], None]
ABOUT = """Multi-modal VAEs with permutation-invariant encoders: the stages of the workflow, one by one.
'snakemake' runs them all in the right order."""
# What a user can mend; any other OSError is a bug and keeps its traceback.
OUTSIDE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 for an error of the user, 130 or 143 when stopped."""
    speak_utf8()
    options, unknown = parser().parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unknown argument '{unknown[0]}'{nearest_option(unknown[0], options.parser)}")
    _leave_at_once()
    try:
        with raising():
            options.command(options)
        sys.stdout.flush()  # here, where a reader that went away is still noticed
    except UserError as error:
        print(f"pimvae: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # pimvae cells | head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        if error.errno not in OUTSIDE:
            raise
        print(f"pimvae: error: {error.strerror}: {error.filename}", file=sys.stderr)
        return 1
    except Stopped as stop:
        print(f"pimvae: {stop}", file=sys.stderr)
        return stop.code
    except KeyboardInterrupt:
        print("pimvae: interrupted", file=sys.stderr)
        return 130
    return 0


def _leave_at_once() -> None:
    """Spares every job the 0.2 s in which the interpreter looks a last time for garbage in what torch made.

    The thread with which tqdm watches slow bars may then still be about to end, and Python 3.11 crashes: go without it.
    """
    from tqdm import tqdm

    tqdm.monitor_interval = 0
    atexit.register(gc.freeze)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = Parser(
        prog="pimvae",
        usage="%(prog)s [--help] [--version] COMMAND ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="'pimvae COMMAND --help' says what a command does. Exit code 0: done; 1: the input is at fault, told\n"
        "in one line; 130 or 143: told to stop; anything else is a bug.",
    )
    top.add_argument("--version", action="version", version=f"pimvae {__version__}")
    commands = top.add_subparsers(dest="name", metavar="COMMAND", prog="pimvae", help=argparse.SUPPRESS)
    top.set_defaults(command=lambda _: top.print_help(), parser=top)
    add_look_commands(commands, _command)
    _add_cells(commands)
    _add_download(commands)
    _add_data(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_ceiling(commands)
    _add_baselines(commands)
    _add_classifiers(commands)
    _add_collect(commands)
    _add_plan(commands)
    add_own_commands(commands, _command)
    add_report_commands(commands, _command)
    add_archive_commands(commands, _command)
    top.description = f"{ABOUT}\n{overview(commands.choices)}"
    return top


def _command(
    commands: argparse._SubParsersAction, name: str, run: Command, summary: str, text: str, example: str
) -> argparse.ArgumentParser:
    added = commands.add_parser(
        name,
        description=f"{summary[0].upper()}{summary[1:]}. {text}".strip(),
        epilog=f"example: {example}",
    )
    added.set_defaults(command=run, parser=added, summary=summary)
    return added


def _add_scale(added: argparse.ArgumentParser) -> None:
    added.add_argument(
        "--scale", help="name of a file in config/scales, or auto (default: what config/config.yaml says)"
    )
    added.add_argument(
        "--root", type=Path, default=Path("."), help="folder that holds config/ (default: where you are)"
    )


def _add_cells(commands: argparse._SubParsersAction) -> None:
    added = _command(
        commands, "cells", stages.cells, "list the cells of a scale",
        "A cell is one training: data set, aggregator, objective and prior, all seeds together.",
        "pimvae cells --scale laptop linear",
    )  # fmt: skip
    added.add_argument("experiment", nargs="?", type=experiment_name, help="only this experiment")
    added.add_argument("--json", action="store_true", help="whole configurations, one JSON object per line")
    _add_scale(added)


def _add_download(commands: argparse._SubParsersAction) -> None:
    added = _command(
        commands, "download", stages.download, "download MNIST and SVHN (258 MB)",
        "Only data sets with 'source: full' need them. What is there already is checked and kept, an interrupted "
        "download goes on where it stopped. SVHN is for non-commercial use only.",
        "pimvae download --to downloads",
    )  # fmt: skip
    added.add_argument(
        "--to", type=Path, metavar="FOLDER", help="folder to write to, for 'data_dir' (default: the user's cache)"
    )


def _add_data(commands: argparse._SubParsersAction) -> None:
    added = _command(
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


def _add_train(commands: argparse._SubParsersAction) -> None:
    added = _command(
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
        "--checkpoint", type=Path, metavar="FILE", help="save the training here, and go on from here if it was cut off"
    )
    added.add_argument(
        "--checkpoint-seconds", type=float, default=os.environ.get("PIMVAE_CHECKPOINT_SECONDS", "60"), metavar="S",
        help="time between two checkpoints (default: 60, or $PIMVAE_CHECKPOINT_SECONDS)",
    )  # fmt: skip
    added.add_argument(
        "--bad-checkpoint", choices=["restart", "stop"], default=os.environ.get("PIMVAE_BAD_CHECKPOINT", "restart"),
        help="what to do if FILE is damaged or of another training: train afresh (default, or $PIMVAE_BAD_CHECKPOINT) "
        "or stop",
    )  # fmt: skip


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    added = _command(
        commands, "evaluate", stages.evaluate, "evaluate one trained cell", "Writes metrics.csv beside the weights.",
        "pimvae evaluate linear dense-poe-masked --scale smoke --data results/smoke/linear/data/dense --run run",
    )  # fmt: skip
    _add_cell(added, training=False)
    added.add_argument("--run", type=Path, help="folder that 'pimvae train' wrote")


def _add_ceiling(commands: argparse._SubParsersAction) -> None:
    added = _command(
        commands, "ceiling", stages.ceiling, "log-likelihood of a data set under the model that generated it",
        "Writes tidy metrics of every seed, for the samples on which learned models are evaluated.",
        "pimvae ceiling bimodal clusters --scale smoke --data results/smoke/bimodal/data/clusters --out ceiling.csv",
    )  # fmt: skip
    added.add_argument("experiment", help="name of a file in config/experiments")
    added.add_argument("dataset", help="one of its data sets with clusters")
    added.add_argument("--data", type=Path, required=True, help="folder that 'pimvae data' wrote")
    added.add_argument("--out", type=Path, required=True, help="file to write")
    _add_scale(added)


def _add_baselines(commands: argparse._SubParsersAction) -> None:
    added = _command(
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


def _add_classifiers(commands: argparse._SubParsersAction) -> None:
    added = _command(
        commands, "classifiers", stages.classifiers, "train the classifiers that read generated images",
        "Writes classifiers.safetensors and classifiers.csv (their accuracies) beside the data.",
        "pimvae classifiers images triples --scale smoke --data results/smoke/images/data/triples",
    )  # fmt: skip
    added.add_argument("experiment", help="name of a file in config/experiments")
    added.add_argument("dataset", help="one of its data sets of images and text")
    added.add_argument("--data", type=Path, required=True, help="folder that 'pimvae data' wrote")
    _add_scale(added)


def _add_collect(commands: argparse._SubParsersAction) -> None:
    added = _command(
        commands, "collect", stages.collect, "join the results of cells",
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


def _add_plan(commands: argparse._SubParsersAction) -> None:
    added = _command(
        commands, "plan", stages.plan, "say what a scale will take: operations, time, memory, disk",
        "Counts the models of all cells, times a few steps of a few on this device, and keeps both in "
        "results/<scale>/plan.json, from which the workflow tells a scheduler what its jobs need.",
        "pimvae plan --scale paper --cores 4",
    )  # fmt: skip
    _add_scale(added)
    added.add_argument("--experiments", nargs="+", metavar="NAME", help="only these (default: those of config.yaml)")
    added.add_argument("--device", choices=["auto", "cpu", "cuda"], help="default: what config/config.yaml says")
    added.add_argument("--cores", type=int, help="jobs at a time (default: all cores)")
    added.add_argument("--untimed", action="store_true", help="time nothing: earlier timings, else cautious guesses")
    added.add_argument("--fresh", action="store_true", help="time again what was timed before")
    added.add_argument("--json", action="store_true", help="numbers as JSON: seconds, MiB")


if __name__ == "__main__":
    sys.exit(main())
