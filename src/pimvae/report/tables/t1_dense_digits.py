"""T1: dense loadings and digits: gap to the best likelihood, gap of the bound, divergence to the exact posteriors."""

__all__ = ["table_dense_digits"]

from pimvae.report.tables._linear import GAPS, linear_table
from pimvae.results.files import Results


def table_dense_digits(results: Results) -> str:
    """LLH gap (%), bound gap, KL(q ‖ exact) of one and of all modalities (nats), for both bounds."""
    return linear_table(results, ["dense", "digits"], GAPS)
