"""Modalities from tables (CSV, TSV, parquet), one per modality, joined by a column of ids."""

__all__ = ["join_frames", "numeric_or_labels", "read_tables"]

import csv
import io
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pimvae.data.raw import Raw, all_real
from pimvae.data.readers._collection import Collection
from pimvae.errors import UserError

PARQUET = ".parquet"
LABELS = " is text beside other columns: a column of labels is a table of its own"
WORDS = ("NA", "NaN", "nan", "N/A", "null")  # a missing number in CSV and TSV; among labels they are labels
TRUTHS = ("False", "True")  # as pandas writes truth values


def read_tables(paths: Sequence[Path], ids: str | None = None) -> Collection:
    """One modality per table, named after its file; an outer join: ids that a table lacks are missing modalities there.

    Text stays text: ``001`` is no number, neither as an id nor as a label. A row without any value is a missing
    modality, too. Missing are empty cells, and in text files the `WORDS` of a column that holds numbers otherwise.

    Args:
        paths: the files.
        ids: the column that joins them; default: the only column that all tables have.

    Raises:
        UserError: if a file cannot be read, the column is not there, an id is empty or occurs twice, two files have
            one name, or a table has no id in common with any other.
    """
    frames: dict[str, pd.DataFrame] = {}
    for path in paths:
        if path.stem in frames:
            raise UserError(f"two tables are called '{path.stem}': a modality has the name of its file")
        frames[path.stem] = _read(path)
    column = _common(frames) if ids is None else ids
    for path, (name, frame) in zip(paths, frames.items(), strict=True):
        if column not in frame:
            raise UserError(f"{path} has no column '{column}' (it has: {', '.join(map(str, frame.columns[:10]))})")
        if frame[column].isna().any():
            raise UserError(f"{path}: row {int(frame[column].isna().argmax()) + 1} has no '{column}'")
        frame = frame.set_index(frame[column].astype(str)).drop(columns=column)
        frames[name] = frame if path.suffix.lower() == PARQUET else frame.apply(_without_words)
    found = join_frames(frames, ", ".join(map(str, paths)))
    for name, frame in frames.items():
        others = [other for key, other in frames.items() if key != name]
        if others and not any(frame.index.isin(other.index).any() for other in others):
            raise UserError(f"{found.source}: no other table has an id of '{name}' (column '{column}': "
                            f"'{frame.index[0]}' … '{frame.index[-1]}')")  # fmt: skip
    return found


def join_frames(frames: Mapping[str, pd.DataFrame], source: str) -> Collection:
    """An outer join of tables by their index, in the order in which ids are first met.

    Raises:
        UserError: if a table has no columns or rows, or an id or the name of a column occurs twice in it.
    """
    for name, frame in frames.items():
        if not len(frame.columns):
            raise UserError(f"{source}: '{name}' has no columns")
        _check_header(f"{source}: '{name}'", frame.columns)
        twice = frame.index[frame.index.duplicated()]
        if len(twice):
            raise UserError(f"{source}: the id '{twice[0]}' occurs twice in '{name}'")
    ids = list(dict.fromkeys(key for frame in frames.values() for key in frame.index))
    raws = []
    for name, frame in frames.items():
        given = pd.Index(ids).isin(frame.index)
        whole = frame.reindex(ids)
        values = numeric_or_labels(str(name), frame, whole, given)
        given = given & ~whole.isna().all(axis=1).to_numpy()
        raws.append(Raw(str(name), values, tuple(map(str, frame.columns)), given))
    return Collection(tuple(raws), tuple(map(str, ids)), source)


def numeric_or_labels(name: str, table: pd.DataFrame, frame: pd.DataFrame, given: np.ndarray) -> np.ndarray:
    """The values of a table as one array: integers, floats, truth values, or labels of its only column.

    Args:
        name: of the table.
        table: its rows as they came.
        frame: the same in the order of all samples.
        given: bool [n], which samples it has.

    Raises:
        UserError: if some of several columns are text; the message names what is no number, by its row.
    """
    columns = [_converted(frame[column]) for column in frame]
    if len(columns) > 1:
        columns = [_truths(column) for column in columns]
    numeric = [column.dtype.kind in "fiub" for column in columns]
    if all(numeric):
        values = np.stack([column.to_numpy() for column in columns], axis=1)
        missing = ~(given & frame.notna().all(axis=1).to_numpy())
        whole = all(_is_integer(frame[column]) for column in frame) and values.dtype.kind in "fi"
        if not whole:
            return values
        partly = given & frame.notna().any(axis=1).to_numpy() & missing
        if partly.any():
            return values  # told later, with the sample
        return np.where(missing[:, None], -1, np.nan_to_num(values, nan=-1)).astype(np.int64)
    if len(columns) == 1:
        return frame.iloc[:, 0].astype(object).where(frame.iloc[:, 0].notna(), None).to_numpy(dtype=object)
    text = frame.columns[numeric.index(False)]
    raise UserError(f"column '{text}' of '{name}'{_no_numbers(table[text])}")


def _no_numbers(column: pd.Series) -> str:
    """Why a column that stands beside others is none of numbers: commas in them, a slip in a few rows, or labels."""
    known = column.dropna()
    known = known[~known.isin(WORDS)] if not known.isin(WORDS).all() else known
    if not all(isinstance(value, str) for value in known):
        return LABELS
    commas = known.str.contains(",", regex=False)
    if commas.any() and pd.to_numeric(known.str.replace(",", ".", regex=False), errors="coerce").notna().all():
        return " has a comma as decimal mark: write its numbers with a point"
    odd = known[(pd.to_numeric(known, errors="coerce").isna() | known.map(_inexact)).to_numpy()]
    if 2 * len(odd) >= len(known):
        return LABELS
    row = int((column.index == odd.index[0]).argmax()) + 1
    more = f", and {len(odd) - 1} more do" if len(odd) > 2 else ", and one more does" if len(odd) == 2 else ""
    return f": row {row} (id '{odd.index[0]}') holds '{odd.iloc[0]:.40}', no number{more}"


def _without_words(column: pd.Series) -> pd.Series:
    """Text with `WORDS` missing if all the rest are numbers; labels as they are."""
    words = column.isin(WORDS)
    rest = column[~words].dropna()
    return column.mask(words) if words.any() and len(rest) and _converted(rest).dtype.kind == "f" else column


def _converted(column: pd.Series) -> pd.Series:
    """Text, or objects, that are numbers in every row as numbers; others as they are."""
    if column.dtype.kind in "fiub" and not isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(np.float64) if pd.api.types.is_extension_array_dtype(column.dtype) else column
    known = column.dropna()
    if len(known) == 0:
        return column.astype(np.float64)
    if isinstance(column.dtype, pd.CategoricalDtype) or any(_inexact(str(value)) for value in known):
        return column.astype(object)
    if all_real(known):  # pandas keeps numbers beside None as objects
        return known.astype(np.float64).reindex(column.index)
    if not all(isinstance(value, str) for value in known):
        return column.astype(object)
    converted = pd.to_numeric(known, errors="coerce")
    return column.astype(object) if converted.isna().any() else converted.astype(np.float64).reindex(column.index)


def _truths(column: pd.Series) -> pd.Series:
    """Columns of True and False, as pandas writes them, as 1 and 0; others as they are."""
    known = column.dropna()
    if column.dtype != object or not len(known) or not known.map(str).isin(TRUTHS).all():
        return column
    return (column.map(str) == TRUTHS[1]).astype(np.float64).where(column.notna())


def _inexact(text: str) -> bool:
    """Whether text is digits of which a float would lose some: leading zeros, or more than 15."""
    digits = text.lstrip("+-")
    return digits.isdigit() and (len(digits) > 15 or (len(text) > 1 and text[0] == "0"))


def _is_integer(column: pd.Series) -> bool:
    """Whether integers were written, not floats that happen to be whole."""
    known = column.dropna()
    if known.dtype.kind in "iu":
        return True
    if column.dtype.kind == "f":
        return False
    return len(known) > 0 and all(str(value) in TRUTHS or str(value).lstrip("+-").isdigit() for value in known)


def _common(frames: Mapping[str, pd.DataFrame]) -> str:
    common = [column for column in next(iter(frames.values())) if all(column in frame for frame in frames.values())]
    if len(frames) > 1 and len(common) == 1:
        return str(common[0])
    if "id" in common:
        return "id"
    names = f"they share: {', '.join(map(str, common))}" if common else "they share none"
    raise UserError(f"which column has the ids that join the tables? {names}; say --id COLUMN (in Python: ids=)")


def _check_header(place: object, header: Iterable[object]) -> None:
    """Refuse two columns of one name: pandas would call the second one otherwise, and it would be a further number."""
    twice = [column for column, count in Counter(map(str, header)).items() if count > 1]
    if twice:
        raise UserError(f"{place} has the column '{twice[0]}' twice: rename one of them")


def _check_separator(path: Path, header: Sequence[str], separator: str) -> None:
    """Refuse a header of one column that reads as several: programs of some languages write semicolons."""
    found = [mark for mark in ",;\t|" if mark != separator and len(header) == 1 and mark in header[0]]
    if found:
        fault = f"has one column, {header[0]!r}: its values are separated by {found[0]!r}, not by {separator!r}"
        raise UserError(f"{path} {fault}: write it with commas, or as .tsv with tabs")


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() == PARQUET:
            frame = pd.read_parquet(path)
            _check_header(path, frame.columns)
            return frame
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        text = path.read_text(encoding="utf-8-sig")
        if "\0" in text:
            raise UserError(f"{path} is not a table: it holds bytes that are no text")
        header = next(csv.reader(text.splitlines(), delimiter=separator), [])
        _check_header(path, header)
        _check_separator(path, header, separator)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            frame = pd.read_csv(
                io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, na_values=[""], index_col=False
            )
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except ImportError:
        raise UserError(f"{path}: reading parquet needs the package pyarrow: pip install pyarrow") from None
    except pd.errors.ParserWarning:
        raise UserError(f"{path} has a row with more fields than its first line") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8: save it as UTF-8 (spreadsheets call it 'CSV UTF-8')") from None
    except (OSError, ValueError, csv.Error) as error:  # pandas' errors of parsing are ValueErrors
        raise UserError(f"{path} is not a table: {' '.join(str(error).split())}") from None
    if not len(frame):
        raise UserError(f"{path} has no rows")
    return frame
