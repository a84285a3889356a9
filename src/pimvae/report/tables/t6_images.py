"""T6: log-likelihood of images and text, jointly and of each modality."""

__all__ = ["table_image_likelihood"]

from pimvae.report.tables._images import MODALITIES, Measure, image_table
from pimvae.results.files import Results


def table_image_likelihood(results: Results) -> str:
    """LLH of all modalities and of each (nats, unweighted), and for how many triples annealing was needed."""
    measures = [Measure("M+S+T", "llh", "all"), *(Measure(short, "llh", name) for name, short in MODALITIES.items())]
    return image_table(results, {"": [*measures, Measure(r"$\hat k>.7$", "k_hat_above", "all", interval=False)]})
