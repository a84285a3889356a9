"""Files are whole or absent, readable as the user's mask says, and UTF-8 whatever the locale."""

import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from pimvae.files import replacing, write_json


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_are_those_of_the_mask(tmp_path, mask, mode):
    """Also where the writer is stricter: safetensors makes files that only their owner can read."""
    before = os.umask(mask)
    try:
        write_json(tmp_path / "a.json", {})
        with replacing(tmp_path / "b.safetensors") as temporary:
            save_file({"x": np.zeros(2)}, temporary)
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {mode}


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("settings", [{"PYTHONIOENCODING": "ascii"}, {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_what_is_printed_into_a_pipe_is_utf8(root, settings):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root / "src")} | settings
    command = [sys.executable, "-m", "pimvae.cli", "schemes", "poe"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, check=True)
    assert "∏_{s∈S}" in done.stdout.decode("utf-8")
