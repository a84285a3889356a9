"""Made-up results of the identifiable experiments in the layout of real ones. No number here comes from a training."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from report.synthetic import COLUMNS, record_of

from pimvae.chain import seal, write_record

FIXED = ["poe", "poe_published", "moe", "sum_pooling", "self_attention"]
LEARNED = ["moe", "sum_pooling", "self_attention", "sum_pooling_mixture", "self_attention_mixture"]
LEVELS = {"poe": 6.0, "poe_published": 9.0, "moe": 7.0, "sum_pooling": 2.0, "self_attention": 2.2,
          "sum_pooling_mixture": 1.8, "self_attention_mixture": 2.1}  # fmt: skip
DATASETS = {"clusters": "bimodal", "complete": "multimodal", "half": "multimodal", "laplace": "multimodal"}
GRID = [*((name, "standard") for name in FIXED), *((name, "mixture") for name in LEARNED)]
LAPLACE = [("moe", "standard"), ("sum_pooling", "standard"), ("sum_pooling", "mixture")]
CELLS = [(*pair, *keys) for pair in DATASETS.items()
         for keys in itertools.product(LAPLACE if pair[0] == "laplace" else GRID, ["masked", "mixture"])]  # fmt: skip


def ceiling_of(seed: int) -> float:
    return -100.0 - 7 * seed


def metrics_of(dataset: str, aggregator: str, prior: str, objective: str, seeds: range) -> pd.DataFrame:
    """Metrics of one cell: masked better than mixture, learned aggregators and priors better than the others."""
    rows = []
    betas = [1.0, 0.1] if dataset == "clusters" else [1.0]
    for seed, beta in itertools.product(seeds, betas):
        generator = np.random.default_rng([seed, *map(ord, dataset + aggregator + prior + objective)])
        gap = LEVELS[aggregator] * (1 if objective == "masked" else 1.7) / (1 if prior == "standard" else 1.5)
        wobble = 1 + 0.002 * generator.standard_normal(8)
        score = 0.95 - 0.03 * gap
        values = {
            ("llh", "all"): ceiling_of(seed) - gap * wobble[0], ("ess_fraction", "all"): 0.3,
            ("mcc_strong_mean", "all"): score * wobble[1], ("mcc_weak_mean", "all"): score * wobble[1] + 0.02,
            ("mcc_strong_mean_in", "all"): score, ("mcc_weak_mean_in", "all"): score + 0.02,
            ("mcc_strong_sample", "all"): score * wobble[2] - 0.05, ("mcc_weak_sample", "all"): score - 0.03,
            ("accuracy", "vector"): 0.6 * wobble[3], ("rate", "all"): 8 * wobble[4], ("cross_rate", "unimodal"): 3.0,
            ("reconstruction", "all"): -90.0 * wobble[5], ("reconstruction_cross", "unimodal"): -100.0,
        }  # fmt: skip
        if prior == "mixture":
            values["cluster_accuracy", "all"] = 0.7 * wobble[6]
        if dataset != "clusters":
            values |= {("mcc_strong_mean", f"size{size}"): score * wobble[7] * (0.7 + 0.06 * size)
                       for size in range(1, 5 if dataset == "half" else 6)}  # fmt: skip
        keys = [DATASETS[dataset], dataset, aggregator, objective, prior, beta, seed]
        splits = ["train", "test"] if dataset == "clusters" else ["test"]
        rows += [[*keys, split, subset, metric, value] for split in splits
                 for (metric, subset), value in values.items()]  # fmt: skip
        rows.append([*keys, "train", "all", "diverged", 0.0])
    return pd.DataFrame(rows, columns=COLUMNS)


def write_ceiling(path: Path, dataset: str, seeds: range) -> Path:
    """The file of one true model."""
    rows = [[DATASETS[dataset], dataset, "true_model", "true_model", "true", 1.0, seed, split, "all", metric, value]
            for seed in seeds for split in ("train", "test")
            for metric, value in {"llh_ceiling": ceiling_of(seed), "llh_ceiling_se": 0.01, "ess_fraction": 0.8,
                                  "ess_few": 0.01}.items()]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=COLUMNS).to_csv(path, index=False)
    return path


def points_of(path: Path, seed: int = 0, n: int = 60) -> None:
    """Points in the place of latents and vectors."""
    generator = np.random.default_rng(seed)
    places = {name: generator.normal(size=(n, 2)) for name in ("latents", "x", "inferred", "reconstruction")}
    np.savez(path, seed=np.array(seed), labels=np.arange(n) % 5, **places)


def write_cells(root: Path, seeds: range = range(3)) -> tuple[list[Path], list[Path]]:
    """Folders of all cells of both experiments below ``root``, and the files of their true models."""
    folders = []
    for dataset, experiment, (aggregator, prior), objective in CELLS:
        suffix = "" if prior == "standard" else f"-{prior}_prior"
        folder = root / experiment / f"{dataset}-{aggregator}-{objective}{suffix}"
        folder.mkdir(parents=True)
        metrics = metrics_of(dataset, aggregator, prior, objective, seeds)
        metrics.to_csv(folder / "metrics.csv", index=False)
        rows = [[step, seed, 1.0, "loss", -ceiling_of(seed) + LEVELS[aggregator] + 50 / step]
                for seed in seeds for step in range(10, 101, 10)]  # fmt: skip
        history = pd.DataFrame(rows, columns=["step", "seed", "beta", "term", "value"])
        history.to_csv(folder / "history.csv", index=False)
        record = identifiable_record(dataset, aggregator, prior, objective, list(seeds))
        count = record["replicas"][0]
        members = metrics[["seed", "beta"]].drop_duplicates().to_dict("records")
        write_record(folder, record | {"replicas": [count | member for member in members]})
        seal(folder)
        if dataset == "clusters":
            points_of(folder / "examples.npz")
        folders.append(folder)
    ceilings = [write_ceiling(root / DATASETS[name] / "ceiling" / f"{name}.csv", name, seeds) for name in DATASETS]
    return folders, ceilings


def identifiable_record(dataset: str, aggregator: str, prior: str, objective: str, seeds: list[int]) -> dict:
    """A run.json."""
    record = record_of(dataset, aggregator, objective, seeds)
    cell = record["cell"]
    cell["experiment"] = DATASETS[dataset]
    cell["data"] = {"kind": DATASETS[dataset], "samples": 4000, "test_samples": 4000, "clusters": 5, "latent": 2,
                    "noise": 0.1, "modalities": 5, "dim": 25, "layers": 3}  # fmt: skip
    cell["model"] |= {"prior": prior, "prior_components": 5, "components": 5, "features": 64}
    cell["train"]["batch_size"] = 125
    cell["evaluation"]["ceiling_particles"] = 256
    return record
