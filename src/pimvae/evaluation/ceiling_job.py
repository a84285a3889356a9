"""The ceiling stage: log-likelihood of a clustered data set under the model that generated it, for every seed."""

__all__ = ["FEW", "run"]

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pimvae.chain import seal_file
from pimvae.config.schema import EvaluationConfig
from pimvae.data.dataset import Dataset, Split, load
from pimvae.data.job import checksums, data_file
from pimvae.errors import UserError
from pimvae.evaluation.ceiling import ceiling
from pimvae.evaluation.names import SPLITS, TRUE_MODEL, TRUE_PRIOR
from pimvae.evaluation.rows import COLUMNS
from pimvae.files import write_csv

FEW = 10.0  # effective particles below which an estimate of one sample is not to be trusted


def run(
    experiment: str,
    dataset: str,
    evaluation: EvaluationConfig,
    seeds: Sequence[int],
    data_dir: Path | str,
    out: Path | str,
) -> None:
    """Write the tidy metrics of the true model to ``out``, on the samples on which cells report their likelihood.

    Per seed and split: ``llh_ceiling`` and its Monte-Carlo standard error, the mean effective sample size as a
    fraction, and ``ess_few``, the share of samples with fewer than ``FEW`` effective particles.

    Raises:
        UserError: if a data file is missing or damaged, or its generating model is not known.
    """
    rows: list[tuple[object, ...]] = []
    for seed in tqdm(seeds, desc=f"ceiling {dataset}", unit="seed"):
        path = data_file(data_dir, seed)
        data = load(path)
        if "cluster_mean" not in data.truth:
            raise UserError(f"{path}: the model that generated it is not known, so there is no ceiling")
        keys = (experiment, dataset, TRUE_MODEL, TRUE_MODEL, TRUE_PRIOR, 1.0, seed, 1.0, "")
        for name, split in zip(SPLITS, (data.train, data.test), strict=True):
            if split is not None:
                found = _metrics(data, split.spread(evaluation.llh_samples), evaluation.ceiling_particles, seed)
                rows += [(*keys, name, "all", metric, value) for metric, value in found]
    write_csv(out, COLUMNS, rows)
    seal_file(Path(out), data_sha256=checksums(data_dir, seeds))


def _metrics(data: Dataset, split: Split, particles: int, seed: int) -> Iterator[tuple[str, float]]:
    estimate = ceiling(data, split, particles, seed)
    # Delta method, as for the learned models: the variance of log ŵ is (1/ess_fraction − 1)/R.
    variance = (1 / estimate.ess_fraction - 1) / particles
    yield "llh_ceiling", float(estimate.log_likelihood.mean())
    yield "llh_ceiling_se", float(np.sqrt(variance.sum()) / len(variance))
    yield "ess_fraction", float(estimate.ess_fraction.mean())
    yield "ess_few", float(np.mean(estimate.ess_fraction * particles < FEW))
