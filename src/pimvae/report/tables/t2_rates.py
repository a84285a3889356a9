"""T2, continued: rates and reconstructions on sparse loadings."""

__all__ = ["table_sparse_rates"]

from pimvae.report.tables._linear import RATES, linear_table
from pimvae.results.files import Results


def table_sparse_rates(results: Results) -> str:
    """Rate, cross rate, full and cross reconstruction (nats), for both bounds."""
    return linear_table(results, ["sparse"], RATES)
