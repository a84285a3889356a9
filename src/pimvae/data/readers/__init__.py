"""Readers of people's own data: every format becomes a `Collection`, modalities by name with the ids of the samples."""

__all__ = ["ANNDATA", "TABLES", "Collection", "check_there", "read", "read_memory"]

from collections.abc import Sequence
from pathlib import Path

from pimvae import arguments
from pimvae.data.readers._collection import Collection
from pimvae.data.readers.anndata import read_units
from pimvae.data.readers.memory import read_memory
from pimvae.data.readers.npz import read_npz
from pimvae.errors import UserError

ARCHIVE, ANNDATA, TABLES = ".npz", ".h5ad", (".csv", ".tsv", ".parquet")
UNITS = (ANNDATA, ".h5mu")


def read(
    paths: Sequence[Path | str] | Path | str, ids: str | None = None, places: Sequence[str] | str = ()
) -> Collection:
    """Own data from files.

    Args:
        paths: one .npz, .h5ad or .h5mu file; or tables (.csv, .tsv, .parquet), one per modality, or a folder of them.
            A single one needs no list.
        ids: tables: the column that joins them; default: the only one that all of them have.
        places: .h5ad: where the modalities are: ``name=X``, ``name=obsm:key``, ``name=layers:key``,
            ``name=obs:column``.

    Raises:
        UserError: if no file is named, or one is missing, damaged, of an unknown format, breaks a rule of its format,
            or has no use for ``ids`` or ``places``.
    """
    found = [arguments.path("a path", path) for path in arguments.several("paths", paths, "paths")]
    places = [arguments.text("a place", place) for place in arguments.several("places", places, "texts")]
    if ids is not None:
        arguments.text("ids", ids)
    if not found:
        raise UserError("no file is named: name a file with own data, or a folder of tables")
    check_there(found)
    if len(found) == 1 and found[0].is_dir():
        folder = found[0]
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in TABLES)
        if not found:
            raise UserError(f"{folder} has no tables ({', '.join(TABLES)})")
    _check_formats(found)
    suffix = found[0].suffix.lower()
    if ids is not None and suffix not in TABLES:
        raise UserError(f"{found[0]} is no table, whose samples a column could name: leave out --id (in Python: ids=)")
    if places and suffix != ANNDATA:
        raise UserError(f"{found[0]} names its modalities itself: --modality (in Python: places=) is for .h5ad files")
    if suffix == ARCHIVE:
        return read_npz(found[0])
    if suffix in UNITS:
        return read_units(found[0], places)
    from pimvae.data.readers.table import read_tables  # takes pandas, which takes its time

    return read_tables(found, ids)


def check_there(paths: Sequence[Path | str]) -> None:
    """Refuse files and folders that do not exist.

    Raises:
        UserError: for the first one.
    """
    for path in paths:
        if not Path(path).exists():
            raise UserError(f"{path} does not exist: name a file with own data, or a folder of tables")


def _check_formats(found: Sequence[Path]) -> None:
    """Refuse unknown formats, and beside other files a folder or a format that holds all modalities."""
    for path in found:
        suffix = path.suffix.lower()
        alone = "a folder" if path.is_dir() else f"a {suffix} file" if suffix in (ARCHIVE, *UNITS) else ""
        if alone and len(found) > 1:
            raise UserError(f"{path} is {alone}, which has to stand alone: only tables are named one by one")
        if not alone and suffix not in TABLES:
            raise UserError(f"{path}: unknown format '{suffix}' (known: {', '.join([ARCHIVE, *TABLES, *UNITS])})")
