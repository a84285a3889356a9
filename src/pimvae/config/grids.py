"""From the grids of an experiment to its cells: experiment, data set, grid and scale laid over each other."""

__all__ = ["cells_of"]

import itertools
from collections.abc import Iterator
from pathlib import Path

from pimvae import registry
from pimvae.config.files import ExperimentFile, Grid, ScaledExperiment, checked, merge
from pimvae.config.schema import Cell
from pimvae.errors import UserError, check_known, did_you_mean

KINDS = ("linear", "digits", "bimodal", "multimodal", "images")  # of data that an experiment can have
PARTS = ("data", "model", "objective", "train", "evaluation")


def cells_of(
    experiment: str, content: ExperimentFile, scaled: ScaledExperiment, path: Path, scale_path: Path
) -> Iterator[Cell]:
    """All cells of one experiment, grid by grid; two of the same name are refused."""
    check_known("data set", content.datasets, *scaled.datasets, *scaled.exclude, place=scale_path)
    for scheme in {key for part in (scaled, *scaled.datasets.values()) for key in part.schemes}:
        for package, name in zip(("aggregators", "objectives"), scheme.split("-"), strict=False):
            check_known(package.rstrip("s"), registry.names(package), name, place=scale_path)
    seen: set[str] = set()
    for grid in content.grids:
        check_known("data set", content.datasets, *grid.datasets, place=path)
        check_known("aggregator", registry.names("aggregators"), *grid.aggregators, place=path)
        check_known("objective", registry.names("objectives"), *grid.objectives, place=path)
        for combination in itertools.product(grid.datasets, grid.aggregators, grid.objectives, grid.priors):
            if combination[0] in scaled.exclude:
                continue
            cell = _cell(experiment, content, scaled, grid, combination, f"{path} with {scale_path}")
            if cell.name in seen:
                raise UserError(f"{path}: two grids give the same cell '{cell.name}'")
            seen.add(cell.name)
            yield cell


def _cell(
    experiment: str,
    content: ExperimentFile,
    scaled: ScaledExperiment,
    grid: Grid,
    combination: tuple[str, str, str, str],
    where: str,
) -> Cell:
    """One cell: experiment, data set, grid, scale and its data set laid over each other, each with its schemes."""
    dataset, aggregator, objective, prior = combination
    layers = [content, content.datasets[dataset], grid]
    for part in (scaled, scaled.datasets.get(dataset)):
        if part is not None:
            keys = [aggregator, f"{aggregator}-{objective}"]
            keys += [f"{keys[-1]}-{prior}_prior"] if prior != "standard" else []
            layers += [part, *(part.schemes[key] for key in keys if key in part.schemes)]
    dumps = [layer.model_dump(include=set(PARTS), exclude_unset=True) for layer in layers]
    merged = merge({part: {} for part in PARTS}, *dumps)
    where = f"{where}: data set '{dataset}'"
    if merged["data"].get("kind") is None:
        raise UserError(f"{where}: 'data' lacks the key 'kind' ({did_you_mean('', KINDS)})")
    seeds = tuple(range(scaled.seeds)) if isinstance(scaled.seeds, int) else scaled.seeds
    chosen = {"experiment": experiment, "dataset": dataset, "seeds": seeds, "objective": {"name": objective},
              "model": {"aggregator": aggregator, "prior": prior}}  # fmt: skip
    cell = checked(Cell, merge(merged, chosen), where)
    if cell.data.samples is not None and cell.train.batch_size > cell.data.samples:
        sizes = f"batch_size {cell.train.batch_size} exceeds data.samples {cell.data.samples}"
        raise UserError(f"{where}: train.{sizes}")
    if cell.evaluation.draws < 2 and cell.data.kind != "images":  # of images, errors are over samples
        raise UserError(f"{where}: evaluation.draws must be at least 2: of one draw there is no standard error")
    return cell
