"""Made-up results of the images in the layout of real ones. No number or picture here comes from a training."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from report.synthetic import COLUMNS, record_of

from pimvae.chain import seal, write_record

SHARED = ["poe", "moe", "mopoe", "sum_pooling", "self_attention", "poe_plus", "moe_plus"]
PRIVATE = ["private_poe", "private_sum_pooling", "private_self_attention"]
CELLS = [*itertools.product([*SHARED, *PRIVATE], ["masked", "mixture"])]
BETAS = [0.1, 1.0, 4.0]
MODALITIES = ["mnist", "svhn", "text"]
SUBSETS = ["_".join(given) for size in (1, 2, 3) for given in itertools.combinations(MODALITIES, size)]
LEVELS = {"poe": 6.0, "moe": 9.0, "mopoe": 7.0, "sum_pooling": 1.0, "self_attention": 2.0, "poe_plus": 5.5,
          "moe_plus": 8.5}  # fmt: skip
SIDE = 4  # pixels of a picture
WORDS = np.array(["   zero ", "one     ", "  two   ", " three  "])
ACCURACIES = {("train", "mnist"): 1.0, ("train", "svhn"): 0.9876, ("train", "text"): 1.0,
              ("test", "mnist"): 0.987, ("test", "svhn"): 0.876, ("test", "text"): 1.0}  # fmt: skip


def metrics_of(aggregator: str, objective: str, seeds: range) -> pd.DataFrame:
    """Metrics of one cell: likelihoods are higher under masked, generation is more coherent under mixture.

    A larger β lowers rates and reconstructions.
    """
    rows = []
    level = LEVELS[aggregator.removeprefix("private_")]
    masked = objective == "masked"
    for seed, beta in itertools.product(seeds, BETAS):
        generator = np.random.default_rng([seed, *map(ord, aggregator + objective), int(10 * beta)])
        wobble = iter(1 + 0.002 * generator.standard_normal(50))
        shown = (0.5 if masked else 0.7) - 0.02 * level
        fit = -1000.0 - 10 * level - 40 * beta
        values = {
            ("llh", "all"): (fit - 20 * (not masked)) * next(wobble),
            ("rate", "all"): 30 / (1 + beta) * next(wobble), ("cross_rate", "unimodal"): 20 / (1 + beta) * next(wobble),
            ("reconstruction", "all"): fit * next(wobble),
            ("reconstruction_marginal", "unimodal"): 0.4 * fit * next(wobble),
            ("reconstruction_cross", "unimodal"): (1.2 if masked else 1.05) * fit * next(wobble),
            ("coherence", "cross"): shown * next(wobble), ("coherence", "prior"): 0.5 * shown * next(wobble),
            ("frechet", "mnist"): 20 * level * next(wobble), ("frechet", "svhn"): 35 * level * next(wobble),
        }  # fmt: skip
        parts = zip(MODALITIES, (0.2, 0.75, 0.05), strict=True)
        values |= {("llh", name): share * fit * next(wobble) for name, share in parts}
        for name in ("all", *MODALITIES):
            values |= {("llh_error", name): 0.1, ("ess_fraction", name): 0.05 * next(wobble)}
            values["k_hat_above", name] = 0.2 * next(wobble)
            values["llh_encoder", name] = values["llh", name] - 10
        for given in SUBSETS:
            values["latent_accuracy", given] = (0.9 if masked else 0.8) * next(wobble)
            values |= {("coherence", f"{given}_to_{name}"): shown * next(wobble) for name in MODALITIES}
        keys = ["images", "triples", aggregator, objective, "standard", beta, seed]
        rows += [[*keys, "test", subset, metric, value] for (metric, subset), value in values.items()]
        rows.append([*keys, "train", "all", "diverged", 0.0])
    return pd.DataFrame(rows, columns=COLUMNS)


def pictures_of(path: Path, seed: int = 0, examples: int = 2, samples: int = 4) -> None:
    """Random pixels and words in the places of pictures and text; the true triples are those of every cell."""
    true, generator = np.random.default_rng(0), np.random.default_rng(seed)
    shapes = {"true": ((examples,), true), "given": ((7, examples), generator), "prior": ((samples,), generator)}
    arrays = {}
    for prefix, (shape, draws) in shapes.items():
        for name, channels in (("mnist", 1), ("svhn", 3)):
            arrays[f"{prefix}_{name}"] = draws.integers(256, size=(*shape, channels, SIDE, SIDE), dtype=np.uint8)
        arrays[f"{prefix}_text"] = draws.choice(WORDS, shape)
    given = np.array([*itertools.product([False, True], repeat=3)][1:])
    np.savez(path, given=given, provenance=np.array("embedded"), seed=np.array(0), **arrays)


def image_record(aggregator: str, objective: str, seeds: list[int]) -> dict:
    """A run.json."""
    record = record_of("triples", aggregator, objective, seeds)
    private = 10 if aggregator in PRIVATE else 0
    cell = record["cell"] | {"experiment": "images"}
    cell["data"] = {"kind": "images", "source": "embedded", "mnist_side": 14, "svhn_side": 16, "svhn_variation": 0.25,
                    "samples": 5000, "test_samples": 1000, "matchings": 20}  # fmt: skip
    cell["model"] |= {"latent": 10 if private else 40, "private_latent": private, "networks": "image_mlp",
                      "encoder_widths": [96], "features": 96, "noise_scale": 0.75, "attention_heads": 4,
                      "likelihood_weights": "balanced", "encoder_floor": 0.0005}  # fmt: skip
    cell["objective"]["betas"] = BETAS
    members = [member | {"beta": beta} for member in record["replicas"] for beta in BETAS]
    return record | {"cell": cell, "replicas": members}


def write_classifiers(path: Path, seed: int = 0) -> Path:
    """The file of the classifiers' accuracies."""
    rows = [["images", "triples", "classifier", "classifier", "classifier", 1.0, seed, *where, "accuracy", value]
            for where, value in ACCURACIES.items()]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=COLUMNS).to_csv(path, index=False)
    return path


def write_cells(root: Path, seeds: range = range(3)) -> tuple[list[Path], list[Path]]:
    """Folders of all cells below ``root``, and the file of the classifiers."""
    folders = []
    for place, (aggregator, objective) in enumerate(CELLS):
        folder = root / "images" / f"triples-{aggregator}-{objective}"
        folder.mkdir(parents=True)
        metrics_of(aggregator, objective, seeds).to_csv(folder / "metrics.csv", index=False)
        rows = [[step, seed, beta, "loss", 1000.0 + 5000 / step]
                for seed in seeds for beta in BETAS for step in (50, 100)]  # fmt: skip
        history = pd.DataFrame(rows, columns=["step", "seed", "beta", "term", "value"])
        history.to_csv(folder / "history.csv", index=False)
        write_record(folder, image_record(aggregator, objective, list(seeds)))
        seal(folder)
        pictures_of(folder / "examples.npz", place + 1)
        folders.append(folder)
    return folders, [write_classifiers(root / "images" / "classifiers.csv")]
