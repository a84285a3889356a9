"""T3, as published: a vector and its label, evaluated on the training samples."""

__all__ = ["table_training"]

from pimvae.report.tables._identifiable import Measure, identifiable_table
from pimvae.results.files import Results


def table_training(results: Results) -> str:
    """LLH and its gap to the true model (nats), strong MCC for β = 1 and β = 0.1."""
    measures = [
        Measure("LLH", "llh", interval=False),
        Measure("gap", "ceiling_gap"),
        Measure("MCC", "mcc_strong_mean"),
        Measure(r"MCC$_{\beta=.1}$", "mcc_strong_mean", beta=0.1),
    ]
    return identifiable_table(results, "bimodal", "clusters", "train", measures)
