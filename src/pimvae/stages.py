"""What the commands of ``pimvae`` do up to the metrics of a cell; a command imports by itself what it needs."""

__all__ = ["baselines", "ceiling", "cells", "classifiers", "data", "download", "evaluate", "plan", "train"]

import argparse
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pimvae.cli_own import evaluate_own, is_own, train_own
from pimvae.errors import UserError


@contextmanager
def _importing() -> Iterator[None]:
    """Imports torch without searches for garbage, then or later, in what that makes: 0.2 s of every job."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def cells(options: argparse.Namespace) -> None:
    """Print the names of the cells, or whole configurations."""
    from pimvae.config import load

    wanted = [options.experiment] if options.experiment else None
    for cell in load(options.scale, options.root, wanted).cells:
        print(cell.model_dump_json() if options.json else f"{cell.experiment} {cell.name}")


def download(options: argparse.Namespace) -> None:
    """Download the real image data."""
    from pimvae.data._downloads import download_all

    if options.to:
        _check_writable(options.to)
    folder = download_all(options.to)
    print(f"all files are in {folder}" + (f"; use them with data_dir: {folder.resolve()}" if options.to else ""))


def data(options: argparse.Namespace) -> None:
    """Draw one data set for every seed."""
    from pimvae.config import find_dataset, load
    from pimvae.data.job import run

    dataset = find_dataset(load(options.scale, options.root, [options.experiment]), options.dataset)
    run(dataset.data, dataset.seeds, options.out)


def train(options: argparse.Namespace) -> None:
    """Train one cell, of an experiment or on the user's own data."""
    if is_own(options):
        train_own(options, _check_writable)
        return
    _require(options, "experiment", "cell", "data", "out")
    from pimvae.config import find_cell, load
    from pimvae.rules import record

    cell = find_cell(load(options.scale, options.root, [options.experiment]), options.experiment, options.cell)
    _check_writable(options.out)  # before the training, not after it
    with _importing():
        from pimvae.training.job import run

    strict, notes = options.bad_checkpoint == "stop", record(options.root)
    saved = options.checkpoint, options.checkpoint_seconds
    run(cell, options.data[0], options.out, options.device, *saved, strict, notes)


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate one trained cell, of an experiment or on the user's own data."""
    if is_own(options):
        evaluate_own(options)
        return
    _require(options, "experiment", "cell", "data", "run")
    from pimvae.config import find_cell, load

    cell = find_cell(load(options.scale, options.root, [options.experiment]), options.experiment, options.cell)
    with _importing():
        from pimvae.evaluation.job import run

    run(cell, options.data[0], options.run)


def classifiers(options: argparse.Namespace) -> None:
    """Train the classifiers of one data set of images."""
    from pimvae.config import find_dataset, load

    with _importing():
        from pimvae.data.job import check_drawn
        from pimvae.evaluation.classifiers_job import run

    dataset = find_dataset(load(options.scale, options.root, [options.experiment]), options.dataset)
    check_drawn(dataset.data, options.data, dataset.seeds[:1])
    run(options.experiment, dataset.name, dataset.seeds, options.data)


def ceiling(options: argparse.Namespace) -> None:
    """Log-likelihood of one data set under the model that generated it."""
    from pimvae.config import find_dataset, load

    with _importing():
        from pimvae.data.job import check_drawn
        from pimvae.evaluation.ceiling_job import run

    dataset = find_dataset(load(options.scale, options.root, [options.experiment]), options.dataset)
    check_drawn(dataset.data, options.data, dataset.seeds)
    run(options.experiment, dataset.name, dataset.evaluation, dataset.seeds, options.data, options.out)


def baselines(options: argparse.Namespace) -> None:
    """Simple models fitted to one data set."""
    from pimvae.config import find_dataset, load
    from pimvae.config.experiments import shared_model

    with _importing():
        from pimvae.data.job import check_drawn
        from pimvae.evaluation.baselines_job import run

    config = load(options.scale, options.root, [options.experiment])
    dataset = find_dataset(config, options.dataset)
    model = shared_model(config, dataset)
    check_drawn(dataset.data, options.data, dataset.seeds)
    run(options.experiment, dataset.name, model, dataset.evaluation, dataset.seeds, options.data, options.out)


def plan(options: argparse.Namespace) -> None:
    """Print what a scale will take."""
    from pimvae.config import load
    from pimvae.planning.job import run

    config = load(options.scale, options.root, options.experiments, device=options.device)
    cores = options.cores or [os.cpu_count() or 1]
    if min(cores) < 1:
        raise UserError(f"--cores must be at least 1, got {min(cores)}")
    if not options.untimed:
        _check_device(config.device)
    results = options.root / "results" / config.scale
    print(config.headline(), file=sys.stderr)

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    print(run(config, results, cores, not options.untimed, options.fresh, options.json, tell))


def _check_device(device: str) -> None:
    import torch

    torch.set_num_threads(1)  # as in the workflow, where jobs run side by side
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device 'cuda' was asked for, but torch finds no CUDA device; use --device cpu or --untimed")


def _require(options: argparse.Namespace, *names: str) -> None:
    """What the parser cannot demand by itself, since the two kinds of data need different arguments."""
    missing = [name if name in ("experiment", "cell") else f"--{name}" for name in names if not getattr(options, name)]
    if missing:
        help_ = f"(see 'pimvae {options.name} --help')"
        raise UserError(f"the following arguments are required: {', '.join(missing)} {help_}")


def _check_writable(folder: Path) -> None:
    """Refuse a folder that could not be made; nothing is made here."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise UserError(f"cannot write to {folder}: {existing} is not a writable folder")
