"""What is said of aggregators and bounds comes from their docstrings and from the experiments that use them."""

import re

import pytest

from pimvae.cli import main
from pimvae.config.catalogue import read_experiments
from pimvae.errors import UserError
from pimvae.registry import names
from pimvae.report import schemes


def test_every_scheme_is_listed_once():
    found = [(scheme.kind, scheme.name) for scheme in schemes.schemes()]
    assert found == [(kind, name) for kind in ("aggregators", "objectives") for name in names(kind)]
    assert len({*found}) == len(found)


@pytest.mark.parametrize("scheme", schemes.schemes(), ids=lambda scheme: scheme.name)
def test_a_scheme_has_an_equation_and_a_reference(scheme):
    assert len(scheme.equation) > 40
    assert re.search(r"\b(19|20)\d\d\b", scheme.references)
    assert "Args:" not in scheme.text and "References:" not in scheme.text


def test_experiments_are_those_whose_grids_name_the_scheme():
    grids = [grid for content in read_experiments().values() for grid in content["grids"]]
    used = {name for grid in grids for name in grid["aggregators"]}
    assert {scheme.name for scheme in schemes.schemes() if scheme.kind == "aggregators" and scheme.experiments} == used
    assert "linear" in schemes.describe("aggregators", "poe").experiments
    assert "images" not in schemes.describe("aggregators", "poe_published").experiments


def test_a_short_equation_comes_with_the_definition_of_its_terms():
    made = schemes.Scheme("x", "objectives", "X", "f + g.\n\nf = 1,\ng = 2.\n\nMore.", "", ())
    assert made.equation == "f + g. f = 1, g = 2."
    longer = schemes.Scheme("x", "objectives", "X", f"{'f + ' * 20}g.\n\nMore.", "", ())
    assert longer.equation == f"{'f + ' * 20}g."


def test_named_schemes_are_shown_whole(capsys):
    assert main(["schemes", "masked"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("masked  (") and "With exact posteriors" in out and "\n    used in: " in out


def test_the_table_has_as_many_columns_in_every_row():
    rows = [line for line in schemes.markdown().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}


def test_an_unknown_scheme_is_a_user_error():
    with pytest.raises(UserError, match="did you mean 'poe'"):
        schemes.listing(["pooe"])
