"""The habits of the house: short files and functions, what is private stays where it is, imports go one way."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "pimvae").rglob("*.py"))
LINES, LINES_OF_A_FUNCTION = 250, 50
# Rooms from the ground up: a module imports those of its own room and of earlier lines. Rooms of one line may use each
# other.
FLOORS = """
errors
allocator arguments kernels limits registry subsets signals warm
files posteriors
archive chain
config
data
aggregators models
objectives
training
library
evaluation
results
claims
planning report
own
cli
"""
# Folders whose files are entries: an underscore there says that a file is none.
REGISTRIES = {f"pimvae.{folder}" for folder in ("aggregators", "data", "models.networks", "objectives",
                                                "report.figures", "report.tables")}  # fmt: skip
FLOOR = {room: number for number, line in enumerate(FLOORS.split("\n")) for room in line.split()}


def module(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in SOURCES}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Module of this package and name, of every ``from module import name`` (name empty: ``import module``)."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.partition(".")[0] == "pimvae")
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            if (node.module or "").partition(".")[0] == "pimvae":
                yield from ((node.module, alias.name) for alias in node.names)


def used(path: Path) -> Iterator[str]:
    """The modules of this package that a file imports."""
    for name, member in imported(path):
        yield f"{name}.{member}" if f"{name}.{member}" in MODULES else name


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_files_and_functions_can_be_seen_whole():
    long = {module(path) for path in SOURCES if len(path.read_text(encoding="utf-8").splitlines()) > LINES}
    long |= {
        f"{module(path)}:{node.name}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= LINES_OF_A_FUNCTION
    }
    assert long == set()


def test_every_room_has_its_floor():
    assert {room(name) for name in MODULES} - {""} == set(FLOOR)


def test_imports_go_one_way():
    upwards = {
        (module(path), name)
        for path in SOURCES
        for name in used(path)
        if room(module(path)) and room(name) and FLOOR[room(name)] > FLOOR[room(module(path))]
    }
    assert upwards == set()


def foreign(path: Path) -> Iterator[str]:
    """What a file imports that is private to another package: a name, or a module outside of registries."""
    here = module(path) if path.name == "__init__.py" else module(path).rpartition(".")[0]
    for name, member in imported(path):
        parts = f"{name}.{member}".split(".")
        owner = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
        if private(member) and f"{name}.{member}" not in MODULES and owner != here:
            yield f"{name}.{member}"
        folders = {".".join(parts[:place]) for place, part in enumerate(parts) if private(part)}
        if f"{name}.{member}" in MODULES or not private(member):
            yield from (f"{name}.{member}" for folder in folders if folder not in REGISTRIES | {here})


def test_what_is_private_stays_where_it_is():
    assert {(module(path), name) for path in SOURCES for name in foreign(path)} == set()
