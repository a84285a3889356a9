"""One set of made-up results for all tests of the report."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from report import beyond, identifiable, images
from report.simple import write_simple
from report.synthetic import write_cells

from pimvae.claims.evaluate import evaluate
from pimvae.claims.verdict import Judgement
from pimvae.report import comparison, job
from pimvae.results import collect
from pimvae.results.files import Results

FAILED = ("sparse", "moe", "mixture", 1)


@pytest.fixture(scope="session", autouse=True)
def judged_once() -> Iterator[None]:
    """Equal results are judged once by equal claims: that takes seconds, and most tests of the report begin with it."""
    found: dict[tuple[object, ...], list[Judgement]] = {}

    def once(metrics, claims, *more):
        key = *(frame if frame is None else digest(frame) for frame in (metrics, *more)), repr(claims)
        if key not in found:
            found[key] = evaluate(metrics, claims, *more)
        return list(found[key])

    def digest(frame):
        return *frame.columns, *pd.util.hash_pandas_object(frame)

    with pytest.MonkeyPatch.context() as patch:
        for module in (job, comparison):
            patch.setattr(module, "evaluate", once)
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Collected results with one diverged replica."""
    root = tmp_path_factory.mktemp("results")
    cells, ceilings = identifiable.write_cells(root)
    others, other_ceilings = beyond.write_cells(root)
    pictures, classifiers = images.write_cells(root)
    references = [*ceilings, *other_ceilings, *classifiers, write_simple(root / "simple.csv")]
    collect.run([*write_cells(root, diverged=FAILED), *cells, *others, *pictures], root, references)
    return root


@pytest.fixture(scope="session")
def results(folder: Path) -> Results:
    return Results.load(folder)


@pytest.fixture(scope="session")
def written(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every table as LaTeX, made once; not to be changed."""
    place = tmp_path_factory.mktemp("tables")
    job.tables(folder, place / "tex", scale="laptop", pages=place / "pages")
    return place / "tex"


@pytest.fixture(scope="session")
def pages(written: Path) -> list[Path]:
    """The web page of every table."""
    return sorted((written.parent / "pages").iterdir())


@pytest.fixture(autouse=True)
def no_figure_is_left_open() -> Iterator[None]:
    yield
    plt.close("all")
