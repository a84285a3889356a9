"""Made-up results of the experiments beyond the publication, in the layout of real ones."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from report.identifiable import ceiling_of
from report.synthetic import COLUMNS, record_of

from pimvae.chain import seal, write_record

SCHEMES = ["poe", "moe", "mopoe", "hoelder", "hellinger", "wasserstein", "wasserstein_mixture", "code", "sum_pooling",
           "self_attention"]  # fmt: skip
AUDITED = ["poe", "moe", "sum_pooling"]
BOUNDS = ["masked", "mixture"]
BASELINES = [("poe", "mvtcae"), ("private_moe", "mmvae_plus"), ("moe", "mmvm")]
COUNTS = [2, 4, 8, 16, 32]
SHIFT = {"corrected": 0.0, "subsets": 0.3, "noise": 0.1, "split": 2.0, "all": 3.0}  # of every gap


def cells() -> list[tuple[str, str, str, str]]:
    """Experiment, data set, aggregator and objective of every cell."""
    found = [("aggregators", *keys) for keys in itertools.product(["loadings", "views"], SCHEMES, [*BOUNDS, "tc"])]
    found += [("aggregators", "views", *pair) for pair in BASELINES]
    for data, arm in itertools.product(["loadings", "views"], SHIFT):
        if (data, arm) == ("loadings", "split"):
            continue
        names = {"corrected": [*AUDITED, "poe_published"], "all": ["poe_published", *AUDITED[1:]]}.get(arm, AUDITED)
        found += [("audit", f"{data}_{arm}", *keys) for keys in itertools.product(names, BOUNDS)]
    found += [
        ("scaling", f"views_{count}", *keys)
        for count in COUNTS
        for keys in itertools.product(["poe", "moe", "sum_pooling", "self_attention"], BOUNDS)
    ]
    return [*found, ("scaling", "views_2", "mopoe", "mixture"), ("scaling", "views_4", "mopoe", "mixture")]


def metrics_of(experiment: str, dataset: str, aggregator: str, objective: str, seeds: range) -> pd.DataFrame:
    """Metrics of one cell; masked is better than mixture in the corrected arm of the audit, equal with all switches."""
    data, _, arm = dataset.partition("_")
    linear, shift = data == "loadings", SHIFT.get(arm, 0.0)
    rows = []
    for seed in seeds:
        generator = np.random.default_rng([seed, *map(ord, dataset + aggregator + objective)])
        wobble = 1 + 0.002 * generator.standard_normal(4)
        level = 1.0 if aggregator in ("sum_pooling", "self_attention") else 3.0
        worse = 2.0 if objective != "masked" and arm != "all" else 1.0
        gap = (level * worse + shift) * wobble[0] + 0.5 * (aggregator == "poe_published")
        score = 0.9 - 0.05 * gap
        values = {
            ("llh_gap", "all", "train"): 0.01 * gap, ("bound_gap", "average", "train"): gap,
            ("kl_posterior", "unimodal", "train"): gap, ("kl_posterior", "all", "train"): 1.2 * gap,
            ("llh", "all", "train"): -250.0 - gap,
        } if linear else {
            ("llh", "all", "test"): ceiling_of(seed) - gap, ("mcc_strong_mean", "all", "test"): score * wobble[1],
            ("mcc_weak_mean", "all", "test"): score + 0.03,
        }  # fmt: skip
        if experiment == "audit":
            values["bound_moving", "average", "train"] = -255.0 - gap
            if not linear:
                values["mcc_published_strong_in", "all", "test"] = 0.95 * wobble[2]
        keys = [experiment, dataset, aggregator, objective, "standard", 1.0, seed]
        rows += [[*keys, split, subset, metric, value] for (metric, subset, split), value in values.items()]
        rows.append([*keys, "train", "all", "diverged", 0.0])
    return pd.DataFrame(rows, columns=COLUMNS)


def write_cells(root: Path, seeds: range = range(3)) -> tuple[list[Path], list[Path]]:
    """Folders of all cells below ``root``, and the files of their true models."""
    folders, datasets = [], {}
    for experiment, dataset, aggregator, objective in cells():
        folder = root / experiment / f"{dataset}-{aggregator}-{objective}"
        folder.mkdir(parents=True)
        metrics_of(experiment, dataset, aggregator, objective, seeds).to_csv(folder / "metrics.csv", index=False)
        loss = [[step, seed, 1.0, "loss", 100 / step] for seed in seeds for step in (50, 100)]
        columns = ["step", "seed", "beta", "term", "value"]
        pd.DataFrame(loss, columns=columns).to_csv(folder / "history.csv", index=False)
        record = record_of(dataset, aggregator, objective, list(seeds))
        record["cell"]["experiment"] = experiment
        count = int(dataset.rpartition("_")[2]) if experiment == "scaling" else 5
        record |= {"peak_memory_mib": 300.0 + 10 * count}
        record["times"] |= {"loop_seconds": 9.0 * count}
        write_record(folder, record)
        seal(folder)
        folders.append(folder)
        if not dataset.startswith("loadings"):
            datasets[dataset] = experiment
    return folders, [_ceiling(root, experiment, name, seeds) for name, experiment in datasets.items()]


def _ceiling(root: Path, experiment: str, dataset: str, seeds: range) -> Path:
    rows = [[experiment, dataset, "true_model", "true_model", "true", 1.0, seed, "test", "all", metric, value]
            for seed in seeds for metric, value in {"llh_ceiling": ceiling_of(seed), "llh_ceiling_se": 0.01,
                                                    "ess_fraction": 0.8, "ess_few": 0.01}.items()]  # fmt: skip
    path = root / experiment / "ceiling" / f"{dataset}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=COLUMNS).to_csv(path, index=False)
    return path
