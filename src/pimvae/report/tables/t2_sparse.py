"""T2: sparse loadings, models with and without private latents."""

__all__ = ["table_sparse"]

from pimvae.report.tables._linear import GAPS, linear_table
from pimvae.results.files import Results


def table_sparse(results: Results) -> str:
    """As T1, for the sparse loadings; private models have their own rows."""
    return linear_table(results, ["sparse"], GAPS)
