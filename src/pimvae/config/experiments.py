"""From YAML to cells: the grid of an experiment, laid over by one scale."""

__all__ = ["Config", "DataSet", "find_cell", "find_dataset", "load"]

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pimvae.archive import shipped_scales
from pimvae.config.files import ExperimentFile, ScaleFile, Settings, checked, read
from pimvae.config.grids import cells_of
from pimvae.config.scale import resolve_device, resolve_scale, resolve_shipped
from pimvae.config.schema import Cell, DataConfig, EvaluationConfig, ModelConfig
from pimvae.errors import UserError, check_known

GIVEN = "--config or config/config.yaml"  # where settings that are passed on come from


@dataclass(frozen=True)
class DataSet:
    """One data set of an experiment, the seeds for which it is drawn and the sample sizes of its evaluation.

    ``model`` is that of a cell without private latents, if there is one: simple models have its size.
    """

    experiment: str
    name: str
    data: DataConfig
    seeds: tuple[int, ...]
    evaluation: EvaluationConfig
    model: ModelConfig


@dataclass(frozen=True)
class Config:
    """One run of the workflow: every cell of the chosen experiments at one scale."""

    scale: str
    scale_reason: str
    device: str
    experiments: tuple[str, ...]
    cells: tuple[Cell, ...]
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
        found: dict[tuple[str, str], list[Cell]] = {}
        for cell in self.cells:
            found.setdefault((cell.experiment, cell.dataset), []).append(cell)
        plain = {key: min(cells, key=lambda cell: cell.model.private_latent > 0) for key, cells in found.items()}
        return tuple(DataSet(*key, cells[0].data, cells[0].seeds, cells[0].evaluation, plain[key].model)
                     for key, cells in found.items())  # fmt: skip

    def headline(self) -> str:
        """What is about to run, in one line."""
        if self.shipped:
            return f"scale: {self.scale} ({self.scale_reason}), nothing is trained"
        betas = ", ".join(f"{beta:g}" for beta in self.settings.betas or ())
        count = "1 cell" if len(self.cells) == 1 else f"{len(self.cells)} cells"
        count += f", β = {betas} only" if betas else ""
        return f"scale: {self.scale} ({self.scale_reason}), device {self.device}, {count}"


def load(
    scale: str | None = None,
    root: Path | str = ".",
    experiments: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    device: str | None = None,
    beyond: bool = False,
    betas: Sequence[float] | None = None,
) -> Config:
    """The configuration below ``root/config``.

    Args:
        scale: name of a file in ``config/scales``, ``auto``, or None for what ``config.yaml`` says.
        root: folder that contains ``config/``.
        experiments: names of files in ``config/experiments``; None for what ``config.yaml`` says.
        settings: replaces the content of ``config.yaml`` (Snakemake passes its own, with ``--config`` applied).
        device: ``auto``, ``cpu`` or ``cuda``; None for what ``config.yaml`` says.
        beyond: also the experiments beyond the publication, which the scale ``paper`` always has.
        betas: of every cell, only the replicas with these β; None for what ``config.yaml`` says.

    Raises:
        UserError: for any unknown key, name or value; the message names the key, the file and what is allowed.
    """
    folder = _folder(Path(root))
    path = folder / "config.yaml"
    chosen = _stated(path) if settings is None else _given(settings)
    wished, scale = device or chosen.device, scale or chosen.scale
    device, _ = resolve_device(wished)
    if chosen.results == "shipped":
        name, reason = resolve_shipped(scale, shipped_scales(root), wished)
    else:
        name, reason = resolve_scale(scale, wished)
    extra = chosen.beyond if beyond or name == "paper" else ()
    wanted = tuple(dict.fromkeys(experiments or (*chosen.experiments, *extra)))
    check_known("scale", _stems(folder / "scales"), name)
    check_known("experiment", _stems(folder / "experiments"), *wanted)
    scale_path = folder / "scales" / f"{name}.yaml"
    scaled = read(scale_path, ScaleFile).root
    check_known("experiment", _stems(folder / "experiments"), *scaled, place=scale_path)
    cells: list[Cell] = []
    for experiment in wanted:
        if experiment not in scaled:
            raise UserError(f"{scale_path}: lacks the experiment '{experiment}'")
        path = folder / "experiments" / f"{experiment}.yaml"
        cells += cells_of(experiment, read(path, ExperimentFile), scaled[experiment], path, scale_path)
    betas = betas or chosen.betas
    return Config(name, reason, device, wanted, _with_betas(cells, betas) if betas else tuple(cells), chosen)


def find_cell(config: Config, experiment: str, name: str) -> Cell:
    """The cell called ``name``.

    Raises:
        UserError: if there is none; the message shows the nearest names.
    """
    check_known("experiment", config.experiments, experiment)
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
    check_known("data set", known, name)
    return known[name]


def _with_betas(cells: Sequence[Cell], betas: Sequence[float]) -> tuple[Cell, ...]:
    """The cells with only these of their β; those that have none of them are left out.

    Raises:
        UserError: if no cell has one of them.
    """
    known = dict.fromkeys(str(beta) for cell in cells for beta in cell.objective.betas)
    check_known("β", known, *map(str, map(float, betas)))
    narrowed = []
    for cell in cells:
        if kept := tuple(beta for beta in cell.objective.betas if beta in betas):
            objective = cell.objective.model_copy(update={"betas": kept})
            narrowed.append(cell.model_copy(update={"objective": objective}))
    return tuple(narrowed)


def _stated(path: Path) -> Settings:
    """What ``config.yaml`` says.

    Raises:
        UserError: if it is not there or at fault.
    """
    if not path.exists():
        raise UserError(f"no such configuration file: {path}: run it in the repository, or say --root FOLDER")
    return read(path, Settings)


def _given(settings: Mapping[str, Any]) -> Settings:
    """``config.yaml`` as Snakemake passes it, in which a fault is more likely from the command line.

    Raises:
        UserError: if it is at fault.
    """
    for key in ("experiments", "beyond", "betas"):
        if isinstance(value := settings.get(key), str | int | float):
            raise UserError(f"{GIVEN}: '{key}' must be a list, got '{value!s:.200}': write '{key}=[{value!s:.200}]'")
    return checked(Settings, settings, GIVEN)


def _folder(root: Path) -> Path:
    """``root/config``; where there is none in the working directory, the one in an installed wheel (see setup.py)."""
    folder, packaged = root / "config", Path(__file__).resolve().parents[1] / "configuration"
    return packaged if root == Path(".") and not folder.is_dir() and packaged.is_dir() else folder


def _stems(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))
