"""T8: unconditional coherence, Fréchet distances, and what latents tell of the digit."""

__all__ = ["table_unconditional"]

from pimvae.report.tables._images import MODALITIES, Measure, image_table
from pimvae.results.files import Results


def table_unconditional(results: Results) -> str:
    """Prior samples: coherence (%), Fréchet distances of M and S; latent accuracy (%) given M, S, T and all of them."""
    given = {**MODALITIES, "mnist_svhn_text": "all"}
    measures = [
        Measure("coh.", "coherence", "prior"),
        *(Measure(rf"FD$_{short}$", "frechet", name, interval=False) for name, short in [*MODALITIES.items()][:2]),
        *(Measure(rf"acc$_{{{short}}}$", "latent_accuracy", name, interval=False) for name, short in given.items()),
    ]
    return image_table(results, {"": measures})
