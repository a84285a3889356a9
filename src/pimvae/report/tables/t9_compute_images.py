"""T9, continued: parameters and times of the trainings on images and text."""

__all__ = ["table_compute_images"]

from pimvae.report.table import Table
from pimvae.report.tables.t9_compute import table_of
from pimvae.results.files import Results


def table_compute_images(results: Results) -> Table:
    """The columns of T9."""
    return table_of(results, ["images"])
