"""The schemas that editors use are those of the models, and accept the files as they are."""

import importlib.util
import json

import pytest
import yaml

FILES = {
    "config": "config/config.yaml",
    "experiment": "config/experiments/*.yaml",
    "scale": "config/scales/*.yaml",
    "claims": "config/claims.yaml",
}


@pytest.fixture(scope="module")
def fresh(root):
    spec = importlib.util.spec_from_file_location("write_schemas", root / "scripts" / "write_schemas.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.schemas()


@pytest.mark.parametrize("name", FILES)
def test_a_schema_is_that_of_its_model(root, fresh, name):
    text = (root / "config/schemas" / f"{name}.json").read_text(encoding="utf-8")
    assert json.loads(text) == json.loads(json.dumps(fresh[name])), "run 'make schemas'"


@pytest.mark.parametrize("name", FILES)
def test_the_files_fit_their_schema(root, fresh, name):
    jsonschema = pytest.importorskip("jsonschema")
    paths = sorted(root.glob(FILES[name]))
    assert paths
    for path in paths:
        faults = jsonschema.Draft202012Validator(fresh[name]).iter_errors(yaml.safe_load(path.read_text()))
        assert [fault.message for fault in faults] == []


def test_a_misspelt_key_does_not_fit(fresh):
    jsonschema = pytest.importorskip("jsonschema")
    content = {"linear": {"seeds": 3, "train": {"stepz": 4}}}
    (fault,) = jsonschema.Draft202012Validator(fresh["scale"]).iter_errors(content)
    assert "stepz" in fault.message


def test_editors_are_told_which_schema_is_whose(root):
    settings = json.loads((root / ".vscode" / "settings.json").read_text())
    assert settings["yaml.schemas"] == {f"./config/schemas/{name}.json": files for name, files in FILES.items()}
