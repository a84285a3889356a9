"""Made-up results in the layout of real ones. For tests of the report only: no number here comes from a training."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from pimvae.chain import seal, write_record

AGGREGATORS = ["poe", "poe_published", "moe", "sum_pooling", "self_attention"]
PRIVATE = ["private_poe", "private_sum_pooling", "private_self_attention"]
LEVELS = {"poe": 6.0, "poe_published": 9.0, "moe": 12.0, "sum_pooling": 1.0, "self_attention": 1.4}
COLUMNS = ["experiment", "dataset", "aggregator", "objective", "prior", "beta", "seed", "split", "subset", "metric",
           "value"]  # fmt: skip


def metrics_of(dataset: str, aggregator: str, objective: str, seeds: range, noise: float = 0.05) -> pd.DataFrame:
    """Metrics of one cell: masked better than mixture, learned aggregators better than PoE and MoE."""
    rows = []
    for seed in seeds:
        generator = np.random.default_rng([seed, *map(ord, dataset + aggregator + objective)])
        size = LEVELS[aggregator.removeprefix("private_")] * (1 if objective == "masked" else 2.5)
        wobble = 1 + noise * generator.standard_normal(8)
        parts = size * np.array([0.5, 0.3, 0.2 if objective == "masked" else 0.0]) * wobble[:3]
        best = -250.0 - 3 * seed
        values = {
            ("llh_mle", "all"): best, ("llh", "all"): best * (1 + 0.002 * size * wobble[3]),
            ("llh_gap", "all"): 0.002 * size * wobble[3],
            ("bound", "average"): best - parts.sum(), ("bound_gap", "average"): parts.sum(),
            ("anatomy_subset_kl", "average"): parts[0], ("anatomy_prediction", "average"): parts[1],
            ("kl_posterior", "unimodal"): 0.8 * size * wobble[4], ("kl_posterior", "all"): 1.2 * size * wobble[5],
            ("llh_exact_same", "all"): best, ("llh_estimated", "all"): best + 0.01 * generator.standard_normal(),
            ("llh_error", "all"): 0.01, ("ess_fraction", "all"): 0.5, ("k_hat_above", "all"): 0.01,
            ("llh_encoder", "all"): best - 3, ("ess_fraction_encoder", "all"): 0.05,
            ("rate", "all"): 12 * wobble[6], ("cross_rate", "unimodal"): 9 * wobble[7],
            ("reconstruction", "all"): best + 20, ("reconstruction_cross", "unimodal"): best + 5,
            ("diverged", "all"): 0,
        }  # fmt: skip
        if objective == "masked":
            values["anatomy_full_kl", "average"] = parts[2]
        for (metric, subset), value in values.items():
            keys = ["linear", dataset, aggregator, objective, "standard", 1.0, seed, "train"]
            rows.append([*keys, subset, metric, value])
    return pd.DataFrame(rows, columns=COLUMNS)


def history_of(seeds: range, level: float) -> pd.DataFrame:
    """Losses that fall towards their least value."""
    steps = np.arange(50, 1001, 50)
    rows = [[step, seed, 1.0, "loss", 250.0 + 3 * seed + level + 300 * np.exp(-step / 150) + 0.1 * np.sin(step + seed)]
            for seed in seeds for step in steps]  # fmt: skip
    return pd.DataFrame(rows, columns=["step", "seed", "beta", "term", "value"])


def examples_of(path: Path, k: int = 3) -> None:
    """Random quadrants in the place of digits."""
    generator = np.random.default_rng(0)
    arrays = {name: generator.random((k, 4, 14, 14), dtype=np.float32) for name in ("true", "inferred", "exact")}
    np.savez(path, given=np.array(0), **arrays)


def write_cells(root: Path, seeds: range = range(3), diverged: tuple[str, str, str, int] | None = None) -> list[Path]:
    """Folders of all cells of the linear experiment below ``root``; ``diverged`` names one replica that failed."""
    folders = []
    grid = [*itertools.product(["dense", "sparse", "digits"], AGGREGATORS), *(("sparse", name) for name in PRIVATE)]
    for (dataset, aggregator), objective in itertools.product(grid, ["masked", "mixture"]):
        folder = root / "linear" / f"{dataset}-{aggregator}-{objective}"
        folder.mkdir(parents=True)
        metrics = metrics_of(dataset, aggregator, objective, seeds)
        if diverged and diverged[:3] == (dataset, aggregator, objective):
            bad = metrics["seed"] == diverged[3]
            metrics.loc[bad, "value"] = 1.0
            metrics = metrics[~bad | (metrics["metric"] == "diverged")]
        metrics.to_csv(folder / "metrics.csv", index=False)
        history_of(seeds, LEVELS[aggregator.removeprefix("private_")]).to_csv(folder / "history.csv", index=False)
        write_record(folder, record_of(dataset, aggregator, objective, list(seeds)))
        seal(folder)
        if dataset == "digits":
            examples_of(folder / "examples.npz")
        folders.append(folder)
    return folders


def record_of(dataset: str, aggregator: str, objective: str, seeds: list[int]) -> dict:
    """A run.json."""
    data = {"kind": "linear", "modalities": 5, "samples": 5000, "latent": 5, "dim_low": 30, "dim_high": 60}
    counts = [{"seed": seed, "beta": 1.0, "clipped_entries": 10, "nonfinite_entries": 0, "diverged": False}
              for seed in seeds]  # fmt: skip
    return {
        "cell": {"experiment": "linear", "dataset": dataset, "data": data, "seeds": seeds,
                 "model": {"aggregator": aggregator, "latent": 5, "encoder_widths": [64, 64], "pooling_width": 64},
                 "objective": {"name": objective, "betas": [1.0]},
                 "train": {"steps": 1500, "batch_size": 500, "learning_rate": 0.003, "clip": 100.0,
                           "schedule": "cosine", "averaging": 0.1},
                 "evaluation": {"samples": 1000, "particles": 512, "refined_particles": 512, "draws": 64,
                                "llh_samples": 1000}},
        "versions": {"torch": "0.0", "python": "0.0", "pimvae": "0.0"},
        "device": "cpu", "device_name": "test machine", "threads": 1, "cpu_count": 2,
        "times": {"seconds": 11.25, "cpu_seconds": 11.0, "loop_seconds": 9.0, "loop_cpu_seconds": 9.0},
        "steps": 1500, "timed_replica_steps": 4500, "entries": 1000, "parameters": 123456,
        "replicas": counts, "data_sha256": {},
    }  # fmt: skip
