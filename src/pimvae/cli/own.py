"""What train and evaluate take and do when they are about own data."""

__all__ = ["READING", "data_option", "evaluate", "is_own", "options_of_evaluation", "options_of_training", "source_of",
           "train"]  # fmt: skip

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from pimvae.cli.parser import Add, option
from pimvae.errors import UserError
from pimvae.files import check_writable

EXPERIMENT_ONLY = {"root": "--root", "scale": "--scale", "betas": "--betas", "cell": "CELL"}


def _name(text: str) -> str:
    """A name that a table can hold and a reader can see."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no name: at least one character, no control characters")
    return text


READING = (
    option("--id", metavar="COLUMN", help="tables: the column that joins them"),
    option("--modality", action="append", default=[], metavar="NAME=PLACE",
           help=".h5ad: X, obsm:KEY, layers:KEY or obs:COLUMN; may be repeated"),
)  # fmt: skip
MODEL = (
    option("--aggregator", metavar="NAME", help="default: sum_pooling"),
    option("--objective", metavar="NAME", help="masked (default), mixture or another bound"),
    option("--name", metavar="NAME", type=_name, dest="own_name", help="of the data in tables (default: its file's)"),
)
TRAINING = (
    option("--kind", action="append", default=[], metavar="NAME=KIND",
           help="what a modality is: gaussian, categorical, binary, counts, poisson or image"),
    *READING,
    option("--test-fraction", type=float, default=0.0, metavar="F", help="hold this share of the samples out"),
    option("--no-standardise", action="store_true", dest="raw", help="do not centre and scale real numbers"),
    option("--seeds", type=int, default=None, metavar="N", help="number of replicas (default: 3)"),
    option("--set", action="append", default=[], metavar="PART.KEY=VALUE", dest="settings",
           help="change a setting, for example train.steps=500; may be repeated"),
    option("--tune", action="store_true", help="a short search for the decoder and the size of z first"),
    option("--describe", action="store_true", help="only print what the data were understood as"),
)  # fmt: skip
EVALUATION = (option("--colour", metavar="MODALITY", help="by which latents are coloured in the page with pictures"),)


def data_option(text: str) -> Add:
    """``--data``, once or several times."""
    return option("--data", type=Path, action="append", metavar="PATH", help=text)


def options_of_training(command: argparse.ArgumentParser) -> None:
    """Options of train that go with own data only."""
    _add_group(command, *MODEL, *TRAINING)


def options_of_evaluation(command: argparse.ArgumentParser) -> None:
    """Options of evaluate that go with own data only."""
    _add_group(command, *MODEL, *EVALUATION)


def _add_group(command: argparse.ArgumentParser, *arguments: Add) -> None:
    group = command.add_argument_group("own data, in place of EXPERIMENT and CELL")
    actions = [add(group) for add in arguments]
    command.set_defaults(own_only={action.dest: (action.option_strings[0], action.default) for action in actions})


def is_own(options: argparse.Namespace) -> bool:
    """Whether train or evaluate are about own data: no experiment is named, and there are data or a run.

    Raises:
        UserError: if options of both sorts are mixed.
    """
    if options.experiment and options.data and options.data[0].suffix.lower() in (".npz", ".csv", ".tsv", ".parquet",
                                                                                  ".h5ad", ".h5mu"):  # fmt: skip
        raise UserError(f"{options.data[0]} is a file of your own: leave '{options.experiment}' out")
    _refuse_folder(options)
    own = not options.experiment and bool(options.data or getattr(options, "run", None))
    if own:
        for key, flag in EXPERIMENT_ONLY.items():
            if getattr(options, key) not in (None, Path(".")):
                raise UserError(f"{flag} does not go with own data: leave it out")
        return True
    for key, (flag, default) in options.own_only.items():
        if getattr(options, key) != default:  # a 0 that is stated is stated
            raise UserError(f"{flag} goes with own data only (--data FILE, without EXPERIMENT and CELL)")
    if options.data and len(options.data) > 1:
        raise UserError("--data is given twice; an experiment has one folder of data")
    return False


def _refuse_folder(options: argparse.Namespace) -> None:
    """Refuse a folder of own data in the place of EXPERIMENT."""
    name = options.experiment
    if not name or options.cell or options.data or not Path(name).is_dir():
        return
    from pimvae.config.catalogue import experiments

    stated = (options.root / "config" / "experiments" / f"{name}.yaml").is_file()
    if not stated and name not in experiments():
        raise UserError(f"'{name}' is a folder, not an experiment: own data are named by --data, "
                        f"'pimvae {options.name} --data {shlex.quote(name)}'")  # fmt: skip


def source_of(options: argparse.Namespace) -> Any:
    """What the options say of the data; None if nothing.

    Raises:
        UserError: if the data do not exist, or an option does not go with them.
    """
    from pimvae.data.readers import check_there
    from pimvae.own.source import Source, kinds_of

    check_there(options.data or ())
    if getattr(options, "modality", []) and [path.suffix.lower() for path in options.data or ()] != [".h5ad"]:
        raise UserError("--modality names places in one .h5ad file, given with --data: leave it out")
    if not options.data:
        return None
    return Source(
        tuple(map(str, options.data)), getattr(options, "id", None), kinds_of(getattr(options, "kind", [])),
        tuple(getattr(options, "modality", [])), getattr(options, "test_fraction", 0.0) or 0.0,
        not getattr(options, "raw", False),
    )  # fmt: skip


def train(options: argparse.Namespace) -> None:
    """``pimvae train`` on own data."""
    from pimvae.library import settings
    from pimvae.own import job

    source = source_of(options)
    aggregator, objective = options.aggregator or settings.AGGREGATOR, options.objective or settings.OBJECTIVE
    settings_ = [*options.settings, *([f"train.compile={options.compile}"] if options.compile else [])]
    if options.describe:
        print("\n".join(job.describe_source(source, aggregator, objective, settings_)))
        return
    folder = options.out or job.folder_of(options.own_name or source.name, aggregator, objective)
    check_writable(folder)
    seeds = 3 if options.seeds is None else options.seeds
    saved = options.checkpoint, options.checkpoint_seconds, options.bad_checkpoint == "stop"
    job.train(source, aggregator, objective, folder, seeds, settings_, options.device, options.own_name,
              options.tune, *saved)  # fmt: skip
    print(folder)


def evaluate(options: argparse.Namespace) -> None:
    """``pimvae evaluate`` on own data."""
    from pimvae.library import settings
    from pimvae.own import job

    source = source_of(options)
    if options.run and (options.aggregator or options.objective or options.own_name):
        raise UserError("--run names the run: leave --aggregator, --objective and --name out")
    run = options.run or job.folder_of(options.own_name or source.name, options.aggregator or settings.AGGREGATOR,
                                       options.objective or settings.OBJECTIVE)  # fmt: skip
    print("\n".join(job.evaluate(run, source, options.colour)))
    print(f"pictures: {run / 'report.html'}", file=sys.stderr)
