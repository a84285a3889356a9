"""T7: conditional coherence for every subset given and every modality generated."""

__all__ = ["table_coherence"]

from itertools import combinations

from pimvae.report.tables._images import MODALITIES, Measure, image_table
from pimvae.results.files import Results

TITLES = {"mnist": "MNIST generated", "svhn": "SVHN generated", "text": "text generated"}


def table_coherence(results: Results) -> str:
    """Share of generated samples that show the digit of what is given (%), a panel per generated modality."""
    subsets = [given for size in (1, 2, 3) for given in combinations(MODALITIES, size)]
    panels = {
        title: [Measure("+".join(MODALITIES[name] for name in given), "coherence", f"{'_'.join(given)}_to_{target}",
                        interval=False) for given in subsets]
        for target, title in TITLES.items()
    }  # fmt: skip
    return image_table(results, panels)
