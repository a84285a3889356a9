"""pip and conda users get the same packages in the same versions, and the code runs on what is pinned."""

import importlib.metadata
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib", "snakemake-minimal": "snakemake"}
ONLY_CONDA = {"python", "pip", "tectonic"}  # what pip cannot bring


def pinned_by_pip(root: Path) -> dict[str, str]:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = [pins for name, pins in project["optional-dependencies"].items() if name != "slurm"]  # only on a cluster
    pins = {tuple(pin.split("==")) for pin in [*project["dependencies"], *(pin for extra in extras for pin in extra)]}
    assert len({name for name, _ in pins}) == len(pins)  # an extra that repeats a package repeats its version
    return dict(pins)


def pinned_by_conda(root: Path) -> dict[str, str | None]:
    pins = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    parts = [(*pin.split("="), None)[:2] for pin in pins]
    return {CONDA_NAMES.get(name, name): version for name, version in parts}


def test_pip_and_conda_agree(root):
    conda = pinned_by_conda(root)
    assert {name: version for name, version in conda.items() if name not in ONLY_CONDA} == pinned_by_pip(root)
    assert set(conda) >= ONLY_CONDA


def test_rules_use_the_same_environment(root):
    assert (root / "workflow" / "envs" / "pimvae.yaml").read_text() == (root / "environment.yml").read_text()


def test_python_is_one_that_the_package_accepts(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert f">={pinned_by_conda(root)['python']}" == project["requires-python"]


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_every_import_is_declared(root, folder):
    imports = {"yaml": "pyyaml", "sklearn": "scikit-learn"}
    found = set()
    for path in (root / folder).rglob("*.py"):
        found |= set(re.findall(r"^\s*(?:import|from) ([a-zA-Z]\w*)", path.read_text(), flags=re.MULTILINE))
    installed = importlib.metadata.packages_distributions()
    outside = {imports.get(name, name) for name in found if name in installed} - {"pimvae"}
    assert outside <= set(pinned_by_pip(root))


def locked(root: Path) -> dict[str, str]:
    lines = [line for line in (root / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in lines)
    versions = dict(line.split("==") for line in lines)
    assert list(versions) == sorted(versions) and len(versions) == len(lines)
    return versions


def test_the_lock_has_every_pinned_package_in_its_version(root):
    pins = {name.replace("_", "-"): version for name, version in pinned_by_pip(root).items()}
    assert pins.items() <= locked(root).items()


def test_the_lock_has_what_the_pinned_packages_need(root):
    """In the environment at hand; what torch brings for one kind of machine is torch's to pin."""
    path = root / "scripts" / "lock.py"
    spec = importlib.util.spec_from_file_location("lock", path)
    lock = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lock)
    needed = {name for pin in pinned_by_pip(root) for name in [pin, *lock.closure(pin)]}
    assert {name.replace("_", "-") for name in needed} == set(locked(root))
