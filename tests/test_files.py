"""Writing of files: whole or not there, for others to read, nothing left behind."""

import errno
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from pimvae import files
from pimvae.files import read_json, remove_leftovers, replacing, write_json


@pytest.fixture(params=[0o022, 0o002, 0o077], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_permissions_are_what_the_umask_leaves(tmp_path, umask):
    """safetensors itself writes 0600."""
    with replacing(tmp_path / "w.safetensors") as temporary:
        save_file({"x": np.zeros(3)}, temporary)
    write_json(tmp_path / "a.json", {})
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    dead, other, living = (tmp_path / f".{name}.tmp" for name in (f"a.json.{gone()}", f"b.json.{gone()}", "a.json.1"))
    for path in (dead, other, living):
        path.touch()
    write_json(tmp_path / "a.json", {})
    assert not dead.exists() and other.exists() and living.exists()
    remove_leftovers(tmp_path / "b.json")
    assert not other.exists()
    remove_leftovers(tmp_path / "no folder" / "b.json")


def test_content_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(files.os, "fsync", lambda handle: order.append("fsync"))
    replace = os.replace
    monkeypatch.setattr(files.os, "replace", lambda *paths: (order.append("replace"), replace(*paths)))
    write_json(tmp_path / "a.json", {})
    assert order == ["fsync", "replace", "fsync"]


FULL = {
    "in Python": OSError(errno.ENOSPC, "No space left on device"),
    "in safetensors": SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
}


@pytest.mark.parametrize("error", FULL.values(), ids=FULL)
def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path, error):
    write_json(tmp_path / "a.json", {"old": 1})
    before = (tmp_path / "a.json").read_bytes()
    with pytest.raises(OSError) as caught, replacing(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise error
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(tmp_path / "a.json")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"] and (tmp_path / "a.json").read_bytes() == before


def test_an_error_of_the_writer_stays_what_it_is(tmp_path):
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a"):
        raise ZeroDivisionError
    with pytest.raises(SafetensorError), replacing(tmp_path / "a"):
        raise SafetensorError("no tensor")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("settings", [{"PYTHONIOENCODING": "ascii"}, {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_what_is_printed_into_a_pipe_is_utf8(root, settings):
    if "PYTHONUTF8" in settings and not f"{root}{sys.prefix}".isascii():
        pytest.skip("Python itself does not start from such a folder then")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root / "src")} | settings
    command = [sys.executable, "-m", "pimvae.cli", "schemes", "poe"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, check=True)
    assert "∏_{s∈S}" in done.stdout.decode("utf-8")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, f"[1{'0' * 400}]", f"[{'9' * 10_000}]"], ids=lambda t: t[:3])
def test_json_that_no_program_of_ours_writes_is_a_value_error(tmp_path, text):
    """Brackets without end, and integers that no float can hold, would fail elsewhere, as other errors."""
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError):
        read_json(tmp_path / "a.json")


def test_integers_of_any_seed_are_read_as_they_are(tmp_path):
    write_json(tmp_path / "a.json", [2**63, -(2**64), 10**299])
    assert read_json(tmp_path / "a.json") == [2**63, -(2**64), 10**299]
