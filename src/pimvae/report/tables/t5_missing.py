"""T5: five views, half of them missing, held-out samples."""

__all__ = ["table_missing"]

from pimvae.report.tables._identifiable import FIT, identifiable_table
from pimvae.results.files import Results


def table_missing(results: Results) -> str:
    """As T4, for training and test data that miss half of the views."""
    return identifiable_table(results, "multimodal", "half", "test", FIT)
