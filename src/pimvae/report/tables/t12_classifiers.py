"""T12: accuracies of the classifiers that read generated images and text."""

__all__ = ["table_classifiers"]

from pimvae.claims.selection import select
from pimvae.claims.statistics import format_number
from pimvae.evaluation.rows import CLASSIFIER
from pimvae.report.table import NOT_RUN, Part, Table
from pimvae.report.tables._cells import SPLITS
from pimvae.results.files import Results

NAMES = {"mnist": "MNIST", "svhn": "SVHN", "text": "text (exact rule)"}


def table_classifiers(results: Results) -> Table:
    """Accuracy (%) per modality on training and held-out images, each image counted once."""
    wanted = {"experiment": "images", "aggregator": CLASSIFIER, "metric": "accuracy"}
    accuracies = select(results.metrics, wanted)
    if accuracies.empty:
        return NOT_RUN
    rows = []
    for subset, name in NAMES.items():
        values = [select(accuracies, {"subset": subset, "split": split})["value"] for split in SPLITS]
        rows.append([name, *(format_number(100 * value.mean()) for value in values)])
    return Table("lrr", [["modality", *SPLITS.values()]], [Part(rows)])
