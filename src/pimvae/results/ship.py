"""What of the results of one scale is shipped: all that tables, figures, claims and the paper are made from."""

__all__ = ["LEFT_OUT", "ship"]

import csv
import io
import json
from pathlib import Path
from typing import Any

from pimvae.archive import pack
from pimvae.errors import UserError
from pimvae.results.files import Results, cell_folder

LEFT_OUT = "weights, data sets, and of the training curves all terms but the loss"


def ship(results_dir: Path | str, out: Path | str) -> dict[str, int]:
    """Write ``results_dir`` to the shipped folder ``out``; returns the size in bytes of what each file holds.

    ``results/<scale>/beyond`` ships the further experiments with all others.

    ``metrics.csv`` and ``runs.csv`` stay plain text, so that version control shows what changed in them; ``runs.json``
    holds the record of every cell. Left out is `LEFT_OUT`.

    Raises:
        UserError: if results are missing or damaged, or ``out`` holds something else.
    """
    folder = Path(results_dir)
    results = Results.load(folder)
    cells = [cell_folder(results.folder, cell) for cell in results.runs.to_dict("records")]
    names = {cell: cell.relative_to(results.folder).as_posix() for cell in cells}
    records = {name: _record(cell / "run.json") for cell, name in names.items()}
    contents = {name: (folder / name).read_bytes() for name in ("metrics.csv", "runs.csv")}
    contents["settings.csv.gz"] = (folder / "settings.csv").read_bytes()
    contents["history.csv.gz"] = _losses(folder / "history.csv")
    contents["runs.json"] = _one_per_line(records)
    for cell, name in names.items():
        if (cell / "examples.npz").is_file():
            contents[f"{name}/examples.npz"] = (cell / "examples.npz").read_bytes()
    pack(contents, out)
    return {name: len(content) for name, content in contents.items()}


def _record(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: the results are not complete") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None


def _one_per_line(records: dict[str, Any]) -> bytes:
    """JSON with a line for each cell."""
    lines = [f"{json.dumps(name)}: {json.dumps(record, sort_keys=True)}" for name, record in sorted(records.items())]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _losses(path: Path) -> bytes:
    """The rows of the loss, text as it is."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    term = header.index("term")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *(row for row in rows if row[term] == "loss")])
    return text.getvalue().encode()
