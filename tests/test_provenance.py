"""The sources that the workflow lists for a stage are those that Python loads for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pimvae.config import find_cell, load
from pimvae.registry import names, page
from pimvae.results import provenance

PACKAGE = provenance.ROOT
STATED = {f"tables.{name}" for name in page("report.tables")}  # which are no modules
# Other packages are loaded once; of this one, every stage starts with nothing, in a process of its own.
LOADED = """
import importlib, json, os, sys
import matplotlib.pyplot, pandas, scipy.optimize, scipy.stats, sklearn.mixture, torch.fx, yaml

for stage, imports in json.loads(sys.argv[1]).items():
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0, stage
        continue
    for names in imports:
        for name in names:
            importlib.import_module(name)
        files = [module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "pimvae"]
        print(json.dumps([stage, sorted(files)]), flush=True)
    os._exit(0)
"""


def modules(paths: tuple[Path, ...]) -> list[str]:
    """Names of the modules in these files."""
    parts = [path.relative_to(PACKAGE.parent).with_suffix("").parts for path in paths if path.suffix == ".py"]
    return [".".join(part[:-1] if part[-1] == "__init__" else part) for part in parts]


@pytest.fixture(scope="module")
def loaded(root: Path) -> dict[str, list[list[Path]]]:
    """Per stage, files of this package that are loaded after its entries were imported, and then the listed ones."""
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    imports = {stage: [entries, modules(listed)] for stage, (entries, listed) in STAGES.items()}
    command = [sys.executable, "-c", LOADED, json.dumps(imports)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, list[list[Path]]] = {stage: [] for stage in STAGES}
    for stage, files in map(json.loads, done.stdout.splitlines()):
        found[stage].append([Path(name) for name in files])
    return found


def stages(root: Path) -> dict[str, tuple[list[str], tuple[Path, ...]]]:
    """Of every stage: what is imported to run it, and what the workflow lists."""
    cell = find_cell(load("smoke", root, ["linear"]), "linear", "sparse-private_self_attention-masked")
    registered = ["aggregators.private_self_attention", "objectives.masked", "models.networks.vector"]
    registered = [f"pimvae.{name}" for name in registered]
    report = {name: (name,) for name in ("claims", "macros")}
    report["compare"] = ("compare",)
    report["figure"] = ("figures", "figures.f1_bounds")
    report["tables"] = ("tables", *(f"tables.{name}" for name in names("report.tables")))
    return {
        "data": (["pimvae.data.job", "pimvae.data.linear"], provenance.data_sources("linear")),
        "train": (["pimvae.training.job", *registered], provenance.training_sources(cell)),
        "evaluate": (
            ["pimvae.evaluation.job", "pimvae.evaluation.linear", *registered],
            provenance.evaluation_sources(cell),
        ),
        **{
            module.rpartition(".")[2]: ([module], provenance.sources(module))
            for module in (
                "pimvae.evaluation.ceiling",
                "pimvae.evaluation.baselines",
                "pimvae.evaluation.classifiers",
                "pimvae.results.collect",
            )
        },
        **{
            stage: (
                ["pimvae.report.job", *(f"pimvae.report.{part}" for part in parts[1:] if part not in STATED)],
                provenance.report_sources(*parts),
            )
            for stage, parts in report.items()
        },
    }


STAGES = stages(Path(__file__).resolve().parents[1])


@pytest.mark.parametrize("stage", STAGES)
def test_listed_sources_are_what_is_loaded(loaded, stage):
    listed = STAGES[stage][1]
    at_start, at_end = loaded[stage]
    assert set(at_start) <= set(listed)  # nothing that is loaded is missing
    # Nor what the imports inside functions load in turn.
    assert at_end == [path for path in listed if path.suffix == ".py"]


def test_stages_do_not_depend_on_later_ones():
    later = {"data": "training", "train": "evaluation", "evaluate": "report", "claims": "figures"}
    for stage, forbidden in later.items():
        folders = {path.relative_to(PACKAGE).parts[0] for path in STAGES[stage][1]}
        assert folders - {"__init__.py"}
        assert forbidden not in folders | {path.parent.name for path in STAGES[stage][1]}
    names = {path.name for path in STAGES["train"][1]}
    assert "experiments.py" not in names  # reading the configuration is not part of a training
    assert {"private_self_attention.py", "masked.py"} <= names
    assert not {"mixture.py", "moe.py"} & names
    assert not {"vae.py", "loop.py"} & {path.name for path in STAGES["ceiling"][1]}


def test_an_objective_belongs_to_the_cells_that_use_it(root):
    """So a change of its file trains exactly these again."""
    cells = load("smoke", root).cells
    for objective in names("objectives"):
        path = PACKAGE / "objectives" / f"{objective}.py"
        using = {cell.name for cell in cells if path in provenance.training_sources(cell)}
        builders = {  # objectives that are made from this one belong to it too
            name for name in names("objectives")
            if f"pimvae.objectives.{objective} import" in (PACKAGE / "objectives" / f"{name}.py").read_text()
        }  # fmt: skip
        assert using == {cell.name for cell in cells if cell.objective.name in {objective, *builders}}
    figures = PACKAGE / "report" / "figures" / "f2_linear_gap.py"
    assert not any(figures in provenance.training_sources(cell) for cell in cells)


def test_imports_of_other_functions_do_not_count():
    assert "style.py" in {path.name for path in STAGES["figure"][1]}
    assert "style.py" not in {path.name for path in STAGES["claims"][1]}


def test_stored_numbers_are_sources():
    listed = provenance.data_sources("images")
    stored = PACKAGE / "data" / "_house_numbers.npz"
    assert stored in listed and stored.with_suffix(".py") in listed
    assert stored not in provenance.data_sources("digits")


def test_everything_that_is_stored_beside_modules_is_of_a_kind_that_counts():
    beside = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    named = {path for path in beside if path.with_suffix(".py").is_file() or path.with_suffix("").is_dir()}
    assert {path.suffix for path in named} == {".py", *provenance.STORED}
    assert beside - named <= {path for path in beside if path.suffix == ".py"} | {PACKAGE / "py.typed"}


def test_looks_and_texts_are_sources_of_what_they_are_for():
    looks, texts = (provenance.sources(f"pimvae.report.{module}") for module in ("figures.f1_bounds", "webpage"))
    names = [{path.name for path in listed if path.suffix not in {".py", ".yaml"}} for listed in (looks, texts)]
    assert names == [{"style.mplstyle"}, {"webpage.css", "webpage.js"}]
    assert PACKAGE / "report" / "page_notes.yaml" in texts


def test_the_page_of_tables_is_a_source_of_the_tables_alone():
    page = PACKAGE / "report" / "tables.yaml"
    assert {stage for stage, (_, listed) in STAGES.items() if page in listed} == {"tables"}


def test_a_module_that_does_not_exist_is_refused():
    with pytest.raises(ModuleNotFoundError, match=r"pimvae\.nothing"):
        provenance.sources("pimvae.nothing")


def test_a_digest_tells_what_files_hold_and_not_when_they_were_written(tmp_path):
    def checksum(folder: str, written: int, **texts: str) -> str:
        """Of files in a folder of their own, for a file is read once per process."""
        (tmp_path / folder).mkdir()
        files = [tmp_path / folder / f"{name}.py" for name in texts]
        for path, text in zip(files, texts.values(), strict=True):
            path.write_text(text)
            os.utime(path, (written, written))
        return provenance.digest(tuple(files)).split()[-1]

    first = checksum("first", 1, one="1", two="2")
    assert checksum("later", 2, two="2", one="1") == first
    others = [checksum("edited", 1, one="1", two="3"), checksum("renamed", 1, one="1", three="2")]
    others += [checksum("swapped", 1, one="2", two="1"), checksum("removed", 1, one="1")]
    assert len({first, *others}) == 5


def test_a_digest_shows_where_sources_differ():
    linear, images = (provenance.digest(provenance.data_sources(kind)).split(", ") for kind in ("linear", "images"))
    assert {entry.split()[0] for entry in linear} == {"pimvae", "pimvae/config", "pimvae/data"}
    assert {entry.split()[0] for entry in set(linear) ^ set(images)} == {"pimvae/data"}
