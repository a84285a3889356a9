"""T4 and T5, continued: MCC of posterior means and samples, five views, held-out samples."""

__all__ = ["table_samples"]

from pimvae.report.tables._identifiable import Measure, identifiable_table
from pimvae.results.files import Results


def table_samples(results: Results) -> str:
    """Strong and weak MCC of one posterior sample, and of posterior means on the samples that fixed the matching."""
    measures = [
        Measure("strong", "mcc_strong_sample"),
        Measure("weak", "mcc_weak_sample"),
        Measure("strong, in", "mcc_strong_mean_in"),
        Measure("weak, in", "mcc_weak_mean_in"),
    ]
    return identifiable_table(results, "multimodal", ["complete", "half"], "test", measures)
