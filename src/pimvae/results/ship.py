"""What of the results of one scale is shipped: all that tables, figures, claims and the paper are made from."""

__all__ = ["LEFT_OUT", "Shipment", "ship"]

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pimvae import archive
from pimvae.archive import PACKED
from pimvae.errors import UserError
from pimvae.files import parse_json, read_json
from pimvae.results.collected import check_collected
from pimvae.results.files import CELL, Results, cell_folder
from pimvae.results.jobs import JOBS, REPORT, read_jobs
from pimvae.results.weights import shipped_weights, weights_in

LEFT_OUT = "other weights, data sets, and of the training curves all terms but the loss"
SETTINGS, RECORDS = "settings.csv.gz", "runs.json.gz"
TABLES = ("metrics.csv.gz", "runs.csv", SETTINGS, "history.csv.gz")
RULES = "claims"  # start of the keys in settings that stand once for all cells that were trained under the same rules


class Shipment(NamedTuple):
    """What was shipped: bytes by file, before any is compressed; experiments of this run and of before; weights.

    An experiment with cells of both is among both.
    """

    files: dict[str, int]
    fresh: list[str]
    kept: list[str]
    weights: list[str]


def ship(
    results_dir: Path | str,
    out: Path | str,
    keep: bool = True,
    weights: Mapping[str, int | None] | None = None,
    add: bool = False,
) -> Shipment:
    """Write ``results_dir`` to the shipped folder ``out``.

    ``results/<scale>/beyond`` ships the further experiments with all others. Long runs are shipped experiment by
    experiment: those that lie in ``out`` already and are not among the results stay as they are. With ``add``, so do
    single cells: an experiment that takes days is shipped by the cells that are done.

    ``runs.csv`` stays plain text, so that version control shows what changed in it; ``runs.json.gz`` holds the record
    of every cell, ``jobs.csv.gz`` the times of the jobs. Left out is `LEFT_OUT`.

    Args:
        results_dir: what was collected.
        out: folder to write; its name is the scale.
        keep: whether shipped experiments that the results lack, and the choice of weights, are kept.
        weights: cells, ``<experiment>/<cell>``, of which one replica's weights are shipped, with its seed or None for
            the first; see `pimvae.results.weights`.
        add: whether shipped cells of the same experiments, and references of their data, are kept if the results lack
            them.

    Raises:
        UserError: if results are missing, damaged or not what was collected, ``out`` holds something else, or cells are
            to be added to cells that were trained on other data.
    """
    folder = Path(results_dir)
    check_collected(folder)
    results = Results.load(folder)
    fresh = sorted(set(results.runs["experiment"]))
    archive.recover(Path(out))
    contents = _contents(folder, results)
    before = archive.contents(out) if keep and (Path(out) / archive.MANIFEST).is_file() else {}
    cells = set(_cells(_table(contents[TABLES[0]]))) if add else set()
    former = _former(before, lambda cell: cell in cells if add else _experiment(cell) in fresh)
    _check_data(parse_json(contents[RECORDS]), parse_json(former.get(RECORDS, b"{}")))
    kept = sorted({_experiment(cell) for cell in parse_json(former.get(RECORDS, b"{}"))})
    for name, content in former.items():
        contents[name] = _joined(name, contents[name], content) if name in contents else content
    contents[JOBS + PACKED] = _text(_jobs(read_jobs(results.folder), before, kept))
    contents |= shipped_weights(results.folder, parse_json(contents[RECORDS]), before, weights or {})
    archive.pack(contents, out)
    return Shipment({name: len(content) for name, content in contents.items()}, fresh, kept, weights_in(contents))


def _contents(folder: Path, results: Results) -> dict[str, bytes]:
    """The files of one run; those in ``.gz`` not compressed yet."""
    cells = [cell_folder(results.folder, cell) for cell in results.runs.to_dict("records")]
    names = {cell: cell.relative_to(results.folder).as_posix() for cell in cells}
    contents = {name: (folder / name.removesuffix(PACKED)).read_bytes() for name in TABLES}
    curves = _table(contents["history.csv.gz"])
    contents["history.csv.gz"] = _text(curves[curves["term"] == "loss"])
    contents[RECORDS] = _one_per_line({name: _record(cell / "run.json") for cell, name in names.items()})
    for cell, name in names.items():
        if (cell / "examples.npz").is_file():
            contents[f"{name}/examples.npz"] = (cell / "examples.npz").read_bytes()
    return contents


def _former(files: Mapping[str, bytes], replaced: Callable[[str], bool]) -> dict[str, bytes]:
    """What shipped files hold of other cells than those that are replaced; nothing where they hold none."""
    every = parse_json(files[RECORDS.removesuffix(PACKED)]) if files else {}
    records = {name: record for name, record in every.items() if not replaced(name)}
    if not records:
        return {}
    contents = {}
    for name in TABLES:
        table = _table(files[name.removesuffix(PACKED)])
        gone = _cells(table).map(replaced)
        contents[name] = _text(pd.concat([table[~gone], _rules_of(table, gone)]) if name == SETTINGS else table[~gone])
    examples = {name: files[name] for name in files if name.endswith(".npz") and not replaced(name.rpartition("/")[0])}
    return contents | {RECORDS: _one_per_line(records)} | examples


def _rules_of(table: pd.DataFrame, gone: pd.Series) -> pd.DataFrame:
    """The rules under which cells were trained that stay, where they stood with a cell that does not, once for all."""
    rules = table[gone & table["key"].str.startswith(RULES)]
    heirs = table[~gone].drop_duplicates("experiment").set_index("experiment")[CELL[1:]]
    rules = rules[rules["experiment"].isin(heirs.index)]
    return rules.drop(columns=CELL[1:]).join(heirs, on="experiment")[table.columns]


def _jobs(fresh: pd.DataFrame, before: Mapping[str, bytes], kept: list[str]) -> pd.DataFrame:
    """The times of this run's jobs, and of the other jobs of experiments and reports that were shipped before."""
    if JOBS not in before:
        return fresh
    former = pd.read_csv(io.BytesIO(before[JOBS]))
    stays = former["part"].isin([*kept, REPORT]) & ~former["job"].isin(fresh["job"])
    return pd.concat([fresh, former[stays]]).sort_values("part", key=lambda part: part == REPORT, kind="stable")


def _cells(table: pd.DataFrame) -> pd.Series:
    """The cell of every row, as records name them; references of a data set have a name of their own."""
    prior = table["prior"].map(lambda name: "" if name == "standard" else f"-{name}_prior")
    return table["experiment"] + "/" + table["dataset"] + "-" + table["aggregator"] + "-" + table["objective"] + prior


def _check_data(fresh: Mapping[str, Any], former: Mapping[str, Any]) -> None:
    """Refuse cells beside others of their data set that were trained on other data."""
    known = {}
    for name, record in [*former.items(), *fresh.items()]:
        for seed, digest in record["data_sha256"].items():
            place = (_experiment(name), record["cell"]["dataset"], seed)
            other, found = known.setdefault(place, (name, digest))
            if found != digest:
                raise UserError(f"{name} and {other}, which is shipped, were trained on other data (seed {seed}): "
                                "ship all cells of one data set again")  # fmt: skip


def _experiment(name: str) -> str:
    return name.partition("/")[0]


def _joined(name: str, fresh: bytes, former: bytes) -> bytes:
    """Both runs' rows of a table, or records."""
    if name == RECORDS:
        return _one_per_line(parse_json(former) | parse_json(fresh))
    rows, others = _table(fresh), _table(former)
    if sorted(rows) != sorted(others):
        raise UserError(f"{name.removesuffix(PACKED)} of the shipped experiments has other columns: ship all again")
    return _text(pd.concat([others[rows.columns], rows]))


def _table(content: bytes) -> pd.DataFrame:
    """Every entry as the text that it is."""
    return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)


def _text(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


def _record(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: the results are not complete") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None


def _one_per_line(records: dict[str, Any]) -> bytes:
    """JSON with a line for each cell."""
    lines = [f"{json.dumps(name)}: {json.dumps(record, sort_keys=True)}" for name, record in sorted(records.items())]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
