"""What links data, weights, metrics and collected results: checksums that each stage writes and the next one checks.

A run's record, ``run.json``, names the sha256 of the data and of the weights, and has a checksum of itself. Beside
every ``metrics.csv`` lies a seal, ``metrics.json``: sha256 of the metrics and of the record, and the number of rows.
One replica that was cut from a run has a record of the same kind, which names its origin and is no trained cell's.
"""

__all__ = ["CUT", "EARLIER", "MANIFEST", "RECORD", "STALE", "check_file", "check_metrics", "check_weights", "read",
           "read_record", "seal", "seal_file", "signed", "write_record", "write_run"]  # fmt: skip

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pimvae.errors import UserError
from pimvae.files import read_json, replacing, sha256, write_csv, write_json

RECORD, METRICS, MANIFEST = "run.json", "metrics.csv", "manifest.json"
HISTORY, EXAMPLES = "history.csv", "examples.npz"
WEIGHTS = "weights*.safetensors"
STALE = (RECORD, METRICS, "metrics.json", EXAMPLES, HISTORY, WEIGHTS)  # what a new training replaces
DIGEST = "record_sha256"  # key of run.json: checksum of all other keys
CUT = "cut_from"  # key of run.json: the run that this one replica is of; absent where a cell was trained
TRAIN = ("train the cell first", "train the cell again")  # of a record that is absent, that is damaged
EARLIER = "share="  # of the names of weights after a part of the steps, see `pimvae.training.members.at_share`


def write_run(
    folder: Path | str, weights: dict[str, Any], history: Iterable[Sequence[Any]], content: Mapping[str, Any]
) -> None:
    """Write a run in the place of an earlier one and its evaluation, run.json last: where it stands, the run is whole.

    Args:
        folder: of the run.
        weights: by name, tensors [R, *shape] on the CPU.
        history: rows (step, seed, β, term, value).
        content: of the record, see `write_record`.
    """
    from safetensors.torch import save_file  # with torch, which who reads records need not wait for

    for pattern in STALE:
        for path in Path(folder).glob(pattern):
            path.unlink(missing_ok=True)
    with replacing(Path(folder) / "weights.safetensors") as temporary:
        save_file(weights, temporary)
    write_csv(Path(folder) / HISTORY, ["step", "seed", "beta", "term", "value"], history)
    write_record(folder, content)


def write_record(folder: Path | str, content: Mapping[str, Any]) -> None:
    """Write ``run.json``: ``content``, the sha256 of weights and curves in ``folder``, and a checksum of it all."""
    history = Path(folder) / HISTORY
    curves = {"history_sha256": _sha256(history)} if history.is_file() else {}
    weights = {path.name: _sha256(path) for path in sorted(Path(folder).glob(WEIGHTS))}
    write_json(Path(folder) / RECORD, signed({**content, **curves}, weights))


def signed(content: Mapping[str, Any], weights: Mapping[str, str]) -> dict[str, Any]:
    """A record of ``content`` and of weights (file → sha256), with the checksum of it all."""
    record = json.loads(json.dumps({**content, "weights_sha256": weights}))
    return record | {DIGEST: _digest(record)}


def read_record(folder: Path | str, cut: bool = False) -> dict[str, Any]:
    """What `write_record` wrote.

    Args:
        folder: of the run.
        cut: whether the record of one replica that was cut from a run will do.

    Raises:
        UserError: if there is no ``run.json``, it is not as it was written, or it is of a cut replica.
    """
    path = Path(folder) / RECORD
    record = read(path, *TRAIN)
    if not {"cell", "replicas"} <= record.keys():
        raise UserError(f"{path} is not the record of a run of this version, train the cell again")
    if record.get(DIGEST) != _digest(record):
        raise UserError(f"{path} is not what the training wrote (its checksum differs): train the cell again")
    if CUT in record and not cut:
        raise UserError(f"{path} is of one replica that was cut from a run, to be loaded: it is no trained cell")
    return record


def check_weights(folder: Path | str, record: Mapping[str, Any]) -> None:
    """Refuse weights that are not those of the training.

    Raises:
        UserError: if a file of weights is missing, or its sha256 is not the one in the run's record.
    """
    for name, digest in record.get("weights_sha256", {}).items():
        path = Path(folder) / name
        if not path.is_file():
            raise UserError(f"weights {path} are missing, train the cell again")
        if _sha256(path) != digest:
            raise UserError(f"weights {path} are not what the training wrote (sha256 differs): train the cell again")


def check_file(path: Path, digest: object, again: str) -> None:
    """Refuse a file that is not as it was written; ``digest`` is its sha256 then, None where nobody noted it.

    Raises:
        UserError: that ends with what to do, ``again``.
    """
    if digest is not None and _sha256(path) != digest:
        raise UserError(f"{path} is not as it was written (its sha256 differs): {again}")


def read(path: Path, absent: str, damaged: str, kind: type = dict) -> Any:
    """The JSON of a file, a mapping or a list.

    Args:
        path: of the file.
        absent: what to do where it does not exist.
        damaged: what to do where it is not what it should be.
        kind: dict or list.

    Raises:
        UserError: that says so.
    """
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: {absent}") from None
    except (ValueError, RecursionError) as error:  # no JSON, bytes that are no text, or brackets without end
        raise UserError(f"{path} is damaged, {damaged}: {error}") from None
    if not isinstance(content, kind):
        raise UserError(f"{path} is damaged, {damaged}: it holds no {'list' if kind is list else 'mapping'}")
    return content


def seal(folder: Path | str, evaluation: Mapping[str, Any] | None = None) -> None:
    """Write ``metrics.json`` beside the ``metrics.csv`` of a run: the last file that an evaluation writes.

    Args:
        folder: of the run.
        evaluation: the settings of this evaluation, which may be others than those that the training recorded.

    Raises:
        UserError: if ``run.json`` is absent or damaged.
    """
    record = Path(folder) / RECORD
    facts = {"run_sha256": _sha256(record), "evaluation": dict(evaluation or {})}
    if (Path(folder) / EXAMPLES).is_file():
        facts["examples_sha256"] = _sha256(Path(folder) / EXAMPLES)
    facts["weights_sha256"] = read(record, *TRAIN).get("weights_sha256", {})
    seal_file(Path(folder) / METRICS, **facts)


def seal_file(path: Path, **facts: object) -> None:
    """Write the seal of a table: its sha256, its number of rows, and ``facts``."""
    write_json(path.with_suffix(".json"), {"sha256": _sha256(path), "rows": _rows(path), **facts})


def check_metrics(path: Path, record: Path | None = None) -> dict[str, Any]:
    """The seal of a table that is as the evaluation wrote it, computed from the run that lies beside it.

    Args:
        path: the table. One without a seal is refused if it is a run's.
        record: ``run.json`` of the run; None for tables of no run, such as those of true models.

    Raises:
        UserError: if the seal is missing or damaged, or names another table or another record.
    """
    place, again = path.with_suffix(".json"), "evaluate the cell again" if record else "make it again"
    if record is None and not place.is_file():
        return {}
    content = read(place, again, again)
    if content.get("sha256") != _sha256(path):
        counts = f"{_rows(path)} rows, {content.get('rows')} were written"
        raise UserError(f"{path} is not what the evaluation wrote ({counts}): {again}")
    if record is not None and content.get("run_sha256") != _sha256(record):
        raise UserError(f"{path} was computed from another training than that of {record}: {again}")
    return content


def _rows(path: Path) -> int:
    """Lines below the header."""
    with path.open("rb") as file:
        return max(0, sum(1 for _ in file) - 1)


def _digest(record: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in record.items() if key != DIGEST}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    try:
        return sha256(path)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: the cell has not been run") from None
