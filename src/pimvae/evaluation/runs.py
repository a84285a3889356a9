"""Trained models from the files of a run."""

__all__ = ["check_data", "load_models", "read_run"]

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pimvae.chain import check_weights, read_record
from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset
from pimvae.data.job import data_file
from pimvae.errors import UserError
from pimvae.files import sha256
from pimvae.models.vae import MultimodalVAE
from pimvae.training.members import at_share, build_models


def read_run(folder: Path | str, cell: Cell) -> dict[str, object]:
    """The run's record.

    Raises:
        UserError: if there is none, it or the weights that it names are not as the training wrote them, or it is of
            another configuration than ``cell`` (evaluation settings aside).
    """
    path, record = Path(folder) / "run.json", read_record(folder)
    trained, wanted = record["cell"], cell.model_dump(mode="json")
    differing = sorted(key for key in wanted if key != "evaluation" and trained.get(key) != wanted[key])
    if differing:
        raise UserError(f"{path} was trained with another configuration (differs in: {', '.join(differing)})")
    check_weights(folder, record)
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
        UserError: if the weights are missing, damaged or of other shapes than the cell's.
    """
    path = Path(folder) / "weights.safetensors"
    try:
        state = load_file(path)
    except (FileNotFoundError, SafetensorError, OSError) as error:
        raise UserError(f"weights {path} are missing or damaged, train the cell again: {error}") from None
    models = build_models(cell, datasets)
    for r, model in enumerate(models):
        try:
            model.load_state_dict({name: state[at_share(name, share)][r] for name, _ in model.named_parameters()})
        except (RuntimeError, IndexError, KeyError):
            raise UserError(f"weights {path} do not fit cell '{cell.name}', train the cell again") from None
        model.to(torch.float64).requires_grad_(False).eval()
    return models
