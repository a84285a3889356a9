"""Results as tables in memory, and atomic writing of what is made from them."""

__all__ = ["COLUMNS", "KEYS", "Results", "cell_folder", "final", "read_collected", "read_csv", "read_metrics",
           "read_settings", "write_frame", "write_text"]  # fmt: skip

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pimvae.archive import MANIFEST, verify
from pimvae.config.catalogue import catalogue
from pimvae.errors import UserError
from pimvae.files import replacing
from pimvae.limits import gunzip

KEYS = ["experiment", "dataset", "aggregator", "objective", "prior", "beta"]
COLUMNS = [*KEYS, "seed", "share", "baseline", "split", "subset", "metric", "value"]
ABSENT = {"share": 1.0, "baseline": ""}  # what these columns hold in results from before there were any
# Names, never numbers, whatever they look like: a data set '001' is another one than '1', and 'NA' is a name too.
TEXT = {*KEYS, "baseline", "split", "subset", "metric", "term", "key"} - {"beta"}
NUMBERS = {"beta", "seed", "step", "share", "value"}
BEYOND = "beyond"  # results/<scale>/beyond: of all experiments, see COLLECTIONS in workflow/rules/common.smk
COLLECT_FIRST = "collect the cells' results first"
CELL = [key for key in KEYS if key != "beta"]  # what identifies a cell: its β values share one training


@dataclass(frozen=True)
class Results:
    """The collected results of one scale.

    Attributes:
        metrics: tidy metrics of the trained cells after all of their steps, columns ``COLUMNS``.
        runs: one row per cell: times, device, sizes, counts.
        history: training curves: cell keys, step, seed, beta, term, value.
        settings: configuration and versions: cell keys, key, value (strings).
        folder: where the cells' folders lie.
        budget: the same after every share of the steps, that of all steps (1) among them.
        baselines: tidy metrics of simple models, named in the column ``baseline``.
    """

    metrics: pd.DataFrame
    runs: pd.DataFrame
    history: pd.DataFrame
    settings: pd.DataFrame
    folder: Path
    budget: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))
    baselines: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))

    @classmethod
    def load(cls, folder: Path | str) -> "Results":
        """Read ``metrics.csv``, ``runs.csv``, ``history.csv`` and ``settings.csv`` of one scale's folder.

        Shipped results are read as they lie, once they match their manifest.

        Raises:
            UserError: if a file is missing, lacks columns, or was changed after it was shipped.
        """
        folder = Path(folder)
        everything = read_collected(folder)
        simple = everything["baseline"] != ""
        budget = flag_nonfinite(everything[~simple])
        metrics = final(budget)
        catalogue().order("aggregators", metrics["aggregator"])  # fixes the looks of unlisted names
        runs = read_csv(folder / "runs.csv", CELL)
        history = read_csv(folder / "history.csv", [*CELL, "step", "seed", "beta", "term", "value"])
        settings = read_csv(folder / "settings.csv", [*CELL, "key", "value"], text=True)
        # What further experiments were collected into has a folder of its own; the cells lie beside it.
        cells = folder.parent if folder.name == BEYOND else folder
        return cls(metrics, runs, history, settings, cells, budget, everything[simple])


def cell_folder(folder: Path, cell: Mapping[str, Any]) -> Path:
    """Where the files of a cell lie below the folder of its scale; ``cell`` holds the columns ``CELL``."""
    suffix = "" if cell["prior"] == "standard" else f"-{cell['prior']}_prior"
    return folder / cell["experiment"] / f"{cell['dataset']}-{cell['aggregator']}-{cell['objective']}{suffix}"


def read_collected(folder: Path, remedy: str = COLLECT_FIRST) -> pd.DataFrame:
    """``metrics.csv`` of collected results, or of shipped ones that are as they were written.

    Raises:
        UserError: if it is missing or damaged, or a shipped file does not match its manifest.
    """
    if (folder / MANIFEST).is_file():
        verify(folder)
    return read_metrics(folder / "metrics.csv", remedy)


def read_settings(folder: Path) -> pd.DataFrame:
    """``settings.csv`` of collected or shipped results; no rows where only metrics lie.

    Raises:
        UserError: if it is damaged.
    """
    path, columns = folder / "settings.csv", [*CELL, "key", "value"]
    if not any(file.is_file() for file in (path, path.with_name(f"{path.name}.gz"))):
        return pd.DataFrame(columns=columns, dtype=str)
    return read_csv(path, columns, text=True)


def read_metrics(path: Path, remedy: str, whole: bool = False) -> pd.DataFrame:
    """A file of tidy metrics with exactly ``COLUMNS``, the columns ``ABSENT`` filled.

    Args:
        path: the file.
        remedy: what to do when it is missing.
        whole: refuse an empty value; in collected results it is one that is not a number.

    Raises:
        UserError: see `read_csv`; with ``whole``, if a value is empty.
    """
    metrics = read_csv(path, [name for name in COLUMNS if name not in ABSENT], remedy, whole=whole)
    return metrics.assign(**{name: value for name, value in ABSENT.items() if name not in metrics})[COLUMNS]


def final(metrics: pd.DataFrame) -> pd.DataFrame:
    """The rows of trained cells after all of their steps."""
    return metrics[(metrics["baseline"] == "") & (metrics["share"] == 1)].reset_index(drop=True)


def flag_nonfinite(metrics: pd.DataFrame) -> pd.DataFrame:
    """Replicas with a value that is not finite count as diverged: their metric ``diverged`` becomes 1."""
    replica = [*KEYS, "seed", "share", "baseline"]
    broken = metrics.loc[~np.isfinite(metrics["value"].astype(float)), replica].drop_duplicates()
    if broken.empty:
        return metrics
    found = metrics.merge(broken.assign(_broken=True), on=replica, how="left")["_broken"].notna().to_numpy()
    known = metrics[~(found & (metrics["metric"] == "diverged").to_numpy())]
    return pd.concat(
        [known, broken.assign(split="train", subset="all", metric="diverged", value=1.0)], ignore_index=True
    )


def read_csv(
    path: Path, columns: list[str], remedy: str = COLLECT_FIRST, text: bool = False, whole: bool = False
) -> pd.DataFrame:
    """A CSV file with at least ``columns``; ``remedy`` says what to do when it is missing.

    Raises:
        UserError: if it is missing, cut off (its last line has no end), no CSV, lacks columns, has text for a number
            or, with ``whole``, nothing for one.
    """
    try:
        content = _text(path)
        if not content.endswith("\n"):
            raise UserError(f"{path} is cut off: make it again")
        frame = _frame(content, text, whole)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: {remedy}") from None
    except ValueError as error:  # what pandas raises for broken tables, and Python for bytes that are no text
        raise UserError(f"{path} is not a valid CSV file: {str(error).strip()}") from None
    missing = [column for column in columns if column not in frame]
    if missing:
        raise UserError(f"{path} lacks the column(s) {', '.join(missing)}: it is not of this version, make it again")
    numbers = [] if text else sorted(NUMBERS.intersection(frame))
    return frame.assign(**{column: _numbers(path, frame[column]) for column in numbers})


def _frame(content: str, text: bool, whole: bool) -> pd.DataFrame:
    """A table whose columns ``TEXT``, or all, are read as they stand; in others nothing is NaN unless ``whole``."""
    if text:
        return pd.read_csv(io.StringIO(content), dtype=str, keep_default_na=False)
    header = pd.read_csv(io.StringIO(content), nrows=0).columns
    empty = ["nan", "NaN", "NA"] if whole else ["", "nan", "NaN", "NA"]
    missing = {name: [] if name in TEXT else empty for name in header}
    kinds = {name: str for name in header if name in TEXT}
    return pd.read_csv(io.StringIO(content), dtype=kinds, keep_default_na=False, na_values=missing)


def _numbers(path: Path, values: pd.Series) -> pd.Series:
    """The column as numbers, also where pandas left text: it does so for integers of more than 64 bits."""
    if values.empty or (pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)):
        return values
    numbers = pd.to_numeric(values.map(str), errors="coerce")
    wrong = values[numbers.isna() & values.notna()]
    if wrong.empty:
        return numbers
    line, found = int(wrong.index[0]) + 2, str(wrong.iloc[0]).strip()
    fault = f"is '{found}', expected a number" if found else "is empty"
    raise UserError(f"{path}, line {line}: '{values.name}' {fault}: make it again")


def _text(path: Path) -> str:
    """Content of a file, or of its compressed form where only that is there."""
    packed = path.with_name(f"{path.name}.gz")
    if packed.is_file() and not path.is_file():
        return gunzip(packed.read_bytes(), f"{packed}").decode("utf-8")
    return path.read_text(encoding="utf-8")


def write_text(path: Path, text: str) -> None:
    """Write ``text`` under a temporary name and rename it."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV (numbers in the shortest form that reads back the same)."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n")
