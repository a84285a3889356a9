"""From YAML to cells: the grid of an experiment, laid over by one scale."""

__all__ = ["Config", "DataSet", "find_cell", "find_dataset", "load", "shared_model"]

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pimvae import registry
from pimvae.archive import shipped_scales
from pimvae.config.files import ExperimentFile, Grid, ScaledExperiment, ScaleFile, Settings, merge, one_line, read
from pimvae.config.scale import resolve_device, resolve_scale, resolve_shipped
from pimvae.config.schema import (
    BimodalData,
    Cell,
    DataConfig,
    DigitsData,
    EvaluationConfig,
    ImagesData,
    LinearData,
    ModelConfig,
    MultimodalData,
    ObjectiveConfig,
    Strict,
    TrainConfig,
)
from pimvae.errors import UserError, did_you_mean

DATA: dict[str, type[Strict]] = {
    "linear": LinearData,
    "digits": DigitsData,
    "bimodal": BimodalData,
    "multimodal": MultimodalData,
    "images": ImagesData,
}
PARTS = ("data", "model", "objective", "train", "evaluation")
Part = TypeVar("Part", bound=Strict)


@dataclass(frozen=True)
class DataSet:
    """One data set of an experiment, the seeds for which it is drawn and the sample sizes of its evaluation."""

    experiment: str
    name: str
    data: DataConfig
    seeds: tuple[int, ...]
    evaluation: EvaluationConfig


@dataclass(frozen=True)
class Config:
    """One run of the workflow: every cell of the chosen experiments at one scale."""

    scale: str
    scale_reason: str
    device: str
    experiments: tuple[str, ...]
    cells: tuple[Cell, ...]
    titles: Mapping[str, str]
    settings: Settings

    @property
    def shipped(self) -> bool:
        """Whether tables, figures and paper are made from shipped results, and nothing is trained."""
        return self.settings.results == "shipped"

    def of(self, experiment: str) -> tuple[Cell, ...]:
        """The cells of one experiment."""
        return tuple(cell for cell in self.cells if cell.experiment == experiment)

    @property
    def datasets(self) -> tuple[DataSet, ...]:
        """The data sets that the cells use, each once; the evaluation is that of its first cell."""
        found: dict[tuple[str, str], Cell] = {}
        for cell in self.cells:
            found.setdefault((cell.experiment, cell.dataset), cell)
        return tuple(DataSet(*key, cell.data, cell.seeds, cell.evaluation) for key, cell in found.items())

    def headline(self) -> str:
        """What is about to run, in one line."""
        if self.shipped:
            return f"scale: {self.scale} ({self.scale_reason}), nothing is trained"
        count = f"{len(self.cells)} cells"
        return f"scale: {self.scale} ({self.scale_reason}), device {self.device}, {count}"


def load(
    scale: str | None = None,
    root: Path | str = ".",
    experiments: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    device: str | None = None,
    beyond: bool = False,
) -> Config:
    """The configuration below ``root/config``.

    Args:
        scale: name of a file in ``config/scales``, ``auto``, or None for what ``config.yaml`` says.
        root: folder that contains ``config/``.
        experiments: names of files in ``config/experiments``; None for what ``config.yaml`` says.
        settings: replaces the content of ``config.yaml`` (Snakemake passes its own, with ``--config`` applied).
        device: ``auto``, ``cpu`` or ``cuda``; None for what ``config.yaml`` says.
        beyond: also the experiments beyond the publication, which the scale ``paper`` always has.

    Raises:
        UserError: for any unknown key, name or value; the message names the key, the file and what is allowed.
    """
    folder = _folder(Path(root))
    chosen = _settings(folder, settings)
    wished = device or chosen.device
    device, _ = resolve_device(wished)
    name, reason = _scale(scale or chosen.scale, chosen.results, wished, root)
    extra = chosen.beyond if beyond or name == "paper" else ()
    wanted = tuple(experiments or (*chosen.experiments, *extra))
    _known(name, _stems(folder / "scales"), "scale")
    for experiment in wanted:
        _known(experiment, _stems(folder / "experiments"), "experiment")
    scale_path = folder / "scales" / f"{name}.yaml"
    scaled = read(scale_path, ScaleFile).root
    for experiment in scaled:
        _known(experiment, _stems(folder / "experiments"), "experiment", scale_path)
    cells: list[Cell] = []
    titles: dict[str, str] = {}
    for experiment in dict.fromkeys(wanted):
        if experiment not in scaled:
            raise UserError(f"{scale_path}: lacks the experiment '{experiment}'")
        path = folder / "experiments" / f"{experiment}.yaml"
        content = read(path, ExperimentFile)
        titles[experiment] = content.title
        cells += _cells(experiment, content, scaled[experiment], path, scale_path)
    return Config(name, reason, device, tuple(titles), tuple(cells), titles, chosen)


def find_cell(config: Config, experiment: str, name: str) -> Cell:
    """The cell called ``name``.

    Raises:
        UserError: if there is none; the message shows the nearest names.
    """
    _known(experiment, config.experiments, "experiment")
    cells = {cell.name: cell for cell in config.of(experiment)}
    if name in cells:
        return cells[name]
    near = difflib.get_close_matches(name, cells, n=3, cutoff=0.3) or list(cells)[:3]
    listing = f"'pimvae cells {experiment}' lists all {len(cells)}"
    raise UserError(f"experiment '{experiment}' has no cell '{name}' (nearest: {', '.join(near)}; {listing})")


def find_dataset(config: Config, name: str) -> DataSet:
    """The data set called ``name``, of a configuration of one experiment.

    Raises:
        UserError: if no cell uses a data set of this name.
    """
    known = {dataset.name: dataset for dataset in config.datasets}
    _known(name, list(known), "data set")
    return known[name]


def shared_model(config: Config, dataset: DataSet) -> ModelConfig:
    """The model of the first cell of a data set that has no private latents, else of its first cell."""
    cells = [cell for cell in config.of(dataset.experiment) if cell.dataset == dataset.name]
    return min(cells, key=lambda cell: cell.model.private_latent > 0).model


def _folder(root: Path) -> Path:
    """``root/config``; where there is none in the working directory, the one in an installed wheel (see setup.py)."""
    folder, packaged = root / "config", Path(__file__).resolve().parents[1] / "configuration"
    return packaged if root == Path(".") and not folder.is_dir() and packaged.is_dir() else folder


def _scale(scale: str, results: str, device: str, root: Path | str) -> tuple[str, str]:
    if results == "shipped":
        return resolve_shipped(scale, shipped_scales(root), device)
    return resolve_scale(scale, device)


def _settings(folder: Path, settings: Mapping[str, Any] | None) -> Settings:
    path = folder / "config.yaml"
    if settings is None:
        return read(path, Settings)
    return _part(Settings, settings, str(path))


def _stems(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _known(name: str, known: Sequence[str], what: str, path: Path | None = None) -> None:
    if name not in known:
        place = f"{path}: " if path else ""
        raise UserError(f"{place}unknown {what} '{name}' ({did_you_mean(name, known)})")


def _part(model: type[Part], values: Mapping[str, Any], where: str) -> Part:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{where}: {one_line(error, model)}") from error


def _cells(
    experiment: str, content: ExperimentFile, scaled: ScaledExperiment, path: Path, scale_path: Path
) -> Iterator[Cell]:
    """All cells of one experiment, grid by grid; two of the same name are refused."""
    for dataset in (*scaled.datasets, *scaled.exclude):
        _known(dataset, list(content.datasets), "data set", scale_path)
    for scheme in {key for part in (scaled, *scaled.datasets.values()) for key in part.schemes}:
        for package, name in zip(("aggregators", "objectives"), scheme.split("-"), strict=False):
            _known(name, registry.names(package), package.rstrip("s"), scale_path)
    seen: set[str] = set()
    for grid in content.grids:
        _check_names(grid, content, path)
        for combination in itertools.product(grid.datasets, grid.aggregators, grid.objectives, grid.priors):
            if combination[0] in scaled.exclude:
                continue
            cell = _cell(experiment, content, scaled, grid, combination, f"{path} with {scale_path}")
            if cell.name in seen:
                raise UserError(f"{path}: two grids give the same cell '{cell.name}'")
            seen.add(cell.name)
            yield cell


def _check_names(grid: Grid, content: ExperimentFile, path: Path) -> None:
    for dataset in grid.datasets:
        _known(dataset, list(content.datasets), "data set", path)
    for aggregator in grid.aggregators:
        _known(aggregator, registry.names("aggregators"), "aggregator", path)
    for objective in grid.objectives:
        _known(objective, registry.names("objectives"), "objective", path)


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
    chosen = {"model": {"aggregator": aggregator, "prior": prior}, "objective": {"name": objective}}
    merged = merge(merged, chosen)
    where = f"{where}: data set '{dataset}'"
    kind = merged["data"].get("kind")
    if kind is None:
        raise UserError(f"{where}: 'data' lacks the key 'kind' ({did_you_mean('', DATA)})")
    cell = Cell(
        experiment=experiment,
        dataset=dataset,
        data=_part(DATA[kind], merged["data"], f"{where}: data"),
        model=_part(ModelConfig, merged["model"], f"{where}: model"),
        objective=_part(ObjectiveConfig, merged["objective"], f"{where}: objective"),
        train=_part(TrainConfig, merged["train"], f"{where}: train"),
        evaluation=_part(EvaluationConfig, merged["evaluation"], f"{where}: evaluation"),
        seeds=tuple(range(scaled.seeds)) if isinstance(scaled.seeds, int) else scaled.seeds,
    )
    if cell.data.samples is not None and cell.train.batch_size > cell.data.samples:
        sizes = f"batch_size {cell.train.batch_size} exceeds data.samples {cell.data.samples}"
        raise UserError(f"{where}: train.{sizes}")
    return cell
