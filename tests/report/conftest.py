"""One set of made-up results for all tests of the report."""

from pathlib import Path

import pytest
from report.synthetic import write_cells

from pimvae.report import collect
from pimvae.report.files import Results

FAILED = ("sparse", "moe", "mixture", 1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Collected results with one diverged replica."""
    root = tmp_path_factory.mktemp("results")
    collect.run(write_cells(root, diverged=FAILED), root)
    return root


@pytest.fixture(scope="session")
def results(folder: Path) -> Results:
    return Results.load(folder)
