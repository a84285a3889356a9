"""Made-up rows of simple models in the layout of real ones. No number here comes from a fit."""

from pathlib import Path

import pandas as pd
from report.identifiable import DATASETS, ceiling_of

from pimvae.results.files import COLUMNS

NO_LATENT = {"dense": 0.09, "sparse": 0.055, "digits": 0.09}  # its LLH gap: one sparse cell is below it
MODELS = {"independent": 30.0, "gaussian": 20.0, "ppca": 22.0, "gaussian_mixture": 15.0}  # nats to the ceiling
CODES = {"label_code": 0.6, "linear_mix": 0.65}
IMAGES = {"independent": -1600.0, "class_conditional": -1500.0}


def write_simple(path: Path, seeds: range = range(3)) -> Path:
    """One file with the simple models of every data set."""
    rows: list[tuple] = []
    for seed in seeds:

        def add(experiment: str, dataset: str, name: str, split: str, metric: str, value: float, seed: int = seed,
                subset: str = "all") -> None:  # fmt: skip
            keys = (experiment, dataset, "none", "none", "none", 1.0, seed, 1.0, name)
            rows.append((*keys, split, subset, metric, value))

        for dataset, size in NO_LATENT.items():
            for name, gap in (("no_latent", size), ("maximum_likelihood", 0.0)):
                add("linear", dataset, name, "train", "llh", (-250.0 - 3 * seed) * (1 + gap))
                add("linear", dataset, name, "train", "llh_gap", gap)
        for dataset, experiment in DATASETS.items():
            for split in ("train", "test"):
                for name, gap in MODELS.items():
                    add(experiment, dataset, name, split, "llh", ceiling_of(seed) - gap - 0.1 * seed)
                for name, score in CODES.items():
                    add(experiment, dataset, name, split, "mcc_strong_mean", score + 0.01 * seed)
                    add(experiment, dataset, name, split, "mcc_weak_mean", score)
        for name, value in IMAGES.items():
            for subset, share in (("all", 1.0), ("mnist", 0.2), ("svhn", 0.75), ("text", 0.05)):
                add("images", "triples", name, "test", "llh", share * value, subset=subset)
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=COLUMNS).to_csv(path, index=False)
    return path
