"""The examples of docs/api.md run, in their order, and what the page and the package promise of themselves holds."""

import re
import subprocess
import sys

import numpy as np
import pytest

import pimvae


def test_the_examples_run(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (root / "docs" / "api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "api.md", "exec"), names)
    assert "group  categorical 2 classes: control, treated" in capsys.readouterr().out
    values, deviations = names["filled"]
    assert (deviations[:40] > 0).all() and np.isfinite(values).all()
    assert names["scan"].mean.shape == (60, 3) and names["latents"].mean.shape[0] == 60


def test_the_package_alone_loads_nothing_heavy():
    code = "import sys, pimvae; print([n for n in ('torch', 'numpy', 'pandas', 'pydantic') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", pimvae.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert name in dir(pimvae) and getattr(pimvae, name) is not None
    if name != "__version__":
        assert getattr(pimvae, name).__doc__


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'VAE'"):
        _ = pimvae.VAE
