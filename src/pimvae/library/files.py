"""Files of a model of own data, and models from folders of the experiments."""

__all__ = ["Past", "load", "save"]

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file

from pimvae import arguments, chain, registry
from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset
from pimvae.data.dataset import load as load_data
from pimvae.data.job import data_file, sizes_of
from pimvae.data.modality import Modality
from pimvae.errors import UserError
from pimvae.files import sha256
from pimvae.models.layers import parameter_count
from pimvae.models.vae import build_model
from pimvae.training.device import machine
from pimvae.training.streams import Purpose, derived_seed

if TYPE_CHECKING:
    from pimvae.library.model import MultimodalVAE

PLAIN = {"laplace": "gaussian", "text": "binary"}  # kinds that take the numbers of images and text as they are
WEIGHTS, RECORD = "weights.safetensors", "run.json"
MEASURED = ("steps", "entries", "times", "timed_replica_steps", "stack_width", "step")  # by the training


@dataclass(frozen=True)
class Past:
    """What a folder says of the training of a model that was loaded, so that saving it again keeps it.

    Attributes:
        record: of ``run.json``: times, counts, a line per replica, and on what it ran.
        history: rows of ``history.csv``, as text.
    """

    record: dict[str, Any]
    history: list[tuple[Any, ...]]


def save(model: "MultimodalVAE", folder: Path) -> None:
    """Write weights, training curves and the record, see `pimvae.chain.write_run`.

    What an earlier run left there and this one does not write (metrics, pages) is removed.
    """
    for stale in ("baselines.csv", "report.html"):
        (folder / stale).unlink(missing_ok=True)
    states = [dict(part.named_parameters()) for part in model.models]
    tensors = {name: torch.stack([state[name].detach().cpu() for state in states]) for name in states[0]}
    chain.write_run(folder, tensors, _history(model), _record(model) | {"data": model.data_record})


def _history(model: "MultimodalVAE") -> list[tuple[Any, ...]]:
    """Rows of history.csv: terms of both parts of the training, and the validation bound."""
    beta = model.cell.objective.betas[0]
    if model.fitted is None:
        return model.past.history if model.past else []
    rows, before = [], 0
    for part in model.fitted.parts:
        rows += [
            (before + step, seed, beta, term, values[r])
            for step, terms in part.rows
            for r, seed in enumerate(model.seeds)
            for term, values in terms.items()
        ]
        before += part.steps
    rows += [
        (step, seed, beta, "validation_bound", bounds[r])
        for step, bounds in model.fitted.curve
        for r, seed in enumerate(model.seeds)
    ]
    return sorted(rows, key=lambda row: (row[0], row[1]))


def _record(model: "MultimodalVAE") -> dict[str, Any]:
    """What ``pimvae collect`` and `load` need to know."""
    parts = model.fitted.parts if model.fitted else []
    beta = model.cell.objective.betas[0]

    def counts(r: int, seed: int) -> dict[str, Any]:
        return {
            "seed": seed,
            "beta": beta,
            "clipped_entries": sum(part.clipped[r] for part in parts),
            "nonfinite_entries": sum(part.nonfinite[r] for part in parts),
            "diverged": bool(model.fitted and model.fitted.diverged[r]),
            "stopped_after_step": next((part.stopped[r] for part in parts if r in part.stopped), None),
        }

    return {
        "cell": model.cell.model_dump(mode="json"),
        "modalities": [modality.record() for modality in model.modalities],
        "training": model.training,
        "steps": max(1, sum(part.steps for part in parts)),
        "entries": sum(part.entries for part in parts),
        "replicas": [counts(r, seed) for r, seed in enumerate(model.seeds)],
        "parameters": parameter_count(model.models[0]),
        "times": {"seconds": model.seconds, "loop_seconds": model.seconds},
        "timed_replica_steps": max(1, sum(part.steps for part in parts) * len(model.seeds)),
        "stack_width": len(model.seeds),
        "step": parts[0].form if parts else None,
        "precision": model.cell.train.precision,
    } | (model.fitted.machine if model.fitted else model.past.record if model.past else machine(torch.device("cpu")))


def load(folder: Path | str, seed: int | None = None, data: Path | str | None = None) -> "MultimodalVAE":
    """A saved model: of `MultimodalVAE.save`, of ``pimvae train``, of a cell of the experiments, or of a shipped one.

    Args:
        folder: with ``weights.safetensors`` and ``run.json``.
        seed: the seed whose model answers everything; default: the average of all, and the best by its validation
            samples encodes; experiments: the first.
        data: experiments: folder of the data files; default: where the workflow puts them.

    Raises:
        UserError: if files are missing or damaged, or there is no such seed.
    """
    from pimvae.library.model import MultimodalVAE

    folder = arguments.path("folder", folder)
    data = None if data is None else arguments.path("data", data)
    if folder.is_file():
        raise UserError(f"{folder} is a file, expected the folder of a run")
    record = chain.read_record(folder, cut=True)
    chain.check_weights(folder, record)
    try:
        cell = Cell.model_validate(record["cell"])
    except (ValidationError, KeyError):
        raise UserError(
            f"{folder / RECORD} is not the record of a run of this version, train the model again"
        ) from None
    if "modalities" not in record:
        return _of_experiment(cell, folder, record, seed, data)
    modalities = [Modality.of(entry) for entry in record["modalities"]]
    model = MultimodalVAE(cell, modalities)
    _fill(model.models, folder / WEIGHTS)
    model.training = record.get("training", {})
    model.data_record = record.get("data", {})
    model.past = _past(folder, record)
    model.choose_best()
    return model if seed is None else model.replica(seed)


def _of_experiment(
    cell: Cell, folder: Path, record: dict[str, Any], seed: int | None, data: Path | str | None
) -> "MultimodalVAE":
    """One replica of a cell of the experiments, of its first β; its modalities have numbers as names."""
    from pimvae.library.model import MultimodalVAE

    chosen = cell.seeds[0] if seed is None else seed
    if chosen not in cell.seeds:
        raise UserError(f"there is no seed {chosen} (known: {', '.join(map(str, cell.seeds))})")
    cut = record.get(chain.CUT)  # which knows the sizes: no data are needed
    sizes = cut["sizes"] if cut and not data else sizes_of(_data_of(cell, folder, record, chosen, data))
    modalities = [
        Modality(str(s), PLAIN.get(kind, kind), dim, classes=tuple(range(dim)) if kind == "categorical" else ())
        for s, (dim, kind) in enumerate(zip(sizes["dims"], sizes["likelihoods"], strict=True))
    ]
    first = cell.objective.model_copy(update={"betas": cell.objective.betas[:1]})
    alone = cell.model_copy(update={"seeds": (chosen,), "objective": first})
    start = derived_seed(chosen, Purpose.INITIALISATION)
    model = MultimodalVAE(alone, modalities, [build_model(cell.model, **sizes, seed=start)])
    model.width = sizes["max_dim"]
    _fill(model.models, folder / WEIGHTS, cell.seeds.index(chosen) * len(cell.objective.betas))
    model.past = _past(folder, record, (chosen, first.betas[0]))
    return model


def _past(folder: Path, record: dict[str, Any], replica: tuple[int, float] | None = None) -> Past:
    """What is on record of a training: of all replicas, or of one (seed, β)."""

    def chosen(seed: Any, beta: Any) -> bool:
        return replica is None or (int(seed), float(beta)) == replica

    ran = machine(torch.device("cpu")).keys()
    facts = {key: value for key, value in record.items() if key in MEASURED or key in ran}
    facts["replicas"] = [line for line in record["replicas"] if chosen(line["seed"], line["beta"])]
    path = folder / chain.HISTORY
    if not path.is_file() or sha256(path) != record.get("history_sha256"):  # shipped weights have none
        return Past(facts, [])
    with path.open(newline="", encoding="utf-8") as file:
        return Past(facts, [tuple(row) for row in list(csv.reader(file))[1:] if chosen(row[1], row[2])])


def _data_of(cell: Cell, folder: Path, record: dict[str, Any], seed: int, data: Path | str | None) -> Dataset:
    """The data that a cell was trained on: from ``data`` or the run's own folder, else drawn again from their seed."""
    place = Path(data) if data else folder.parent / "data" / cell.dataset
    if data_file(place, seed).is_file():
        if record.get("data_sha256", {}).get(str(seed)) != sha256(data_file(place, seed)):
            raise UserError(f"{data_file(place, seed)} is not what the run was trained on (its sha256 differs)")
        return load_data(data_file(place, seed))
    if data:
        raise UserError(f"{data_file(place, seed)} does not exist: leave data= out, and the data are drawn again")
    return registry.lookup("data", cell.data.kind)(cell.data, seed)


def _fill(models: Iterable[torch.nn.Module], path: Path, first: int = 0) -> None:
    """The weights of these replicas after all steps; they start at number ``first`` of the file."""
    try:
        state = {name: values for name, values in load_file(path).items() if not name.startswith(chain.EARLIER)}
    except (FileNotFoundError, SafetensorError, OSError) as error:
        raise UserError(f"weights {path} are missing or damaged, train the model again: {error}") from None
    for r, model in enumerate(models, start=first):
        try:
            model.load_state_dict({name: values[r] for name, values in state.items()})
        except (RuntimeError, IndexError):
            raise UserError(f"weights {path} do not fit run.json, train the model again") from None
