"""T4: five views, all observed, held-out samples."""

__all__ = ["table_multimodal"]

from pimvae.report.tables._identifiable import FIT, identifiable_table
from pimvae.results.files import Results


def table_multimodal(results: Results) -> str:
    """LLH and its gap to the true model (nats), strong and weak MCC, clusters of the learned prior (%)."""
    return identifiable_table(results, "multimodal", "complete", "test", FIT)
