"""Inputs that are larger or stranger than they look: refused in one line, before they are unpacked."""

import gzip
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from builders import training_cell

from pimvae import archive, limits
from pimvae.config.files import Settings, parse, read
from pimvae.config.schema import Cell, ObjectiveConfig, TrainConfig
from pimvae.data.readers.npz import read_npz
from pimvae.errors import UserError
from pimvae.results.files import read_csv
from pimvae.subsets import all_subsets

BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
YAML = {
    "bomb": (BOMB.encode(), "its aliases stand for more than 100000 values"),
    "endless": (b"a: &a [*a]\n", "its aliases stand for more than"),
    "not UTF-8": (b"scale: sm\xf6ke\n", "not UTF-8"),
    "a list as key": (b"[1, 2]: 3\n", "line 1: a key is no plain name"),
    "a mapping as key": (b"scale: x\n? {a: 1}\n: 3\n", "line 2: a key is no plain name"),
    "a control character": (b"scale: \x00\n", "special characters are not allowed"),
    "no date": (b"scale: 2026-99-99\n", "not valid YAML"),
    "brackets": (b"[" * 10_000, "not valid YAML"),
    "empty": (b"", "is empty"),
    "large": (b"#" * (limits.TEXT + 1), "holds 4 MB, more than 4"),
}


@pytest.mark.parametrize(("content", "message"), YAML.values(), ids=YAML)
def test_yaml_that_is_none_is_one_line(tmp_path, content, message):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read(path, Settings)
    assert str(path) in str(error.value) and message in str(error.value) and len(str(error.value)) < 1000


def test_aliases_that_stand_for_little_are_fine(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]\n")
    assert parse(tmp_path / "a.yaml") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": [{"x": 1}, {"x": 1}]}


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setenv(limits.SETTING, "1")


@pytest.mark.usefixtures("small")
def test_what_unpacks_to_too_much_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((200, 1000)), y=np.zeros((200, 1000)))
    assert (tmp_path / "bomb.npz").stat().st_size < 20_000
    with pytest.raises(UserError, match=r"bomb\.npz holds 3 MB, more than 1: set PIMVAE_MAX_MEGABYTES"):
        read_npz(tmp_path / "bomb.npz")
    (tmp_path / "metrics.csv.gz").write_bytes(gzip.compress(b"a\n" * 2**20))
    with pytest.raises(UserError, match=r"metrics\.csv\.gz \(so far\) holds 2 MB"):
        read_csv(tmp_path / "metrics.csv", [], "")
    archive.pack({"a.csv.gz": b"a\n" * 2**20}, tmp_path / "shipped")
    with pytest.raises(UserError, match=r"a\.csv\.gz \(so far\) holds"):
        archive.unpack(tmp_path / "shipped", tmp_path / "out")


def test_the_limit_is_a_setting(tmp_path, monkeypatch):
    archive.pack({"a.csv.gz": b"a\n" * 2**20}, tmp_path / "shipped")
    monkeypatch.setenv(limits.SETTING, "3")
    assert [path.stat().st_size for path in archive.unpack(tmp_path / "shipped", tmp_path / "out")] == [2**21]
    for wrong in ("0", "-1", "many", "1e9"):
        monkeypatch.setenv(limits.SETTING, wrong)
        with pytest.raises(UserError, match=f"PIMVAE_MAX_MEGABYTES is '{wrong}'"):
            limits.largest()


def test_what_is_no_gzip_is_one_line(tmp_path):
    for content in (b"", b"no gzip", gzip.compress(b"cut off" * 99)[:-12]):
        if content:
            with pytest.raises(UserError, match="is no gzip file"):
                limits.gunzip(content, "x.gz")
    damaged = bytearray(gzip.compress(os.urandom(1000)))
    damaged[200] ^= 255
    with pytest.raises(UserError, match="is no gzip file"):
        limits.gunzip(bytes(damaged), "x.gz")


def test_an_archive_with_something_else_in_it(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.zeros((3, 2)))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as opened:
        opened.writestr("notes.txt", "hello")
    with pytest.raises(UserError, match=r"a\.npz holds 'notes\.txt', which is no array"):
        read_npz(tmp_path / "a.npz")


def test_more_subsets_than_can_be_counted():
    assert len(all_subsets(3)) == 8
    with pytest.raises(UserError, match=r"2\^50 subsets cannot be enumerated"):
        all_subsets(50)


SETTINGS = {
    "infinite": (TrainConfig, {"steps": 1, "batch_size": 1, "learning_rate": float("inf")}),
    "not a number": (TrainConfig, {"steps": 1, "batch_size": 1, "clip": float("nan")}),
    "truth value": (TrainConfig, {"steps": True, "batch_size": 1}),
    "text": (TrainConfig, {"steps": "3", "batch_size": 1}),
    "number as truth value": (TrainConfig, {"steps": 3, "batch_size": 1, "noise_reuse": 1}),
    "infinite in a list": (ObjectiveConfig, {"name": "masked", "betas": [float("inf")]}),
    "truth value in a list": (ObjectiveConfig, {"name": "masked", "betas": [True]}),
    "empty": (ObjectiveConfig, {"name": "masked", "betas": []}),
    "repeated": (ObjectiveConfig, {"name": "masked", "betas": [1.0, 0.5, 1]}),
    "repeated names": (Settings, {"experiments": ["linear", "linear"]}),
    "number as name": (Settings, {"experiments": ["linear"], "scale": 1}),
}


@pytest.mark.parametrize(("model", "values"), SETTINGS.values(), ids=SETTINGS)
def test_settings_that_mean_nothing_are_refused(model, values):
    with pytest.raises(ValueError, match="validation error"):
        model.model_validate(values)


def test_seeds_come_once():
    whole = training_cell().model_dump()
    assert Cell.model_validate(whole).seeds == whole["seeds"]
    with pytest.raises(ValueError, match="1 comes twice"):
        Cell.model_validate(whole | {"seeds": [1, 1]})


def test_output_in_ascii(root):
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(root / "src")}
    command = [sys.executable, "-m", "pimvae.cli", "schemes", "poe"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, cwd=root)
    assert (done.returncode, done.stderr) == (0, "") and "q(z|x_S) ∝" in done.stdout
