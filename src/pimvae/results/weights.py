"""Weights that are shipped: of a few cells one replica after all steps, cut from the stack of all."""

__all__ = ["FOLDER", "LIMIT", "cut", "shipped_weights", "weights_in"]

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pimvae.chain import CUT, DIGEST, EARLIER, RECORD, check_weights, read_record, signed
from pimvae.data.dataset import load
from pimvae.data.job import data_file, sizes_of
from pimvae.errors import UserError, did_you_mean
from pimvae.files import parse_json

FOLDER = "weights"  # below a shipped folder; there, <experiment>/<cell> as in results/<scale>
WEIGHTS = "weights.safetensors"
LIMIT = 4_000_000  # bytes of all weights of a shipped folder
Files = dict[str, bytes]


def cut(folder: Path, seed: int | None = None) -> Files:
    """``weights.safetensors`` and ``run.json`` of one replica of the cell in ``folder``, as `pimvae.load` reads them.

    The replica is that of the seed (default: the first) with β = 1, where there is one, else with the first β. Its
    record is the run's, of this replica alone; the entry ``cut_from`` holds the sha256 of the run's weights and of its
    record, the place in the stack, and the sizes from which the model is built, so that no data are needed.

    Raises:
        UserError: if the run is not as the training wrote it, its data are missing, or there is no such replica or it
            diverged.
    """
    record = read_record(folder)
    check_weights(folder, record)
    cell, members = record["cell"], record["replicas"]
    seed = cell["seeds"][0] if seed is None else seed
    places = [place for place, member in enumerate(members) if member["seed"] == seed]
    if not places:
        raise UserError(f"{folder} has no seed {seed} (known: {', '.join(map(str, cell['seeds']))})")
    place = next((place for place in places if members[place]["beta"] == 1), places[0])
    member = members[place]
    if member["diverged"]:
        raise UserError(f"seed {seed} of {folder} diverged: name another one")
    weights = save(_tensors(folder / WEIGHTS, place))
    data = data_file(folder.parent / "data" / cell["dataset"], seed)
    origin = {"weights_sha256": record["weights_sha256"][WEIGHTS], DIGEST: record[DIGEST], "replica": place,
              "replicas": len(members), "sizes": sizes_of(load(data))}  # fmt: skip
    objective = cell["objective"] | {"betas": [member["beta"]]}
    content = record | {"cell": cell | {"seeds": [seed], "objective": objective}, "replicas": [member], CUT: origin}
    content["data_sha256"] = {str(seed): record["data_sha256"][str(seed)]}
    alone = signed(content, {WEIGHTS: hashlib.sha256(weights).hexdigest()})
    return {WEIGHTS: weights, RECORD: (json.dumps(alone, indent=1, sort_keys=True) + "\n").encode()}


def shipped_weights(
    folder: Path, records: Mapping[str, Any], former: Mapping[str, bytes], wanted: Mapping[str, int | None]
) -> Files:
    """Files of weights by their name in the shipped folder.

    Args:
        folder: of the run, ``results/<scale>``.
        records: of all cells that are shipped, by ``<experiment>/<cell>``.
        former: files that were shipped before. Replicas among them stay as long as the records of their runs are
            shipped; where a cell was trained again, the same seed is cut from the new run, if its weights are there.
        wanted: cells and their seeds, None for the first one.

    Raises:
        UserError: see `cut`; if a cell is not among the records, or all weights are larger than `LIMIT`.
    """
    files: Files = {}
    for name in weights_in(former):
        record = parse_json(former[f"{FOLDER}/{name}/{RECORD}"])
        if records.get(name, {}).get(DIGEST) == record[CUT][DIGEST]:
            files |= {f"{FOLDER}/{name}/{file}": former[f"{FOLDER}/{name}/{file}"] for file in (WEIGHTS, RECORD)}
        elif name in records and (folder / name / WEIGHTS).is_file():
            wanted = {name: record["cell"]["seeds"][0]} | dict(wanted)
    for name, seed in wanted.items():
        if name not in records:
            raise UserError(f"no cell '{name}' in the results ({did_you_mean(name, records)})")
        files |= {f"{FOLDER}/{name}/{file}": content for file, content in cut(folder / name, seed).items()}
    size = sum(len(content) for name, content in files.items() if name.endswith(WEIGHTS))
    if size > LIMIT:
        raise UserError(f"the weights of {', '.join(weights_in(files))} are {size / 1e6:.1f} MB, more than the "
                        f"{LIMIT / 1e6:g} MB that are shipped: name fewer cells")  # fmt: skip
    return files


def weights_in(names: Iterable[str]) -> list[str]:
    """The cells, ``<experiment>/<cell>``, that have weights among the files of a shipped folder."""
    found = [name.split("/") for name in names if name.startswith(f"{FOLDER}/") and name.endswith(f"/{RECORD}")]
    return sorted("/".join(parts[1:-1]) for parts in found)


def _tensors(path: Path, place: int) -> dict[str, Any]:
    """The weights of one replica after all steps, as a stack of one."""
    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if not name.startswith(EARLIER)]  # noqa: SIM118
            return {name: file.get_slice(name)[place : place + 1] for name in names}
    except (SafetensorError, OSError, IndexError) as error:
        raise UserError(f"weights {path} are damaged, train the cell again: {error}") from None
