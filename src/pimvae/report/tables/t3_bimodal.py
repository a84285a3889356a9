"""T3: a vector and its label, held-out samples: log-likelihood, recovery of the latents, label from the vector."""

__all__ = ["table_bimodal"]

from pimvae.report.tables._identifiable import Measure, identifiable_table
from pimvae.results.files import Results


def table_bimodal(results: Results) -> str:
    """LLH and its gap to the true model (nats), strong MCC for β = 1 and β = 0.1, label from the vector (%)."""
    measures = [
        Measure("LLH", "llh", interval=False),
        Measure("gap", "ceiling_gap"),
        Measure("MCC", "mcc_strong_mean"),
        Measure(r"MCC$_{\beta=.1}$", "mcc_strong_mean", beta=0.1),
        Measure(r"label", "accuracy", "vector"),
    ]
    return identifiable_table(results, "bimodal", "clusters", "test", measures)
