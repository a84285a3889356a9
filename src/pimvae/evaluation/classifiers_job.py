"""The classifiers stage: trained once per data set of images, beside its data, with their accuracies."""

__all__ = ["classifiers_file", "run", "trained_classifiers"]

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from pimvae.chain import check_metrics, seal_file
from pimvae.data.dataset import Dataset, load
from pimvae.data.job import checksums, data_file
from pimvae.errors import UserError
from pimvae.evaluation.classifiers import Classifiers, fit, load_classifiers, save_classifiers, table
from pimvae.evaluation.names import CLASSIFIER, SPLITS, TRIPLE
from pimvae.evaluation.rows import COLUMNS
from pimvae.files import sha256, write_csv

TABLE = "classifiers.csv"  # of accuracies


def classifiers_file(folder: Path | str) -> Path:
    """The file of a data set's classifiers, beside its data."""
    return Path(folder) / "classifiers.safetensors"


def trained_classifiers(folder: Path | str) -> Classifiers:
    """The classifiers of a data set.

    Raises:
        UserError: if they are missing, not as they were written, or were trained on other data than lie there now.
    """
    path = classifiers_file(folder)
    found, facts = load_classifiers(path), check_metrics(Path(folder) / TABLE)
    again = "run 'pimvae classifiers' again"
    if facts.get("classifiers_sha256", sha256(path)) != sha256(path):
        raise UserError(f"classifiers {path} are not what the training wrote (sha256 differs): {again}")
    for seed, digest in facts.get("data_sha256", {}).items():
        if sha256(data_file(folder, int(seed))) != digest:
            raise UserError(f"classifiers {path} were trained on other data than those of seed {seed}: {again}")
    return found


def run(experiment: str, dataset: str, seeds: Sequence[int], data_dir: Path | str) -> None:
    """Train on the data of the first seed; writes ``classifiers.safetensors`` and ``classifiers.csv`` beside them.

    The CSV holds tidy metrics: ``accuracy`` on training and held-out images, each counted once.

    Raises:
        UserError: if the data are missing, damaged or have no images and text.
    """
    seed = seeds[0]
    path = data_file(data_dir, seed)
    data = load(path)
    if data.likelihoods != ("laplace", "laplace", "text"):
        raise UserError(f"{path} has no images and text: classifiers are for the data set kind 'images'")
    classifiers = fit(data, seed)
    save_classifiers(classifiers, classifiers_file(data_dir))
    keys = (experiment, dataset, CLASSIFIER, CLASSIFIER, CLASSIFIER, 1.0, seed, 1.0, "")
    rows = [(*keys, split, subset, "accuracy", value) for split, subset, value in _accuracies(data, classifiers)]
    write_csv(Path(data_dir) / TABLE, COLUMNS, rows)
    seal_file(Path(data_dir) / TABLE, classifiers_sha256=sha256(classifiers_file(data_dir)),
              data_sha256=checksums(data_dir, [seed]))  # fmt: skip


def _accuracies(data: Dataset, classifiers: Classifiers) -> Iterator[tuple[str, str, float]]:
    for name, split in zip(SPLITS, (data.train, data.test), strict=True):
        for s, modality in enumerate(TRIPLE if split is not None else ()):
            values, labels = table(split, s)
            guess = torch.cat([classifiers.labels(s, part) for part in values.split(1000)])
            yield name, modality, float((guess == labels).double().mean())
