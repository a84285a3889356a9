"""The evaluation stage: the tidy metrics of one trained cell."""

__all__ = ["check_data", "load_models", "read_run", "run"]

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tqdm import tqdm

from pimvae import chain
from pimvae.config.schema import Cell, Replica
from pimvae.data.dataset import Dataset, load
from pimvae.data.job import data_file
from pimvae.errors import UserError
from pimvae.evaluation.evaluation import Evaluation, evaluation_of
from pimvae.evaluation.rows import COLUMNS, Rows
from pimvae.files import replacing, sha256, write_csv
from pimvae.models.vae import MultimodalVAE
from pimvae.training.members import at_share, build_models


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


def read_run(folder: Path | str, cell: Cell) -> dict[str, object]:
    """The run's record.

    Raises:
        UserError: if there is none, it or the weights that it names are not as the training wrote them, or it is of
            another configuration than ``cell`` (evaluation settings aside).
    """
    path, record = Path(folder) / "run.json", chain.read_record(folder)
    trained, wanted = record["cell"], cell.model_dump(mode="json")
    differing = sorted(key for key in wanted if key != "evaluation" and trained.get(key) != wanted[key])
    if differing:
        raise UserError(f"{path} was trained with another configuration (differs in: {', '.join(differing)})")
    chain.check_weights(folder, record)
    return record


def check_data(record: Mapping[str, object], folder: Path | str, seeds: Iterable[int]) -> None:
    """Refuse data that are not those of the training.

    Raises:
        UserError: if a data file is absent, or its sha256 is not the one in the run's record.
    """
    trained = record.get("data_sha256")
    for seed in seeds:
        path = data_file(folder, seed)
        if not path.is_file():
            raise UserError(f"data file {path} does not exist: make it first")
        if not isinstance(trained, dict) or trained.get(str(seed)) != sha256(path):
            raise UserError(f"{path} is not what the run was trained on (its sha256 differs): train the cell again")


def load_models(
    folder: Path | str, cell: Cell, datasets: dict[int, Dataset], share: float = 1.0
) -> list[MultimodalVAE]:
    """The model of every replica after a share of its training, in double precision and evaluation mode.

    Raises:
        UserError: if the weights are of other shapes than the cell's.
    """
    path = Path(folder) / "weights.safetensors"
    state, models = load_file(path), build_models(cell, datasets)
    for r, model in enumerate(models):
        try:
            model.load_state_dict({name: state[at_share(name, share)][r] for name, _ in model.named_parameters()})
        except (RuntimeError, IndexError, KeyError):
            raise UserError(f"weights {path} do not fit cell '{cell.name}', train the cell again") from None
        model.to(torch.float64).requires_grad_(False).eval()
    return models


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
