"""Calls of the library with arguments of another type: one line each, and nothing is done.

While tests run a checker of annotations refuses such calls before the library sees them, so this file runs itself as a
program without it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pimvae
from pimvae.data.readers import read
from pimvae.errors import UserError
from pimvae.library import MultimodalVAE
from pimvae.library import settings as sizes

ROOT = Path(__file__).parents[1]
DATA = {name: np.random.default_rng(seed).normal(size=(60, 2)) for seed, name in enumerate("xy")}
OF_DATA = {
    "no latent": ({"latent": 0}, "latent is 0, must be at least 1"),
    "half a latent": ({"latent": 2.5}, "latent is 2.5, must be a whole number"),
    "settings": ({"settings": ["decoder"]}, "settings is ['decoder'], must be a dict, for example {"),
    "a setting": ({"settings": {3: 4}}, "a key of settings is 3, must be a text"),
    "kinds": ({"kinds": ["x"]}, "kinds is ['x'], must be a dict"),
    "a kind": ({"kinds": {"x": 3}}, "unknown kind '3' of 'x'"),
    "aggregator": ({"aggregator": 3}, "unknown aggregator '3'"),
    "name": ({"name": 3}, "name is 3, must be a text"),
}
OF_FIT = {
    "steps": ({"steps": 2.5}, "steps is 2.5, must be a whole number"),
    "steps as text": ({"steps": "a"}, "steps is 'a', must be a whole number"),
    "steps as truth": ({"steps": True}, "steps is True, must be a whole number"),
    "large steps": ({"steps": 2**70}, "must fit into 64 bits"),
    "seeds": ({"seeds": "x"}, "seeds is 'x', must be a whole number"),
    "no seeds": ({"seeds": None}, "seeds is None, must be a whole number"),
    "zero seeds": ({"seeds": 0}, "seeds is 0, must be at least 1"),
    "a seed": ({"seeds": [0.5]}, "a seed is 0.5, must be a whole number"),
    "validation": ({"validation": "a"}, "the validation share is 'a', must be a number"),
    "polish": ({"polish": 2}, "polish is 2, must be True, False or None"),
    "callbacks": ({"callbacks": max}, "callbacks is <built-in function max>, must be a list of functions"),
    "a callback": ({"callbacks": [3]}, "callbacks holds 3, must be a list of functions"),
}
OF_MODEL = {
    "count": (lambda m, d: m.sample("a"), "the number of draws is 'a', must be a whole number"),
    "half a draw": (lambda m, d: m.sample(2.5), "the number of draws is 2.5, must be a whole number"),
    "seed": (lambda m, d: m.sample(2, seed="a"), "seed is 'a', must be a whole number"),
    "samples": (lambda m, d: m.predict(d, samples=-1), "samples is -1, must be at least 0"),
    "draws": (lambda m, d: m.log_likelihood(d, draws=2.5), "the number of draws is 2.5, must be a whole number"),
    "interval": (lambda m, d: m.impute(d, interval="a"), "the interval is 'a', must be a number"),
    "target": (lambda m, d: m.predict(d, target=3), "target is 3, must be a list of names"),
    "a target": (lambda m, d: m.predict(d, target=[3]), "unknown modality '3'"),
    "filled": (lambda m, d: m.filled(d, 3), "predictions is 3, must be a dict"),
    "draws of z": (lambda m, d: m.encode(d, refined=False).sample(-1), "the number of draws is -1, must be at least 1"),
    "z": (lambda m, d: m.encode(d, refined=False).log_prob("a"), "z is no array of numbers"),
    "shape of z": (lambda m, d: m.encode(d, refined=False).log_prob(np.zeros((3, 1))), "z has shape (3, 1)"),
    "generator": (lambda m, d: m.loss(d, generator=3), "the generator is 3, must be a torch.Generator"),
    "refined": (lambda m, d: m.encode(d, refined="no"), "refined is 'no', must be True, False or None"),
    "no modality": (lambda m, d: m.encode({}), "data are empty: no modality is named"),
    "save": (lambda m, d: m.save(3), "folder is 3, must be a path"),
    "load": (lambda m, d: pimvae.load(3), "folder is 3, must be a path"),
}
OF_READ = {
    "path": ((3,), "paths is 3, must be a list of paths"),
    "nothing": ((None,), "paths is None, must be a list of paths"),
    "a path": (([3],), "a path is 3, must be a path"),
    "ids": ((".", 3), "ids is 3, must be a text"),
    "places": ((".", None, 3), "places is 3, must be a list of texts"),
}
CASES = {
    **{f"from_data: {name}": message for name, (_, message) in OF_DATA.items()},
    **{f"fit: {name}": message for name, (_, message) in OF_FIT.items()},
    **{f"model: {name}": message for name, (_, message) in OF_MODEL.items()},
    **{f"read: {name}": message for name, (_, message) in OF_READ.items()},
}


def fault(call) -> str:
    """What a call says, with the kind of its exception where that is another one than it should be."""
    try:
        call()
    except UserError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no fault"


def faults() -> dict[str, str]:
    model = MultimodalVAE.from_data(DATA)
    found = {}
    for name, (options, _) in OF_DATA.items():
        found[f"from_data: {name}"] = fault(lambda options=options: MultimodalVAE.from_data(DATA, **options))
    for name, (options, _) in OF_FIT.items():
        found[f"fit: {name}"] = fault(lambda options=options: model.fit(DATA, progress=False, **options))
    for name, (call, _) in OF_MODEL.items():
        found[f"model: {name}"] = fault(lambda call=call: call(model, DATA))
    for name, (given, _) in OF_READ.items():
        found[f"read: {name}"] = fault(lambda given=given: read(*given))
    return found


def numbers() -> list:
    """What became of numbers of numpy."""
    model = MultimodalVAE.from_data(DATA, latent=np.int64(3))
    seeds = [sizes.seeds_of(given) for given in (np.int64(2), np.array([3, 5]), iter([3, 5]))]
    cell = sizes.for_training(model.cell, 60, np.int32(7), seeds[0], np.float32(0.5))
    return [model.cell.model.latent, cell.train.steps, cell.data.validation, *seeds]


@pytest.fixture(scope="module")
def said():
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", CASES)
def test_an_argument_of_another_type_is_one_line(said, case):
    found = said["faults"][case]
    assert CASES[case] in found and "Error: " not in found and "\n" not in found


def test_numbers_of_numpy_are_numbers(said):
    assert said["numbers"] == [3, 7, 0.5, [0, 1], [3, 5], [3, 5]]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="file is not a writable folder"):
            MultimodalVAE.from_data(DATA).save(str(path))
    with pytest.raises(UserError, match="is a file, expected the folder of a run"):
        pimvae.load(tmp_path / "file")


def test_one_sample_is_none_to_train_on():
    with pytest.raises(UserError, match="data: there is one sample to train on, at least 2 are needed"):
        MultimodalVAE.from_data({name: values[:1] for name, values in DATA.items()})
    assert sizes.few(sizes.FEWEST) == "" and sizes.few(3).startswith("only 3 training samples: ")


if __name__ == "__main__":
    print(json.dumps({"faults": faults(), "numbers": numbers()}))
