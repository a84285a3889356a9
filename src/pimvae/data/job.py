"""The data stage: draw a data set for every seed, write the files and their manifest."""

__all__ = ["check_drawn", "checksums", "data_file", "run", "sizes_of"]

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pimvae import chain, registry
from pimvae.config.schema import DataConfig
from pimvae.data.dataset import GENERATOR_VERSION, Dataset, save, write_atomically
from pimvae.errors import UserError
from pimvae.files import sha256


def data_file(folder: Path | str, seed: int) -> Path:
    """The file of one seed's data."""
    return Path(folder) / f"seed{seed}.safetensors"


def checksums(folder: Path | str, seeds: Sequence[int]) -> dict[str, str]:
    """The sha256 of the data file of each seed."""
    return {str(seed): sha256(data_file(folder, seed)) for seed in seeds}


def sizes_of(dataset: Dataset) -> dict[str, Any]:
    """What a model is built from beside its configuration: arguments of `pimvae.models.vae.build_model`."""
    return {"dims": list(dataset.train.dims), "max_dim": dataset.max_dim, "likelihoods": list(dataset.likelihoods),
            "noise_scale": dataset.noise_scale}  # fmt: skip


def check_drawn(config: DataConfig, folder: Path | str, seeds: Sequence[int]) -> None:
    """Hold the data files of ``seeds`` to the manifest that `run` wrote beside them, and that to ``config``.

    Raises:
        UserError: if the manifest is missing or damaged, or a file has other settings, another seed or another sha256.
    """
    path, again = Path(folder) / chain.MANIFEST, "make the data set again"
    known: dict[str, dict[str, Any]] = {}
    for entry in chain.read(path, again, again, list):
        if isinstance(entry, dict) and isinstance(entry.get("file"), str):
            known[entry["file"]] = entry
    for seed in seeds:
        file = data_file(folder, seed)
        if not file.is_file():
            raise UserError(f"data file {file} does not exist: make it first")
        entry = known.get(file.name)
        if entry is None:
            raise UserError(f"{path} does not list {file.name}: {again}")
        if any(entry.get(key) != value for key, value in _drawn_from(config, seed).items()):
            found = f"kind {_kind(entry.get('config'))}, seed {entry.get('seed')}"
            raise UserError(f"{file} was drawn with other settings than the cell's ({found}): {again}")
        if entry.get("sha256") != sha256(file):
            raise UserError(f"{file} is not the file of {path} (its sha256 differs): {again}")


def _drawn_from(config: DataConfig, seed: int) -> dict[str, Any]:
    """What decides the content of a file, as the manifest says it."""
    return {"seed": seed, "generator_version": GENERATOR_VERSION, "config": config.model_dump(mode="json")}


def _kind(config: object) -> str:
    return str(config.get("kind")) if isinstance(config, dict) else "unknown"


def run(config: DataConfig, seeds: Sequence[int], out: Path | str) -> None:
    """Draw and write the data of all seeds into ``out``, then ``manifest.json`` with checksums.

    Raises:
        UserError: if a file cannot be written or shipped data does not match its checksum.
    """
    draw = registry.lookup("data", config.kind)
    entries = []
    for seed in tqdm(seeds, desc=f"data {config.kind}", unit="seed"):
        path = data_file(out, seed)
        save(draw(config, seed), path)
        entries.append({"file": path.name, "sha256": sha256(path), **_drawn_from(config, seed)})
    text = json.dumps(entries, indent=2, sort_keys=True) + "\n"
    write_atomically(Path(out) / chain.MANIFEST, lambda temporary: temporary.write_text(text))
