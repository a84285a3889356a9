"""Which source files a stage of the workflow depends on, read from the import statements (nothing is imported).

The Snakefile makes their digest a parameter of a job, so that a change of a module reruns the stages that use it and no
others. As inputs they would be looked at again whenever a job is started, and a new time stamp would count as a change.
Imports inside functions count. Registry look-ups are invisible to this reading: a caller names those modules itself.
"""

__all__ = ["data_sources", "digest", "evaluation_sources", "notebook_sources", "report_sources", "sources",
           "training_sources"]  # fmt: skip

import ast
import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pimvae.config.schema import Cell
from pimvae.files import read_json, sha256
from pimvae.registry import page

PACKAGE = "pimvae"
ROOT = Path(__file__).parents[1]
STORED = (".npz", ".yaml", ".css", ".js", ".mplstyle")


@cache
def sources(entry: str, *extra: str) -> tuple[Path, ...]:
    """Files of all modules of this package that ``entry`` and ``extra`` import, themselves included, sorted.

    What is stored beside a module under its name counts as its source: its numbers, its texts and looks, or the page of
    a registry (``<package>.yaml``); see `STORED`.

    Args:
        entry: a module, or ``module:function``: then imports inside the module's other functions do not count.
        extra: further modules.

    Raises:
        ModuleNotFoundError: if ``entry`` or one of ``extra`` is no module of this package.
    """
    entry, _, function = entry.partition(":")
    waiting = [entry, *extra]
    for name in waiting:
        if _path(name) is None:
            raise ModuleNotFoundError(f"no module named '{name}'")
    found: dict[str, Path] = {}
    stored: list[Path] = []
    while waiting:
        name = waiting.pop()
        path = _path(name)
        if path is None or name in found:
            continue
        found[name] = path
        place = path.parent if path.name == "__init__.py" else path
        stored += [beside for suffix in STORED if (beside := place.with_suffix(suffix)).is_file()]
        waiting += _imports(name, function if name == entry else "")
        parent = name.rpartition(".")[0]
        if parent:  # importing a module runs the packages above it
            waiting.append(parent)
    return tuple(sorted([*found.values(), *stored]))


@cache
def digest(paths: tuple[Path, ...]) -> str:
    """What files hold, as text: one checksum per folder, so that two of these texts show where files differ.

    Names count as they are seen from the folder of this package, times do not. A file is read once per process.
    """
    folders: dict[str, list[str]] = {}
    for path in sorted(paths):
        folder = os.path.relpath(path.parent, ROOT.parent)
        folders.setdefault(folder, []).append(f"{path.name} {_checksum(path)}")
    checksums = {folder: hashlib.sha256("\n".join(files).encode()).hexdigest() for folder, files in folders.items()}
    return ", ".join(f"{folder} {checksum[:12]}" for folder, checksum in checksums.items())


def data_sources(kind: str) -> tuple[Path, ...]:
    """Sources of the stage that draws data sets of this kind."""
    return sources("pimvae.data.job", f"pimvae.data.{kind}")


def training_sources(cell: Cell) -> tuple[Path, ...]:
    """Sources of the training of a cell."""
    return sources("pimvae.training.job", *_registered(cell))


def evaluation_sources(cell: Cell) -> tuple[Path, ...]:
    """Sources of the evaluation of a cell."""
    return sources("pimvae.evaluation.job", f"pimvae.evaluation.{cell.evaluator}", *_registered(cell))


def report_sources(function: str, *modules: str) -> tuple[Path, ...]:
    """Sources of ``pimvae.report.job.<function>`` with the given tables or figures (``figures.f1_bounds``).

    What the page of a registry states has no module: the package that makes it counts, and with it the page.
    """
    named = (f"pimvae.report.{module}" for module in modules)
    return sources(f"pimvae.report.job:{function}", *(_maker(name) for name in named))


def _maker(name: str) -> str:
    package, _, entry = name.removeprefix(f"{PACKAGE}.").rpartition(".")
    return f"{PACKAGE}.{package}" if entry in page(package) else name


def notebook_sources(path: Path) -> tuple[Path, ...]:
    """Sources of what the code cells of a notebook import, and of what its metadata say that they look up."""
    notebook = read_json(path)
    looked_up = notebook["metadata"].get(PACKAGE, {}).get("looks_up", [])
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    lines = [line for cell in cells for line in "".join(cell["source"]).splitlines() if not line.startswith("%")]
    named = _named(ast.parse("\n".join(lines)))
    return sources(*dict.fromkeys([*looked_up, *(name for name in named if _path(name) is not None)]))


def _registered(cell: Cell) -> tuple[str, ...]:
    model = cell.model
    names = {"aggregators": model.aggregator, "objectives": cell.objective.name, "models.networks": model.networks}
    return tuple(f"pimvae.{folder}.{name}" for folder, name in names.items())


_checksum = cache(sha256)


@cache
def _path(name: str) -> Path | None:
    """File of a module of this package; None for anything else."""
    head, *rest = name.split(".")
    if head != PACKAGE:
        return None
    base = ROOT.joinpath(*rest)
    for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if path.is_file():
            return path
    return None


@cache
def _imports(name: str, function: str = "") -> tuple[str, ...]:
    """Names that the file of a module imports; those that turn out to be no modules are sorted out by the caller."""
    tree = ast.parse(_path(name).read_bytes())
    if function:
        tree.body = [node for node in tree.body if getattr(node, "name", function) == function]
    return tuple(_named(tree))


def _named(tree: ast.Module) -> Iterator[str]:
    """What is imported, absolutely, as all imports of this package are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
