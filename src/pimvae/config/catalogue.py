"""Order, label, colour and marker of everything that is shown; read from ``config/methods.yaml``."""

__all__ = ["Catalogue", "Look", "Metric", "catalogue", "config_path", "experiments", "read_config", "read_experiments"]

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pimvae.config.plain_yaml import parse
from pimvae.errors import UserError, check_known

PRIVATE = "private_"


@dataclass(frozen=True)
class Look:
    """How one aggregator, objective, data set or prior is shown; ``order`` sorts them."""

    label: str
    short: str
    colour: str = "#444444"
    marker: str = "o"
    order: int = 0


@dataclass(frozen=True)
class Metric:
    """How one metric is shown: the value times ``factor`` in ``unit``, and which direction is better."""

    label: str
    better: Literal["lower", "higher", "nearest", "neither"]  # nearest: to 0
    unit: str = ""
    factor: float = 1.0


@dataclass
class Catalogue:
    """All looks and metrics; unlisted names get a look of their own in the order in which they are first asked for."""

    entries: dict[str, Any]
    _spare: dict[str, int] = field(default_factory=dict)

    def aggregator(self, name: str) -> Look:
        """Look of an aggregator; ``private_x`` borrows from ``x``; unlisted names come last."""
        listed = self.entries["aggregators"]
        base = name.removeprefix(PRIVATE)
        if base != name:
            look = self.aggregator(base)
            return Look(f"{look.label} (private)", f"{look.short} (priv.)", look.colour, look.marker, look.order + 100)
        if name in listed:
            entry = listed[name]
            order = list(listed).index(name)
            return Look(entry["label"], entry.get("short", entry["label"]), entry["colour"], entry["marker"], order)
        rank = self._spare.setdefault(name, len(self._spare))
        colours, markers = self.entries["spare_colours"], self.entries["spare_markers"]
        return Look(name, name, colours[rank % len(colours)], markers[rank % len(markers)], len(listed) + rank)

    def look(self, kind: Literal["objectives", "priors", "datasets", "arms", "baselines"], name: str) -> Look:
        """Look of anything but an aggregator; an unlisted name comes as it is, last."""
        listed = self.entries[kind]
        label = listed.get(name, {}).get("label", str(name).replace("_", " "))
        return Look(label, label, order=list(listed).index(name) if name in listed else len(listed))

    def metric(self, name: str) -> Metric:
        """The metric ``name``.

        Raises:
            UserError: if the metric is not in the catalogue; the message lists the known names.
        """
        check_known("metric", self.entries["metrics"], name)
        return Metric(**self.entries["metrics"][name])

    def order(
        self, kind: Literal["aggregators", "objectives", "priors", "datasets", "baselines"], names: Iterable[str]
    ) -> list[str]:
        """The distinct ``names`` in the order in which they are shown."""
        if kind == "aggregators":
            return sorted(sorted(set(names)), key=lambda name: self.aggregator(name).order)
        return sorted(set(names), key=lambda name: (self.look(kind, name).order, name))


def read_config(name: str) -> Any:
    """Parsed ``config/<name>`` of the working directory, else of the checkout or wheel that holds this package.

    Raises:
        UserError: if neither exists or the file is not valid YAML.
    """
    return parse(config_path(name))


def experiments() -> dict[str, list[str]]:
    """The experiments of ``config/experiments`` with their data sets."""
    return {name: list(content.get("datasets", {})) for name, content in read_experiments().items()}


def read_experiments() -> dict[str, dict[str, Any]]:
    """The content of every file of ``config/experiments``."""
    return {path.stem: parse(path) or {} for path in sorted(config_path("experiments").glob("*.yaml"))}


PACKAGED = "configuration"  # where a wheel has config/, see setup.py


def config_path(name: str) -> Path:
    """Where ``config/<name>`` lies, see `read_config`."""
    here = Path(__file__).resolve()
    folders = [Path("config"), here.parents[3] / "config", here.parents[1] / PACKAGED]
    path = next((folder / name for folder in folders if (folder / name).exists()), None)
    if path is None:
        raise UserError(f"config/{name} is missing: run from the root of the repository")
    return path


@cache
def catalogue() -> Catalogue:
    """The catalogue of ``config/methods.yaml``, read once."""
    return Catalogue(read_config("methods.yaml"))
