"""Own data as the command line names them: where they come from, how they are read, what is said of them."""

__all__ = ["Source", "all_samples", "describe_source", "kinds_of", "load_own", "settings_of", "some_data",
           "training_data"]  # fmt: skip

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from pimvae.chain import RECORD
from pimvae.config.files import parse_text
from pimvae.data.modality import KINDS, describe
from pimvae.data.raw import Raw
from pimvae.data.readers import ANNDATA, TABLES, Collection, read
from pimvae.errors import UserError, check_known

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
        """What to call the data in tables; bytes of a file's name that are no text are written out."""
        first = Path(self.paths[0])
        name = first.stem if len(self.paths) == 1 else first.resolve().parent.name
        return os.fsencode(name).decode("utf-8", "backslashreplace")


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
        check_known("kind", KINDS, kind, place=f"--kind {text}")
        if name in found:
            raise UserError(f"--kind is given twice for '{name}'")
        found[name] = kind
    return found


def settings_of(stated: Sequence[str]) -> dict[str, Any]:
    """``["train.steps=500"]`` as a dict, values read as YAML.

    Raises:
        UserError: for another form.
    """
    from pimvae.library.settings import PARTS

    found: dict[str, Any] = {}
    for text in stated:
        key, equals, value = text.partition("=")
        part, dot, _ = key.partition(".")
        if not (equals and dot):
            raise UserError(f"--set {text}: expected part.key=value, for example train.steps=500")
        check_known("part", PARTS, part, place=f"--set {text}")
        if key in found:
            raise UserError(f"--set {key} is given twice")
        try:
            found[key] = parse_text(value)
        except (yaml.YAMLError, ValueError, RecursionError):
            raise UserError(f"--set {text}: '{value}' is not a value") from None
    return found


def describe_source(source: Source, aggregator: str, objective: str, settings: Sequence[str]) -> list[str]:
    """What was understood of the data: a line per modality, and the numbers of samples.

    Raises:
        UserError: if the data, a name or a setting is at fault.
    """
    from pimvae.library.data import modalities_of, pack_collection
    from pimvae.library.settings import cell, few

    changes = settings_of(settings)
    data = source.read()
    modalities = modalities_of(data, source.kinds, source.standardise)
    cell(modalities, len(data), aggregator, objective, None, changes, source.name, ", ".join(source.paths))
    lines = describe(modalities, pack_collection(data, modalities).mask.numpy())
    if data.test:
        pack_collection(data.test, modalities)
    held_out = f", {len(data.test)} held out" if data.test else ""
    return [*lines, f"{len(data)} training samples{held_out}", *filter(None, [few(len(data))])]


def load_own(run: Path, seed: int | None = None) -> "MultimodalVAE":
    """The model of a run of ``pimvae train`` on own data.

    Raises:
        UserError: if there is none.
    """
    from pimvae.library import load

    if not (run / RECORD).is_file():
        raise UserError(f"{run / RECORD} does not exist: train on own data first ('pimvae train --data PATH'), or name "
                        "the folder of such a run with --run")  # fmt: skip
    model = load(run, seed)
    if not model.data_record:
        raise UserError(f"{run} is not a run of 'pimvae train' on own data")
    return model


def _recorded(model: "MultimodalVAE") -> Source:
    """How the training's data were read."""
    known = {field.name: model.data_record[field.name] for field in fields(Source)}
    return Source(**{key: tuple(value) if isinstance(value, list) else value for key, value in known.items()})


def _check_recorded(recorded: Source) -> None:
    """Refuse the training's data if they lie elsewhere by now."""
    for path in recorded.paths:
        if not Path(path).exists():
            raise UserError(f"{path}, which the run was trained on, does not exist here: say where it is with --data")


def training_data(model: "MultimodalVAE", run: Path, source: Source | None) -> Collection:
    """The data of the training, read as they were then, from the same files or from others with the same content."""
    recorded = _recorded(model)
    if source is None:
        _check_recorded(recorded)
    where = recorded if source is None else _alike(source, recorded)
    data = where.read()
    if data.sha256() != model.data_record["sha256"]:
        raise UserError(f"{where.paths[0]} is not what the run was trained on (its sha256 differs): train it again, "
                        "or hold samples out before training (--test-fraction)")  # fmt: skip
    return data


def some_data(model: "MultimodalVAE", source: Source | None) -> Collection:
    """Any data of the run's modalities, read as the training's were where nothing else is said."""
    recorded = _recorded(model)
    if source is None:
        _check_recorded(recorded)
        return replace(recorded, test_fraction=0.0).read()
    return replace(_alike(source, recorded), test_fraction=0.0).read()


def _alike(source: Source, recorded: Source) -> Source:
    """Other files, read as the recorded ones were: where nothing else is said, and they are of such a format."""
    first = Path(source.paths[0])
    tables = first.is_dir() or first.suffix.lower() in TABLES
    ids = source.ids if source.ids is not None else recorded.ids if tables else None
    places = source.places or (recorded.places if first.suffix.lower() == ANNDATA else ())
    return replace(recorded, paths=source.paths, ids=ids, places=places)


def all_samples(data: Collection) -> Collection:
    """Training samples and, behind them, those that a file calls held out."""
    if data.test is None:
        return data
    raws = tuple(Raw(a.name, np.concatenate([a.values, b.values]), a.columns, np.concatenate([a.marked(), b.marked()]))
                 for a, b in zip(data.raws, data.test.raws, strict=True))  # fmt: skip
    return Collection(raws, (*data.ids, *data.test.ids), data.source)
