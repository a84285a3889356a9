"""Training and evaluation of one cell on the user's own modalities, without an experiment file."""

__all__ = ["evaluate", "folder_of", "train"]

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch comes: models are small, more threads only wait

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml
from pydantic import ValidationError

from pimvae.config.files import merge, one_line
from pimvae.config.schema import (
    Cell,
    EvaluationConfig,
    ModelConfig,
    NpzData,
    ObjectiveConfig,
    Strict,
    TrainConfig,
)
from pimvae.errors import UserError, did_you_mean
from pimvae.registry import names

PARTS: dict[str, type[Strict]] = {
    "model": ModelConfig,
    "objective": ObjectiveConfig,
    "train": TrainConfig,
    "evaluation": EvaluationConfig,
}
SIZES: dict[str, dict[str, Any]] = {
    "model": {"latent": 10, "encoder_widths": [128, 128], "features": 128, "pooling_width": 128,
              "decoder": "injective", "decoder_scale": "learned"},
    "objective": {},
    "train": {"steps": 2000, "batch_size": 125, "learning_rate": 0.003, "schedule": "cosine", "clip": 1000.0,
              "history_every": 25},
    "evaluation": {},
}  # fmt: skip
GIVEN = {("model", "aggregator"): "aggregator", ("objective", "name"): "objective"}  # options of their own
USUAL = (0.1, 10.0)  # spread of a modality for which the learned noise scale, which starts at 1, is a fair start


def folder_of(path: Path, aggregator: str, objective: str) -> Path:
    """Where a training goes if nothing else is said."""
    return Path("results") / "own" / f"{path.stem}-{aggregator}-{objective}"


def train(
    path: Path, aggregator: str, objective: str, out: Path, seeds: int, settings: Sequence[str], device: str
) -> None:
    """Train one cell on the arrays of ``path`` (see `pimvae.data.npz.read_npz`).

    Args:
        path: the .npz file.
        aggregator: name of a file in ``pimvae/aggregators``.
        objective: name of a file in ``pimvae/objectives``.
        out: folder of the run.
        seeds: number of replicas, which differ in initial weights and noise.
        settings: changes of the sizes, each ``part.key=value``.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        UserError: if the file, a name or a setting is at fault.
    """
    for kind, name in (("aggregators", aggregator), ("objectives", objective)):
        if name not in names(kind):
            raise UserError(f"unknown {kind.rstrip('s')} '{name}' ({did_you_mean(name, names(kind))})")
    from pimvae.data.npz import read_npz

    dataset = read_npz(path)
    changes = _changes(settings)
    for s, (values, likelihood) in enumerate(zip(dataset.train.x, dataset.likelihoods, strict=True)):
        spread = float(values[dataset.train.mask[:, s]].std())
        if likelihood == "gaussian" and not USUAL[0] <= spread <= USUAL[1]:
            hint = "scale it to about 1, or set model.noise_scale"
            print(f"pimvae: note: the spread of modality {s} is {spread:.3g}: {hint}", file=sys.stderr)
    cell = _cell(path, len(dataset.train), aggregator, objective, seeds, changes)
    from pimvae.training.job import run

    with _as_data_files(dataset, cell.seeds) as folder:
        run(cell, folder, out, device)


def evaluate(path: Path, run_dir: Path) -> list[str]:
    """Evaluate what `train` left in ``run_dir``; returns lines with the means over seeds and their 95% intervals.

    Raises:
        UserError: if there is no run, or ``path`` is not what it was trained on.
    """
    cell = _recorded(run_dir)
    from pimvae.data.npz import read_npz
    from pimvae.evaluation.job import run

    with _as_data_files(read_npz(path), cell.seeds) as folder:
        run(cell, folder, run_dir)
    return _summary(run_dir / "metrics.csv")


def _changes(settings: Sequence[str]) -> dict[str, Any]:
    """``["train.steps=500"]`` as nested mappings, values read as YAML."""
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        part, dot, name = key.partition(".")
        if not (equals and dot):
            raise UserError(f"--set {setting}: expected part.key=value, for example train.steps=500")
        if part not in PARTS:
            raise UserError(f"--set {setting}: unknown part '{part}' ({did_you_mean(part, PARTS)})")
        if (part, name) in GIVEN:
            raise UserError(f"--set {setting}: say --{GIVEN[part, name]} NAME")
        try:
            found = merge(found, {part: {name: yaml.safe_load(value)}})
        except yaml.YAMLError:
            raise UserError(f"--set {setting}: '{value}' is not a value") from None
    return found


def _cell(path: Path, samples: int, aggregator: str, objective: str, seeds: int, changes: Mapping[str, Any]) -> Cell:
    chosen = {"model": {"aggregator": aggregator}, "objective": {"name": objective}}
    smaller = {"train": {"batch_size": min(SIZES["train"]["batch_size"], samples)}}
    values = merge(SIZES, smaller, changes, chosen)
    parts = {}
    for name, model in PARTS.items():
        try:
            parts[name] = model.model_validate(values[name])
        except ValidationError as error:
            raise UserError(f"--set {name}: {one_line(error, model)}") from None
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}, must be at least 1")
    if parts["train"].batch_size > samples:
        raise UserError(f"train.batch_size {parts['train'].batch_size} exceeds the {samples} samples of {path}")
    data = NpzData(path=str(path), samples=samples)
    return Cell(experiment="own", dataset=path.stem, data=data, seeds=tuple(range(seeds)), **parts)


@contextmanager
def _as_data_files(dataset: Any, seeds: Sequence[int]) -> Iterator[Path]:
    """A temporary folder with the data file of every seed, all the same file."""
    from pimvae.data.dataset import save
    from pimvae.data.job import data_file

    with TemporaryDirectory() as folder:
        first, *others = (data_file(folder, seed) for seed in seeds)
        save(dataset, first)
        for other in others:
            os.link(first, other)
        yield Path(folder)


def _recorded(run_dir: Path) -> Cell:
    """The cell that was trained in a folder."""
    path = run_dir / "run.json"
    try:
        return Cell.model_validate(json.loads(path.read_text(encoding="utf-8"))["cell"])
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: train the cell first") from None
    except (ValueError, KeyError, TypeError):  # pydantic's error is a ValueError
        raise UserError(f"{path} is not the record of a run of this version, train the cell again") from None


def _summary(path: Path) -> list[str]:
    """Means over seeds of the metrics of a cell, a line each."""
    import csv

    from pimvae.claims.statistics import mean_interval

    found: dict[tuple[str, str, str, str], list[float]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = row["split"], row["metric"], row["subset"], row["beta"]
            found.setdefault(key, []).append(float(row["value"]))
    several = len({key[3] for key in found}) > 1
    lines = []
    for (split, metric, subset, beta), values in found.items():
        estimate = mean_interval(values)
        interval = f" ± {estimate.half:.2g}" if np.isfinite(estimate.half) else ""
        note = f"  beta {beta}" if several else ""
        lines.append(f"{split:5} {metric:24} {subset:9} {estimate.mean:.5g}{interval}{note}")
    return [*lines, f"{len(next(iter(found.values())))} seeds, 95 % intervals over them; nats where not a share"]
