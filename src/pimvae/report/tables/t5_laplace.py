"""T5, continued: five views of Laplace sources, held-out samples."""

__all__ = ["table_laplace"]

from pimvae.report.tables._identifiable import FIT, identifiable_table
from pimvae.results.files import Results


def table_laplace(results: Results) -> str:
    """As T4, for Laplace sources, posteriors and priors."""
    return identifiable_table(results, "multimodal", "laplace", "test", FIT)
