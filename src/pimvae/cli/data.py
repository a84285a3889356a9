"""Commands that draw data sets and say what can be known of them without a trained model."""

__all__ = ["DATA"]

import argparse
from pathlib import Path
from typing import Any

from pimvae.cli.options import DATASET, DRAWN, EXPERIMENT, OUT_FILE, OUT_FOLDER, ROOT, SCALE
from pimvae.cli.parser import Group, option
from pimvae.files import check_writable

DATA = Group("Data")


@DATA.command(
    option("--to", type=Path, metavar="FOLDER", help="folder to write to, for 'data_dir' (default: the user's cache)"),
    example="--to downloads",
)
def download(options: argparse.Namespace) -> None:
    """Download MNIST and SVHN (258 MB).

    Only data sets with 'source: full' need them. What is there already is checked and kept, an interrupted download
    of a file starts anew. SVHN is for non-commercial use only.
    """
    from pimvae.data._downloads import download_all

    if options.to:
        check_writable(options.to)
    folder = download_all(options.to)
    print(f"all files are in {folder}" + (f"; use them with data_dir: {folder.resolve()}" if options.to else ""))


def _chosen(options: argparse.Namespace) -> Any:
    """The data set that the options name."""
    from pimvae.config import find_dataset, load

    return find_dataset(load(options.scale, options.root, [options.experiment]), options.dataset)


def _drawn(options: argparse.Namespace, seeds: int | None = None) -> Any:
    """The same, of which the files of all seeds (or of the first few) are as they were drawn."""
    from pimvae.data.job import check_drawn

    dataset = _chosen(options)
    check_drawn(dataset.data, options.data, dataset.seeds[:seeds])
    return dataset


@DATA.command(
    EXPERIMENT, DATASET, OUT_FOLDER, SCALE, ROOT,
    example="linear dense --scale smoke --out results/smoke/linear/data/dense",
)  # fmt: skip
def data(options: argparse.Namespace) -> None:
    """Draw one data set for every seed.

    Writes one file per seed and manifest.json with their checksums.
    """
    from pimvae.data.job import run

    dataset = _chosen(options)
    run(dataset.data, dataset.seeds, options.out)


@DATA.command(
    EXPERIMENT, DATASET, DRAWN, SCALE, ROOT,
    example="images triples --scale smoke --data results/smoke/images/data/triples",
)  # fmt: skip
def classifiers(options: argparse.Namespace) -> None:
    """Train the classifiers that read generated images.

    For data sets of images and text. Writes classifiers.safetensors and classifiers.csv (their accuracies) beside the
    data.
    """
    from pimvae.evaluation.classifiers import run

    dataset = _drawn(options, seeds=1)
    run(options.experiment, dataset.name, dataset.seeds, options.data)


@DATA.command(
    EXPERIMENT, DATASET, DRAWN, OUT_FILE, SCALE, ROOT,
    example="bimodal clusters --scale smoke --data results/smoke/bimodal/data/clusters --out ceiling.csv",
)  # fmt: skip
def ceiling(options: argparse.Namespace) -> None:
    """Log-likelihood of a data set under the model that generated it.

    For data sets with clusters. Writes tidy metrics of every seed, for the samples on which learned models are
    evaluated.
    """
    from pimvae.evaluation.ceiling import run

    dataset = _drawn(options)
    run(options.experiment, dataset.name, dataset.evaluation, dataset.seeds, options.data, options.out)


@DATA.command(
    EXPERIMENT, DATASET, DRAWN, OUT_FILE, SCALE, ROOT,
    example="bimodal clusters --scale smoke --data results/smoke/bimodal/data/clusters --out base.csv",
)  # fmt: skip
def baselines(options: argparse.Namespace) -> None:
    """Fit simple models to a data set and evaluate them.

    Writes tidy metrics of every seed, for the samples on which learned models are evaluated. Closed forms and EM,
    fitted to the training samples alone.
    """
    from pimvae.evaluation.baselines import run

    dataset = _drawn(options)
    run(options.experiment, dataset.name, dataset.model, dataset.evaluation, dataset.seeds, options.data, options.out)
