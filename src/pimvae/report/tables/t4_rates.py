"""T4 and T5, continued: rates and reconstructions of five views, held-out samples."""

__all__ = ["table_multimodal_rates"]

from pimvae.report.tables._identifiable import RATES, identifiable_table
from pimvae.results.files import Results


def table_multimodal_rates(results: Results) -> str:
    """Rate, cross rate, full and cross reconstruction (nats), for both bounds."""
    return identifiable_table(results, "multimodal", ["complete", "half"], "test", RATES)
