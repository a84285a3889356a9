"""T12: accuracies of the classifiers that read generated images and text."""

__all__ = ["table_classifiers"]

from pimvae.claims.selection import select
from pimvae.claims.statistics import format_number
from pimvae.report.tables._images import CLASSIFIER, EXPERIMENT
from pimvae.report.tables._layout import MISSING, not_run, tabular
from pimvae.results.files import Results

NAMES = {"mnist": "MNIST", "svhn": "SVHN", "text": "text (exact rule)"}
SPLITS = {"train": "training", "test": "held out"}


def table_classifiers(results: Results) -> str:
    """Accuracy (%) per modality on training and held-out images, each image counted once."""
    wanted = {"experiment": EXPERIMENT, "aggregator": CLASSIFIER, "metric": "accuracy"}
    rows = select(results.metrics, wanted)
    if rows.empty:
        return not_run()
    lines = [" & ".join(["modality", *SPLITS.values()]) + r" \\", r"\midrule"]
    for subset, name in NAMES.items():
        values = [select(rows, {"subset": subset, "split": split})["value"] for split in SPLITS]
        cells = [format_number(100 * float(value.mean())) if len(value) else MISSING for value in values]
        lines.append(" & ".join([name, *cells]) + r" \\")
    return tabular("lrr", lines)
