"""Shapes and types in annotations are checked while tests run, and only then."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests are small; parallel test processes share the cores

import jaxtyping

jaxtyping.install_import_hook("pimvae", "typechecker.check")

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parents[1]
