"""Published baselines and the mixture bound without the empty set: blocks of tables, not columns of figures."""

from pathlib import Path

import pandas as pd
import pytest
from report import images as made

from pimvae import registry
from pimvae.evaluation.rows import TRUE_MODEL
from pimvae.objectives._base import as_objective
from pimvae.report.grid import in_grid
from pimvae.report.tables._grid import Grid, Measure, grid_table
from pimvae.report.tables.t13_aggregators import WITHOUT_PRIOR
from pimvae.results.files import Results

PUBLISHED = [("moe", "mmvae"), ("moe", "mmvae_looser"), ("mopoe", "mopoe"), ("poe", "mopoe_looser")]


LLH = Measure(heading="all", metric="llh")


def found(cells):
    """Results of which a table reads the metrics alone."""
    metrics = pd.concat([made.metrics_of(*cell, range(3)) for cell in cells], ignore_index=True)
    return Results(metrics, *[pd.DataFrame()] * 3, Path())


def stated(*columns: Measure) -> Grid:
    return Grid(summary="", experiment="images", datasets=("triples",), columns=columns)


@pytest.fixture
def results():
    nonempty = [("poe", "mixture_nonempty"), ("moe", "mixture_nonempty")]
    return found([("poe", "masked"), ("poe", "mixture"), *PUBLISHED, *nonempty])


def test_every_row_is_in_the_grid_or_in_one_block(results):
    metrics = results.metrics
    parts = [in_grid(metrics), in_grid(metrics, "published"), in_grid(metrics, "nonempty")]
    assert sum(map(len, parts)) == len(metrics)
    references = metrics.assign(aggregator=TRUE_MODEL)
    assert in_grid(references).empty and in_grid(references, "published").empty
    assert set(parts[0]["objective"]) == {"masked", "mixture"}
    assert set(parts[1]["objective"]) == {objective for _, objective in PUBLISHED}


def test_readme_stand_below_the_grid_in_one_group_of_columns(results):
    table = grid_table(stated(LLH, Measure(heading="M", metric="llh", subset="mnist")), results).to_latex()
    grid, _, blocks = table.partition("without the empty set")
    assert "MMVAE" not in grid and grid.count("bound}") == 2
    lines = [line for line in blocks.splitlines() if "&" in line]
    assert [line.split(" & ")[0] for line in lines] == [
        "PoE",
        "MoE",
        "MMVAE",
        "MMVAE, looser",
        "MoPoE",
        "MoPoE, looser",
    ]
    for line in lines:
        cells = [part.strip() for part in line.removesuffix(r"\\").split("&")]
        assert len(cells) == 5 and all(cells[:3]) and not any(cells[3:])


def test_tables_without_baselines_have_no_blocks():
    table = grid_table(stated(LLH), found([("poe", "masked")])).to_latex()
    assert "baselines" not in table and "empty set" not in table


def test_likelihoods_are_hidden_of_objectives_that_ignore_the_prior():
    entries = {name: as_objective(registry.lookup("objectives", name)) for name in registry.names("objectives")}
    assert [name for name, entry in entries.items() if not entry.follows_prior] == WITHOUT_PRIOR
