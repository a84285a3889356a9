"""Tables of the paper: those that the page ``report/tables.yaml`` states, and one file per table that is none of these.

In a file, the first name in its ``__all__`` is the function, results (or verdicts) → `pimvae.report.table.Table`; the
file's name is the table's name.
"""

__all__ = ["stated"]

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any


def stated(entry: Mapping[str, Any]) -> Callable[..., Any]:
    """The function that makes the table of an entry of the page from results.

    Raises:
        pydantic.ValidationError: if the page says what no table has.
    """
    from pimvae.report.tables._grid import Grid, grid_table

    return partial(grid_table, Grid.model_validate(entry))
