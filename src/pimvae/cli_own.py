"""The command line for own data: options of train and evaluate, and the commands encode and impute."""

__all__ = ["add_own_commands", "add_own_options", "evaluate_own", "is_own", "train_own"]

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pimvae.errors import UserError

EXPERIMENT_ONLY = {"scale": "--scale", "cell": "CELL"}
OWN_ONLY = {
    "aggregator": "--aggregator", "objective": "--objective", "kind": "--kind", "id": "--id", "modality": "--modality",
    "test_fraction": "--test-fraction", "name": "--name", "settings": "--set", "seeds": "--seeds", "tune": "--tune",
    "describe": "--describe", "raw": "--no-standardise", "colour": "--colour",
}  # fmt: skip


def add_data_option(added: argparse.ArgumentParser, text: str) -> None:
    """``--data``, once or several times."""
    added.add_argument("--data", type=Path, action="append", metavar="PATH", help=text)


def add_own_options(added: argparse.ArgumentParser, training: bool) -> None:
    """Options that go with own data only."""
    own = added.add_argument_group("own data, in place of EXPERIMENT and CELL")
    own.add_argument("--aggregator", metavar="NAME", help="default: sum_pooling")
    own.add_argument("--objective", metavar="NAME", help="masked (default), mixture or another bound")
    own.add_argument(
        "--name", metavar="NAME", type=_name, dest="own_name", help="of the data in tables (default: its file's)"
    )
    if not training:
        own.add_argument("--colour", metavar="MODALITY", help="by which latents are coloured in the page with pictures")
        return
    own.add_argument("--kind", action="append", default=[], metavar="NAME=KIND",
                     help="what a modality is: gaussian, categorical, binary, counts, poisson or image")  # fmt: skip
    _add_reading(own)
    own.add_argument("--test-fraction", type=float, default=0.0, metavar="F", help="hold this share of the samples out")
    own.add_argument("--no-standardise", action="store_true", dest="raw", help="do not centre and scale real numbers")
    own.add_argument("--seeds", type=int, default=None, metavar="N", help="number of replicas (default: 3)")
    own.add_argument("--set", action="append", default=[], metavar="PART.KEY=VALUE", dest="settings",
                     help="change a setting, for example train.steps=500; may be repeated")  # fmt: skip
    own.add_argument("--tune", action="store_true", help="a short search for the decoder and the size of z first")
    own.add_argument("--describe", action="store_true", help="only print what the data were understood as")


def _name(text: str) -> str:
    """A name that a table can hold and a reader can see."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no name: at least one character, no control characters")
    return text


def _add_reading(own: Any) -> None:
    own.add_argument("--id", metavar="COLUMN", help="tables: the column that joins them")
    own.add_argument("--modality", action="append", default=[], metavar="NAME=PLACE",
                     help=".h5ad: X, obsm:KEY, layers:KEY or obs:COLUMN; may be repeated")  # fmt: skip


def add_own_commands(commands: argparse._SubParsersAction, command: Callable[..., argparse.ArgumentParser]) -> None:
    """``pimvae encode`` and ``pimvae impute``."""
    added = command(
        commands, "encode", encode, "write latents of own data, with the ids of the samples",
        "Posterior means and standard deviations of z: CSV, parquet, or obsm of a .h5ad file.",
        "pimvae encode --run results/own/my-sum_pooling-masked --out latents.csv",
    )  # fmt: skip
    _add_run(added)
    added.add_argument("--out", type=Path, metavar="FILE", help="default: latents.csv in the run's folder")
    added.add_argument("--amortised", action="store_true", help="the encoder's posterior, not refined for each sample")
    added = command(
        commands, "impute", impute, "fill missing modalities of own data",
        "One table per modality: values (observed ones as they are) with standard deviations, 0 where observed; "
        "classes with their probabilities.",
        "pimvae impute --run results/own/my-sum_pooling-masked --data new.npz --out imputed",
    )  # fmt: skip
    _add_run(added)
    added.add_argument("--out", type=Path, metavar="FOLDER", help="default: imputed in the run's folder")
    added.add_argument("--format", choices=["csv", "parquet"], default="csv", help="of the tables (default: csv)")


def _add_run(added: argparse.ArgumentParser) -> None:
    added.add_argument("--run", type=Path, required=True, help="folder that 'pimvae train' wrote")
    add_data_option(added, "other data of the same modalities (default: those of the training)")
    _add_reading(added)
    added.add_argument("--seed", type=int, help="the replica (default: the best on its validation samples)")


def is_own(options: argparse.Namespace) -> bool:
    """Whether train or evaluate are about own data: no experiment is named, and there are data or a run.

    Raises:
        UserError: if options of both sorts are mixed.
    """
    if options.experiment and options.data and options.data[0].suffix.lower() in (".npz", ".csv", ".tsv", ".parquet",
                                                                                  ".h5ad", ".h5mu"):  # fmt: skip
        raise UserError(f"{options.data[0]} is a file of your own: leave '{options.experiment}' out")
    own = not options.experiment and bool(options.data or getattr(options, "run", None))
    if own:
        if options.root != Path("."):
            raise UserError("--root does not go with own data: leave it out")
        for key, option in EXPERIMENT_ONLY.items():
            if getattr(options, key, None):
                raise UserError(f"{option} does not go with own data: leave it out")
        return True
    for key, option in OWN_ONLY.items():
        if getattr(options, "own_name" if key == "name" else key, None):
            raise UserError(f"{option} goes with own data only (--data FILE, without EXPERIMENT and CELL)")
    if options.data and len(options.data) > 1:
        raise UserError("--data is given twice; an experiment has one folder of data")
    return False


def source_of(options: argparse.Namespace) -> Any:
    """What the options say of the data; None if nothing."""
    from pimvae.own_data import Source, kinds_of

    if not options.data:
        return None
    return Source(
        tuple(map(str, options.data)), getattr(options, "id", None), kinds_of(getattr(options, "kind", [])),
        tuple(getattr(options, "modality", [])), getattr(options, "test_fraction", 0.0) or 0.0,
        not getattr(options, "raw", False),
    )  # fmt: skip


def train_own(options: argparse.Namespace, check_writable: Callable[[Path], None]) -> None:
    """``pimvae train`` on own data."""
    from pimvae import own_data, settings

    source = source_of(options)
    if options.describe:
        print("\n".join(own_data.describe_source(source)))
        return
    aggregator, objective = options.aggregator or settings.AGGREGATOR, options.objective or settings.OBJECTIVE
    folder = options.out or own_data.folder_of(options.own_name or source.name, aggregator, objective)
    check_writable(folder)
    seeds = 3 if options.seeds is None else options.seeds
    saved = options.checkpoint, options.checkpoint_seconds, options.bad_checkpoint == "stop"
    own_data.train(source, aggregator, objective, folder, seeds, options.settings, options.device, options.own_name,
                   options.tune, *saved)  # fmt: skip
    print(folder)


def evaluate_own(options: argparse.Namespace) -> None:
    """``pimvae evaluate`` on own data."""
    from pimvae import own_data, settings

    source = source_of(options)
    if options.run and (options.aggregator or options.objective or options.own_name):
        raise UserError("--run names the run: leave --aggregator, --objective and --name out")
    run = options.run or own_data.folder_of(options.own_name or source.name, options.aggregator or settings.AGGREGATOR,
                                            options.objective or settings.OBJECTIVE)  # fmt: skip
    print("\n".join(own_data.evaluate(run, source, options.colour)))
    print(f"pictures: {run / 'report.html'}", file=sys.stderr)


def encode(options: argparse.Namespace) -> None:
    """``pimvae encode``."""
    from pimvae import own_data

    refined = False if options.amortised else None
    print(own_data.encode(options.run, source_of(options), options.out, options.seed, refined))


def impute(options: argparse.Namespace) -> None:
    """``pimvae impute``."""
    from pimvae import own_data

    print(own_data.impute(options.run, source_of(options), options.out, options.seed, options.format))
