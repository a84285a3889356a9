"""The baselines stage: metrics of simple models fitted to the training samples of a data set, for every seed."""

__all__ = ["NONE", "run"]

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from pimvae.chain import seal_file
from pimvae.config.schema import EvaluationConfig, ModelConfig
from pimvae.data.dataset import load
from pimvae.data.job import checksums, data_file
from pimvae.evaluation.baselines import baseline_rows
from pimvae.evaluation.names import check_names
from pimvae.evaluation.rows import COLUMNS
from pimvae.files import write_csv

NONE = "none"  # stands in the columns aggregator, objective and prior


def run(
    experiment: str,
    dataset: str,
    model: ModelConfig,
    evaluation: EvaluationConfig,
    seeds: Sequence[int],
    data_dir: Path | str,
    out: Path | str,
) -> None:
    """Write the tidy metrics of every simple model of a data set to ``out``, see `baseline_rows`.

    Raises:
        UserError: if a data file is missing or damaged.
    """
    rows: list[tuple[object, ...]] = []
    for seed in tqdm(seeds, desc=f"baselines {dataset}", unit="seed"):
        data = load(data_file(data_dir, seed))
        for row in baseline_rows(data, model, evaluation, seed):
            check_names(row.subset, row.split)
            keys = (experiment, dataset, NONE, NONE, NONE, 1.0, seed, 1.0, row.baseline)
            rows.append((*keys, row.split, row.subset, row.metric, row.value))
    write_csv(out, COLUMNS, rows)
    seal_file(Path(out), data_sha256=checksums(data_dir, seeds))
