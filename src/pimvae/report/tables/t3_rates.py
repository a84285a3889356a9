"""T3, continued: rates and reconstructions of a vector and its label, held-out samples."""

__all__ = ["table_bimodal_rates"]

from pimvae.report.tables._identifiable import RATES, identifiable_table
from pimvae.results.files import Results


def table_bimodal_rates(results: Results) -> str:
    """Rate, cross rate, full and cross reconstruction (nats), for both bounds."""
    return identifiable_table(results, "bimodal", "clusters", "test", RATES)
