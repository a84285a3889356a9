"""Own data on the command line: describe, train, evaluate, encode, impute, without an experiment file."""

__all__ = ["Source", "encode", "evaluate", "folder_of", "impute", "train"]

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch comes: models are small, more threads only wait


import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import yaml

from pimvae import chain
from pimvae.data.modality import KINDS, describe
from pimvae.data.readers import Collection, read
from pimvae.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from pimvae.library import MultimodalVAE


@dataclass(frozen=True)
class Source:
    """Where own data come from and how they are to be read: everything that decides what is trained on.

    Attributes:
        paths: files, or a folder of tables.
        ids: column that joins tables.
        kinds: name → kind.
        places: modalities of a .h5ad file.
        test_fraction: share held out; 0 for none.
        standardise: whether Gaussian columns are centred and scaled inside the model.
    """

    paths: tuple[str, ...]
    ids: str | None = None
    kinds: Mapping[str, str] | None = None
    places: tuple[str, ...] = ()
    test_fraction: float = 0.0
    standardise: bool = True

    def read(self) -> Collection:
        """Training samples, with held-out ones if there are any."""
        found = read(self.paths, self.ids, self.places)
        return found.split(self.test_fraction) if self.test_fraction else found

    @property
    def name(self) -> str:
        """What to call the data in tables."""
        first = Path(self.paths[0])
        return first.stem if len(self.paths) == 1 else first.resolve().parent.name


def kinds_of(stated: Sequence[str]) -> dict[str, str]:
    """``["word=categorical"]`` as a dict; names may contain = themselves.

    Raises:
        UserError: for another form.
    """
    found = {}
    for text in stated:
        name, equals, kind = text.rpartition("=")
        if not equals or not name:
            raise UserError(f"--kind {text}: expected NAME=KIND, for example word=categorical")
        if kind not in KINDS:
            raise UserError(f"--kind {text}: unknown kind '{kind}' ({did_you_mean(kind, KINDS)})")
        if name in found:
            raise UserError(f"--kind is given twice for '{name}'")
        found[name] = kind
    return found


def settings_of(stated: Sequence[str]) -> dict[str, Any]:
    """``["train.steps=500"]`` as a dict, values read as YAML.

    Raises:
        UserError: for another form.
    """
    from pimvae.settings import PARTS

    found: dict[str, Any] = {}
    for text in stated:
        key, equals, value = text.partition("=")
        part, dot, _ = key.partition(".")
        if not (equals and dot):
            raise UserError(f"--set {text}: expected part.key=value, for example train.steps=500")
        if part not in PARTS:
            raise UserError(f"--set {text}: unknown part '{part}' ({did_you_mean(part, PARTS)})")
        if key in found:
            raise UserError(f"--set {key} is given twice")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UserError(f"--set {text}: '{value}' is not a value") from None
    return found


def folder_of(name: str, aggregator: str, objective: str) -> Path:
    """Where a training goes if nothing else is said; the name has no characters that mean something to a path."""
    return Path("results") / "own" / f"{quote(name, safe=' ')}-{aggregator}-{objective}"


def describe_source(source: Source) -> list[str]:
    """What was understood of the data: a line per modality, and the numbers of samples."""
    from pimvae.library import modalities_of, pack_collection

    data = source.read()
    modalities = modalities_of(data, source.kinds, source.standardise)
    lines = describe(modalities, pack_collection(data, modalities).mask.numpy())
    if data.test:
        pack_collection(data.test, modalities)
    held_out = f", {len(data.test)} held out" if data.test else ""
    return [*lines, f"{len(data)} training samples{held_out}"]


def train(
    source: Source,
    aggregator: str,
    objective: str,
    out: Path | None = None,
    seeds: int = 3,
    settings: Sequence[str] = (),
    device: str = "auto",
    name: str | None = None,
    tune: bool = False,
) -> Path:
    """Train, and write the run; returns its folder.

    Everything is checked before anything is written. A folder with the run of other data or settings is left as it is.

    Raises:
        UserError: if the data, a name or a setting is at fault, or the folder holds another run.
    """
    from pimvae import settings as sizes
    from pimvae.library import MultimodalVAE, modalities_of, pack_collection
    from pimvae.training.device import choose_device

    changes = settings_of(settings)
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}, must be at least 1")
    choose_device(device)
    data = source.read()
    modalities = modalities_of(data, source.kinds, source.standardise)
    mask = pack_collection(data, modalities).mask.numpy()
    if data.test:
        pack_collection(data.test, modalities)
    chosen = name or source.name
    cell = sizes.cell(modalities, len(data), aggregator, objective, None, changes, chosen, ", ".join(source.paths))
    if "train.batch_size" in changes and cell.train.batch_size > len(data):
        raise UserError(
            f"train.batch_size {cell.train.batch_size} exceeds the {len(data)} samples of {source.paths[0]}"
        )
    cell = sizes.for_training(cell, len(data), None, tuple(range(seeds)), None)
    record = {**asdict(source), "sha256": data.sha256(), "tuned": tune}
    folder = out or folder_of(chosen, aggregator, objective)
    _refuse_other_run(folder, cell.model_dump(mode="json"), record)
    model = MultimodalVAE(cell, modalities, [])
    model.models = [model._fresh(seed) for seed in cell.seeds]
    for line in describe(modalities, mask):
        print(line, file=sys.stderr)
    if tune:
        from pimvae.tuning import tuned

        model, told = tuned(model, data, device)
        print("\n".join(told), file=sys.stderr)
    model.fit(data, seeds=cell.seeds, device=device, progress=sys.stderr.isatty())
    model.data_record = record
    model.save(folder)
    return folder


def _refuse_other_run(folder: Path, cell: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """A folder may be written to again by the same training only."""
    path = folder / "run.json"
    if not path.exists():
        return
    remedy = "name this run with --name, or its folder with --out"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        before, data = found["cell"], found.get("data") or {}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder} holds a run that cannot be read: remove it, or {remedy}") from None
    if data.get("sha256") != record["sha256"]:
        raise UserError(f"{folder} holds the run of other data: {remedy}")
    if record["tuned"] and data.get("tuned"):
        return
    differing = [key for key in ("model", "objective", "train", "seeds", "dataset") if before.get(key) != cell[key]]
    if differing or record["tuned"] != data.get("tuned", False):
        raise UserError(f"{folder} holds a run of other settings ({', '.join(differing) or 'tune'}): {remedy}")


def evaluate(run: Path, source: Source | None = None, colour: str | None = None) -> list[str]:
    """``metrics.csv``, ``baselines.csv`` of simple models, pictures in ``report.html``; returns a summary, by lines.

    Raises:
        UserError: if there is no run, or the data are not those of the training.
    """
    from pimvae.evaluation.own import evaluate as metrics
    from pimvae.evaluation.rows import COLUMNS
    from pimvae.files import write_csv

    model = _load(run)
    data = _training_data(model, run, source)
    if colour is not None and colour not in model.names:
        raise UserError(f"--colour {colour}: no such modality ({did_you_mean(colour, model.names)})")
    rows = metrics(model, data, data.test)
    baseline = COLUMNS.index("baseline")
    write_csv(run / "metrics.csv", COLUMNS, [row for row in rows if not row[baseline]])  # one cell, for collect
    write_csv(run / "baselines.csv", COLUMNS, [row for row in rows if row[baseline]])
    chain.seal(run, model.cell.evaluation.model_dump(mode="json"))
    from pimvae.report.own_page import write_page

    write_page(model, data, rows, run, colour)
    return summary(rows)


def encode(run: Path, source: Source | None, out: Path | None, seed: int | None, refined: bool | None) -> Path:
    """Posterior means and standard deviations of all samples, with their ids, as CSV, parquet or in ``obsm``."""
    model = _load(run, seed)
    data = _all_samples(_some_data(model, source))
    found = model.encode(data, refined=refined)
    path = out or run / "latents.csv"
    if path.suffix.lower() == ".h5ad":
        return _into_units(path, source, model, found)
    width = found.mean.shape[1]
    header = ["id", *(f"z{k}" for k in range(width)), *(f"z{k}_sd" for k in range(width))]
    rows = [[i, *m, *s] for i, m, s in zip(found.ids, found.mean.tolist(), found.scale.tolist(), strict=True)]
    return _table(path, header, rows)


def impute(run: Path, source: Source | None, out: Path | None, seed: int | None, form: str = "csv") -> Path:
    """Every modality with what is missing predicted: a table each, with standard deviations, 0 where observed."""
    model = _load(run, seed)
    data = _all_samples(_some_data(model, source))
    folder = out or run / "imputed"
    prediction = model.predict(data)
    filled = model.impute(data)
    for modality in model.modalities:
        values, deviations = filled[modality.name]
        names = list(modality.column_names())
        if modality.kind == "categorical":
            header = ["id", *names, *(f"{names[0]}={label}" for label in modality.classes)]
            chances = prediction[modality.name].mean
            rows = [[i, v, *p] for i, v, p in zip(data.ids, values.tolist(), chances.tolist(), strict=True)]
        else:
            header = ["id", *names, *(f"{name}_sd" for name in names)]
            flat, spread = values.reshape(len(values), -1).tolist(), deviations.reshape(len(values), -1).tolist()
            rows = [[i, *v, *s] for i, v, s in zip(data.ids, flat, spread, strict=True)]
        _table(folder / f"{quote(modality.name, safe=' ')}.{form}", header, rows)
    return folder


def summary(rows: Sequence[tuple[object, ...]]) -> list[str]:
    """Means over seeds with 95 % intervals, simple models beside them."""
    from pimvae.claims.statistics import mean_interval
    from pimvae.evaluation.rows import COLUMNS

    place = {name: COLUMNS.index(name) for name in COLUMNS}
    found: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in rows:
        key = tuple(str(row[place[name]]) for name in ("split", "metric", "subset"))
        found.setdefault(key, {}).setdefault(str(row[place["baseline"]]), []).append(float(row[place["value"]]))
    lines, seeds = [], 0
    for (split, metric, subset), by_model in found.items():
        values = by_model.pop("", None)
        seeds = max(seeds, len(values or []))
        shown = "–"
        if values:
            estimate = mean_interval(values)
            shown = f"{estimate.mean:.5g}" + (f" ± {estimate.half:.2g}" if np.isfinite(estimate.half) else "")
        beside = "".join(f"  {name} {np.mean(others):.5g}" for name, others in by_model.items())
        lines.append(f"{split:5} {metric:24} {subset:9} {shown}{beside}")
    diverged = [row for row in rows if row[place["metric"]] == "diverged" and row[place["value"]]]
    if diverged:
        lines.append(f"{len(diverged)} of {seeds} seeds diverged and have no other number")
    return [*lines, f"{seeds} seeds, 95 % intervals over them; nats per sample where not a share"]


def _load(run: Path, seed: int | None = None) -> "MultimodalVAE":
    from pimvae.library import load

    model = load(run, seed)
    if not model.data_record:
        raise UserError(f"{run} is not a run of 'pimvae train' on own data")
    return model


def _recorded(model: "MultimodalVAE") -> Source:
    """How the training's data were read."""
    known = {
        key: model.data_record.get(key) for key in ("paths", "ids", "kinds", "places", "test_fraction", "standardise")
    }
    return Source(tuple(known["paths"]), known["ids"], known["kinds"], tuple(known["places"]),
                  known["test_fraction"], known["standardise"])  # fmt: skip


def _training_data(model: "MultimodalVAE", run: Path, source: Source | None) -> Collection:
    """The data of the training, read as they were then, from the same files or from others with the same content."""
    recorded = _recorded(model)
    where = recorded if source is None else replace(recorded, paths=source.paths)
    data = where.read()
    if data.sha256() != model.data_record["sha256"]:
        raise UserError(f"{where.paths[0]} is not what the run was trained on (its sha256 differs): train it again, "
                        "or hold samples out before training (--test-fraction)")  # fmt: skip
    return data


def _some_data(model: "MultimodalVAE", source: Source | None) -> Collection:
    """Any data of the run's modalities, read as the training's were where nothing else is said."""
    recorded = _recorded(model)
    if source is None:
        return replace(recorded, test_fraction=0.0).read()
    ids, places = source.ids or recorded.ids, source.places or recorded.places
    return Source(source.paths, ids, None, places).read()


def _all_samples(data: Collection) -> Collection:
    """Training samples and, behind them, those that a file calls held out."""
    if data.test is None:
        return data
    from pimvae.data.modality import Raw

    raws = tuple(Raw(a.name, np.concatenate([a.values, b.values]), a.columns, np.concatenate([a.marked(), b.marked()]))
                 for a, b in zip(data.raws, data.test.raws, strict=True))  # fmt: skip
    return Collection(raws, (*data.ids, *data.test.ids), data.source)


def _table(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    from pimvae.files import replacing, write_csv

    suffix = path.suffix.lower()
    if suffix == ".csv":
        write_csv(path, header, rows)
    elif suffix == ".parquet":
        import pandas as pd

        try:
            with replacing(path) as temporary:
                pd.DataFrame(list(rows), columns=list(header)).to_parquet(temporary)
        except ImportError:
            raise UserError(f"{path}: writing parquet needs the package pyarrow: pip install pyarrow") from None
    else:
        raise UserError(f"{path}: unknown format '{suffix}' (known: .csv, .parquet; latents also .h5ad)")
    return path


def _into_units(path: Path, source: Source | None, model: "MultimodalVAE", found: Any) -> Path:
    """The AnnData file of the data with the latents in ``obsm["X_pimvae"]``."""
    where = Path((source.paths if source else model.data_record["paths"])[0])
    if where.suffix.lower() != ".h5ad":
        raise UserError(f"{path}: latents go into a .h5ad file only where the data are one")
    try:
        from anndata import read_h5ad
    except ImportError:
        raise UserError(f"{path}: this format needs an extra: pip install 'pimvae[anndata]'") from None
    from pimvae.files import replacing

    data = read_h5ad(where)
    data.obsm["X_pimvae"] = found.mean
    with replacing(path) as temporary:
        data.write_h5ad(temporary)
    return path
