"""pip and conda users get the same packages in the same versions, and the code runs on what is locked."""

import asyncio
import importlib.metadata
import importlib.util
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKED_EXTRAS = {"workflow", "notebooks", "dev"}  # those of a cluster and of other file formats are not part of a run


def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def required(root: Path, extras: set[str] | None = None) -> dict[str, Requirement]:
    """What the package and its extras (None: all) require, by canonical name."""
    content = project(root)
    lines = list(content["dependencies"])
    for name, listed in content["optional-dependencies"].items():
        lines += listed if extras is None or name in extras else []
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(item.name): item for item in found if item.name != content["name"]}


def locked(root: Path) -> dict[str, str]:
    text = (root / "requirements.lock").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in lines)
    versions = dict(line.split("==") for line in lines)
    assert list(versions) == sorted(versions) and len(versions) == len(lines)
    return versions


def conda(root: Path, file: str = "environment.yml") -> tuple[list[str], list[str]]:
    """What conda solves, and the lines that it hands to pip."""
    entries = yaml.safe_load((root / file).read_text(encoding="utf-8"))["dependencies"]
    (pip,) = (entry["pip"] for entry in entries if isinstance(entry, dict))
    return [entry for entry in entries if isinstance(entry, str)], pip


def script(root: Path, name: str):
    spec = importlib.util.spec_from_file_location(name, root / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_has_every_required_package_in_a_version_that_is_allowed(root):
    versions = locked(root)
    for name, item in required(root, LOCKED_EXTRAS).items():
        assert item.specifier.contains(versions[name]), f"{item} against {versions[name]}"


def test_the_lock_has_what_the_required_packages_need(root):
    """In the environment at hand; what torch brings for one kind of machine is torch's to pin."""
    lock = script(root, "lock")
    needed = {name for pin in required(root, LOCKED_EXTRAS) for name in [pin, *lock.closure(pin)]}
    assert needed == set(locked(root))


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_every_import_is_declared(root, folder):
    imports = {"yaml": "pyyaml", "sklearn": "scikit-learn", "PIL": "pillow"}
    found = set()
    for path in (root / folder).rglob("*.py"):
        found |= set(re.findall(r"^\s*(?:import|from) ([a-zA-Z]\w*)", path.read_text(), flags=re.MULTILINE))
    installed = importlib.metadata.packages_distributions()
    outside = {canonicalize_name(imports.get(name, name)) for name in found if name in installed} - {"pimvae"}
    others = {"packaging", "jinja2"}  # pytest's and Snakemake's own, which only tests import
    assert outside - others <= set(required(root))


@pytest.mark.parametrize("file", ["environment.yml", "workflow/envs/pimvae.yaml"])
def test_conda_files_have_the_form_that_conda_reads(root, file):
    content = yaml.safe_load((root / file).read_text(encoding="utf-8"))
    assert set(content) == {"name", "channels", "dependencies"}
    assert content["name"] == "pimvae" and content["channels"] == ["conda-forge", "nodefaults"]
    solved, pip = conda(root, file)
    assert [re.split(r"[<>=]", entry)[0] for entry in solved] == ["python", "pip", "make", "tectonic"]
    assert all(isinstance(line, str) for line in pip)


def test_conda_gives_a_python_that_the_package_accepts(root):
    (python,) = (entry for entry in conda(root)[0] if entry.startswith("python"))
    allowed = Requirement(python).specifier
    accepted = Requirement(f"python{project(root)['requires-python']}").specifier
    versions = [f"3.{minor}.1" for minor in range(8, 16)]
    assert {version for version in versions if allowed.contains(version)} <= set(accepted.filter(versions))
    assert allowed.contains("3.11.7")  # the tested one


def test_conda_users_get_the_locked_versions(root):
    constraint, editable = (line.split(maxsplit=1) for line in conda(root)[1])
    assert constraint == ["--constraint", "requirements.lock"] and (root / constraint[1]).is_file()
    assert editable[0] == "--editable"
    extras = Requirement(f"pimvae{editable[1].removeprefix('.')}").extras
    assert extras == LOCKED_EXTRAS
    assert extras <= {*project(root)["optional-dependencies"], "workflow"}


def test_jobs_of_a_deployed_environment_get_the_locked_versions(root):
    """That file is read from another folder, so it names no path; the package itself is read where it lies."""
    text = (root / "workflow/envs/pimvae.yaml").read_text(encoding="utf-8")
    assert text == script(root, "workflow_environment").render(), "run scripts/workflow_environment.py"
    solved, pip = conda(root, "workflow/envs/pimvae.yaml")
    assert solved == conda(root)[0]
    assert dict(line.split("==") for line in pip) == locked(root)


STUBS = {
    "python": ["3.10.18", "3.11.9", "3.12.4", "3.13.2", "3.14.0"],
    "pip": ["25.1"],
    "make": ["4.4.1"],
    "tectonic": ["0.15.0"],
}


def solve(folder: Path, specs: list[str], stubs: dict[str, list[str]]) -> dict[str, str]:
    """What a conda solver takes from a local channel that holds nothing but the names and versions of ``stubs``."""
    rattler = pytest.importorskip("rattler")
    packages = {}
    for name, versions in stubs.items():
        for version in versions:
            about = {"name": name, "version": version, "build": "0", "build_number": 0, "subdir": "linux-64"}
            needs = ["python >=3.10"] if name == "pip" else []
            packages[f"{name}-{version}-0.conda"] = about | {"depends": needs, "sha256": "0" * 64, "size": 1}
    for subdir, listed in (("linux-64", packages), ("noarch", {})):
        (folder / subdir).mkdir(parents=True)
        content = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": listed, "repodata_version": 1}
        (folder / subdir / "repodata.json").write_text(json.dumps(content))
    channel = rattler.Channel(folder.as_uri())
    solution = asyncio.run(rattler.solve([channel], specs, platforms=["linux-64", "noarch"]))
    return {record.name.normalized: str(record.version) for record in solution}


def test_a_conda_solver_finds_the_environment(root, tmp_path):
    found = solve(tmp_path / "channel", conda(root)[0], STUBS)
    assert found == {"python": "3.13.2", "pip": "25.1", "make": "4.4.1", "tectonic": "0.15.0"}


def test_a_conda_solver_refuses_a_channel_without_a_fitting_python(root, tmp_path):
    pytest.importorskip("rattler")
    with pytest.raises(Exception, match="python"):
        solve(tmp_path / "channel", conda(root)[0], STUBS | {"python": ["3.10.18", "3.14.0"]})
