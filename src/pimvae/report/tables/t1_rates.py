"""T1, continued: rates and reconstructions on dense loadings and digits."""

__all__ = ["table_rates"]

from pimvae.report.files import Results
from pimvae.report.tables._linear import RATES, linear_table


def table_rates(results: Results) -> str:
    """Rate, cross rate, full and cross reconstruction (nats), for both bounds."""
    return linear_table(results, ["dense", "digits"], RATES)
