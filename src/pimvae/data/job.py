"""The data stage: draw a data set for every seed, write the files and their manifest."""

__all__ = ["data_file", "run"]

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from pimvae import registry
from pimvae.config.schema import DataConfig
from pimvae.data.dataset import manifest_entry, save, write_manifest


def data_file(folder: Path | str, seed: int) -> Path:
    """The file of one seed's data."""
    return Path(folder) / f"seed{seed}.safetensors"


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
        entries.append(manifest_entry(path, seed, config.model_dump(mode="json")))
    write_manifest(Path(out) / "manifest.json", entries)
