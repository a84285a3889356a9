"""T1, continued: rates and reconstructions on dense loadings and digits."""

__all__ = ["table_rates"]

from pimvae.report.tables._linear import RATES, linear_table
from pimvae.results.files import Results


def table_rates(results: Results) -> str:
    """Rate, cross rate, full and cross reconstruction (nats), for both bounds."""
    return linear_table(results, ["dense", "digits"], RATES)
