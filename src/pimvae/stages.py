"""What the commands of ``pimvae`` do; heavy modules are imported by the command that needs them."""

__all__ = ["ceiling", "cells", "claims", "classifiers", "collect", "data", "download", "evaluate", "figures", "macros",
           "tables", "train"]  # fmt: skip

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from pimvae.errors import UserError, did_you_mean


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
    """Train one cell."""
    from pimvae.config import find_cell, load

    cell = find_cell(load(options.scale, options.root, [options.experiment]), options.experiment, options.cell)
    _check_writable(options.out)  # before the training, not after it
    from pimvae.training.job import run

    run(cell, options.data, options.out, options.device)


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate one trained cell."""
    from pimvae.config import find_cell, load

    cell = find_cell(load(options.scale, options.root, [options.experiment]), options.experiment, options.cell)
    from pimvae.evaluation.job import run

    run(cell, options.data, options.run)


def classifiers(options: argparse.Namespace) -> None:
    """Train the classifiers of one data set of images."""
    from pimvae.config import find_dataset, load
    from pimvae.evaluation.classifiers_job import run

    dataset = find_dataset(load(options.scale, options.root, [options.experiment]), options.dataset)
    run(options.experiment, dataset.name, dataset.seeds, options.data)


def ceiling(options: argparse.Namespace) -> None:
    """Log-likelihood of one data set under the model that generated it."""
    from pimvae.config import find_dataset, load
    from pimvae.evaluation.ceiling_job import run

    dataset = find_dataset(load(options.scale, options.root, [options.experiment]), options.dataset)
    run(options.experiment, dataset.name, dataset.evaluation, dataset.seeds, options.data, options.out)


def collect(options: argparse.Namespace) -> None:
    """Join the results of cells."""
    from pimvae.report.collect import run

    run(options.runs, options.out, options.references)


def tables(options: argparse.Namespace) -> None:
    """Write tables."""
    from pimvae.report import job

    _check_names("report.tables", options.names)
    job.tables(options.results, options.out, options.claims, options.names or None)


def figures(options: argparse.Namespace) -> None:
    """Draw figures."""
    from pimvae.report import job

    _check_names("report.figures", options.names)
    job.figures(options.results, options.out, options.claims, options.names or None)


def claims(options: argparse.Namespace) -> None:
    """Decide the claims and print the verdicts."""
    from pimvae.report import job

    print("\n".join(job.claims(options.results, options.out, options.claims)))


def macros(options: argparse.Namespace) -> None:
    """Write the macros of the paper's numbers."""
    from pimvae.report import job

    job.macros(options.results, options.out, options.scale, options.claims)


def _check_writable(folder: Path) -> None:
    """Refuse a folder that could not be made; nothing is made here."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise UserError(f"cannot write to {folder}: {existing} is not a writable folder")


def _check_names(registry: str, names: Sequence[str]) -> None:
    from pimvae.registry import names as known

    for name in names:
        if name not in known(registry):
            kind = registry.rpartition(".")[2].rstrip("s")
            raise UserError(f"unknown {kind} '{name}' ({did_you_mean(name, known(registry))})")
