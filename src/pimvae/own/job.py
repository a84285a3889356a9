"""Own data on the command line: train and evaluate, without an experiment file; `own_tables` has the rest."""

__all__ = ["Source", "describe_source", "encode", "evaluate", "folder_of", "impute", "kinds_of", "train"]

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch comes: models are small, more threads only wait


import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pimvae import chain
from pimvae.config.schema import Cell
from pimvae.data.readers import Collection
from pimvae.errors import UserError, did_you_mean
from pimvae.files import read_json
from pimvae.kernels import COMPILED, kernels_in
from pimvae.own.source import Source, describe_source, kinds_of, load_own, settings_of, training_data
from pimvae.own.tables import encode, impute
from pimvae.results import provenance
from pimvae.signals import deferred

TUNED, CHOSEN = ("latent", "decoder"), ("prior", "prior_components")  # of the model: by --tune, by validation

if TYPE_CHECKING:
    from pimvae.library import MultimodalVAE
    from pimvae.training.checkpoint import Checkpoint


def folder_of(name: str, aggregator: str, objective: str) -> Path:
    """Where a training goes if nothing else is said; the name has no characters that mean something to a path."""
    return Path("results") / "own" / f"{quote(name, safe=' ')}-{aggregator}-{objective}"


def train(
    source: Source,
    aggregator: str,
    objective: str,
    folder: Path,
    seeds: int,
    settings: Sequence[str],
    device: str,
    name: str | None,
    tune: bool,
    checkpoint: Path | None,
    checkpoint_seconds: float,
    strict: bool,
) -> None:
    """Train, and write the run to ``folder``.

    Everything is checked before anything is written. A folder with the run of other data or settings is left as it is.
    A training that was cut off goes on from its checkpoint, by default ``checkpoint`` in the folder, to the same bits;
    a search of ``tune`` that was cut off starts anew.

    Raises:
        UserError: if the data, a name or a setting is at fault, the folder holds another run, or every seed diverged.
    """
    from pimvae.training.checkpoint import Checkpoint, check_place
    from pimvae.training.device import choose_device, decisive
    from pimvae.training.fit import forget

    chosen = choose_device(device)
    data, model = _untrained(source, aggregator, objective, seeds, settings, name)
    record = {**asdict(source), "sha256": data.sha256(), "tuned": tune}
    if tune:
        record["tuned_from"] = {key: getattr(model.cell.model, key) for key in TUNED}
    check_place(checkpoint, folder)
    _refuse_other_run(folder, model, record)
    _tell(model, data)
    if tune:
        from pimvae.own.tuning import tuned

        with kernels_in(folder / COMPILED, model.cell.train.compile):
            model, told = tuned(model, data, device)
        print("\n".join(told), file=sys.stderr)
    cell = model.cell.model_dump(mode="json", exclude={"evaluation"})
    decides = [cell, _records(model), record["sha256"], decisive(chosen), _code(model.cell)]
    saved = Checkpoint(checkpoint or folder / "checkpoint", json.dumps(decides), checkpoint_seconds, strict)
    _fit(model, data, device, saved, folder)
    model.data_record = record
    with deferred():  # files are written to their end
        model.save(folder)
        forget(saved)


def _tell(model: "MultimodalVAE", data: Collection) -> None:
    """Say what the data were understood as, and what is to be known of so few."""
    from pimvae.library.settings import few

    print(model.describe(data), file=sys.stderr)
    if told := few(len(data)):
        print(f"pimvae: note: {told}", file=sys.stderr)


def _fit(model: "MultimodalVAE", data: Collection, device: str, saved: "Checkpoint", folder: Path) -> None:
    """Train; says so if seeds diverged. If all did, nothing is left of the training.

    Raises:
        UserError: if all did.
    """
    from pimvae.training.divergence import Diverged, divergence
    from pimvae.training.fit import forget

    try:
        with kernels_in(folder / COMPILED, model.cell.train.compile):
            model.fit(data, seeds=model.seeds, device=device, progress=sys.stderr.isatty(), checkpoint=saved)
    except Diverged:
        forget(saved)
        shutil.rmtree(folder / COMPILED, ignore_errors=True)
        with suppress(OSError):
            folder.rmdir()  # unless something else is in it
        raise
    if told := divergence(sum(model.training["diverged"]), len(model.seeds), model.cell):
        print(f"pimvae: note: {told}", file=sys.stderr)


def _untrained(
    source: Source, aggregator: str, objective: str, seeds: int, settings: Sequence[str], name: str | None
) -> tuple[Collection, "MultimodalVAE"]:
    """The data and an untrained model of them."""
    from pimvae.library import MultimodalVAE
    from pimvae.library import settings as sizes
    from pimvae.library.data import modalities_of, pack_collection

    changes = settings_of(settings)
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}, must be at least 1")
    data = source.read()
    modalities = modalities_of(data, source.kinds, source.standardise)
    for part in filter(None, (data, data.test)):
        pack_collection(part, modalities)
    cell = sizes.cell(modalities, len(data), aggregator, objective, None, changes, name or source.name,
                      ", ".join(source.paths))  # fmt: skip
    if "train.batch_size" in changes and cell.train.batch_size > len(data):
        fault = f"train.batch_size {cell.train.batch_size} exceeds the {len(data)} samples"
        raise UserError(f"{fault} of {source.paths[0]}")
    return data, MultimodalVAE(sizes.for_training(cell, len(data), None, tuple(range(seeds)), None), modalities)


def _records(model: "MultimodalVAE") -> list[dict[str, Any]]:
    return [modality.record() for modality in model.modalities]


def _code(cell: Cell) -> str:
    """Checksums of the sources that a training depends on: another version would go on to other bits."""
    paths = {*provenance.training_sources(cell), *provenance.sources("pimvae.library.model")}
    return provenance.digest(tuple(sorted(paths)))


def _refuse_other_run(folder: Path, model: "MultimodalVAE", record: Mapping[str, Any]) -> None:
    """A folder may be written to again by the same training only."""
    path = folder / "run.json"
    if not path.exists():
        return
    remedy = "name this run with --name, or its folder with --out"
    try:
        found = read_json(path)
        before = _stated(found["cell"], found.get("modalities"), found.get("data") or {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{folder} holds a run that cannot be read: remove it, or {remedy}") from None
    now = _stated(model.cell.model_dump(mode="json"), _records(model), record)
    if before.get("sha256") != now["sha256"]:
        raise UserError(f"{folder} holds the run of other data: {remedy}")
    differing = [key for key in now if key not in before or before[key] != now[key]]
    if differing:
        raise UserError(f"{folder} holds a run of other settings ({', '.join(differing)}): {remedy}")


def _stated(cell: Mapping[str, Any], modalities: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a run another one, by name: all but where its data lie, and what the training itself decides."""
    chooses = cell["data"].get("chooses_prior", False)
    decided = [*(TUNED if record.get("tuned") else ()), *(CHOSEN if chooses else ())]
    parts = {key: cell[key] for key in ("objective", "train", "seeds", "dataset")}
    parts["model"] = {key: value for key, value in cell["model"].items() if key not in decided} | {"chosen": decided}
    parts |= {key: value for key, value in record.items() if key != "paths"} | {"modalities": modalities}
    return json.loads(json.dumps(parts))  # tuples are lists in a file


def evaluate(run: Path, source: Source | None = None, colour: str | None = None) -> list[str]:
    """``metrics.csv``, ``baselines.csv`` of simple models, pictures in ``report.html``; returns a summary, by lines.

    Raises:
        UserError: if there is no run, or the data are not those of the training.
    """
    from pimvae.evaluation.own import evaluate as metrics
    from pimvae.evaluation.rows import COLUMNS
    from pimvae.files import write_csv
    from pimvae.report.own_page import write_page
    from pimvae.report.own_summary import summary

    model = load_own(run)
    data = training_data(model, run, source)
    if colour is not None and colour not in model.names:
        raise UserError(f"--colour {colour}: no such modality ({did_you_mean(colour, model.names)})")
    rows = metrics(model, data, data.test)
    baseline = COLUMNS.index("baseline")
    write_csv(run / "metrics.csv", COLUMNS, [row for row in rows if not row[baseline]])  # one cell, for collect
    write_csv(run / "baselines.csv", COLUMNS, [row for row in rows if row[baseline]])
    chain.seal(run, model.cell.evaluation.model_dump(mode="json"))
    write_page(model, data, rows, run, colour)
    return summary(rows)
