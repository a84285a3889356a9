"""The evaluation stage: the tidy metrics of one trained cell."""

__all__ = ["run"]

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from pimvae import chain
from pimvae.config.schema import Cell, Replica
from pimvae.data.dataset import Dataset, load
from pimvae.data.job import data_file
from pimvae.evaluation.evaluation import Evaluation, evaluation_of
from pimvae.evaluation.rows import COLUMNS, Rows
from pimvae.evaluation.runs import check_data, load_models, read_run
from pimvae.files import replacing, write_csv
from pimvae.models.vae import MultimodalVAE


def run(cell: Cell, data_dir: Path | str, run_dir: Path | str) -> None:
    """Evaluate the cell trained in ``run_dir``; writes ``metrics.csv`` (and ``examples.npz`` for some data) there.

    Last comes ``metrics.json``, which ties the metrics to the run (`pimvae.chain.seal`).

    A replica that diverged gets the metric ``diverged`` = 1 and no other; the examples are those of the first replica
    that has any, an empty archive if none has.

    Raises:
        UserError: if the run or the data is missing, damaged or of another configuration, or the data are not those of
            the training.
    """
    run_dir = Path(run_dir)
    record = read_run(run_dir, cell)
    check_data(record, data_dir, cell.seeds)
    kind = evaluation_of(cell)
    shared, device = kind.prepare(Path(data_dir)), _device(kind, record)
    datasets = {seed: load(data_file(data_dir, seed)) for seed in cell.seeds}
    rows: list[tuple[object, ...]] = []
    examples: dict[str, np.ndarray] = {}
    for share, member, model, counts in tqdm(_members(run_dir, cell, datasets, record), unit="model"):
        collected = Rows(cell, member.seed, member.beta, share)
        collected.add("diverged", float(counts["diverged"]))
        if not counts["diverged"]:
            held = {"model": model.to(device), "data": datasets[member.seed], "rows": collected, "seed": member.seed}
            found = kind(cell=cell, **held, **shared).measure()
            examples = examples or found
            if cell.evaluation.published and collected.scope == "all":
                from pimvae.evaluation.published import add_published

                add_published(cell, model, datasets[member.seed], run_dir, collected)
        rows += collected.rows
    write_csv(run_dir / "metrics.csv", COLUMNS, rows)
    if cell.has_examples:
        with replacing(run_dir / "examples.npz") as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **examples)
    chain.seal(run_dir, cell.evaluation.model_dump(mode="json"))


def _members(
    run_dir: Path, cell: Cell, datasets: dict[int, Dataset], record: Mapping[str, object]
) -> list[tuple[float, Replica, MultimodalVAE, Mapping[str, object]]]:
    """Share, replica, model and counts of everything to evaluate, the finished models first."""
    return [
        (share, *parts)
        for share in reversed(cell.train.shares)
        for parts in zip(cell.members, load_models(run_dir, cell, datasets, share), record["replicas"], strict=True)
    ]


def _device(kind: type[Evaluation], record: Mapping[str, object]) -> torch.device:
    """Where the run was trained, if the experiment's evaluation is made for it and it is still there; else the CPU."""
    wanted = kind.ON_DEVICE and record.get("device") == "cuda"
    return torch.device("cuda" if wanted and torch.cuda.is_available() else "cpu")
