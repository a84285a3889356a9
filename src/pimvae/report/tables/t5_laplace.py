"""T5, continued: five views of Laplace sources, held-out samples."""

__all__ = ["table_laplace"]

from pimvae.report.files import Results
from pimvae.report.tables._identifiable import FIT, identifiable_table


def table_laplace(results: Results) -> str:
    """As T4, for Laplace sources, posteriors and priors."""
    return identifiable_table(results, "multimodal", "laplace", "test", FIT)
