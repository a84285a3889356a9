"""The data stage: draw a data set for every seed, write the files and their manifest."""

__all__ = ["check_drawn", "checksums", "data_file", "run", "sizes_of"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pimvae import chain, registry
from pimvae.config.schema import DataConfig
from pimvae.data.dataset import GENERATOR_VERSION, Dataset, manifest_entry, save, write_manifest
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
        UserError: see `pimvae.chain.check_manifest`.
    """
    files = {seed: data_file(folder, seed) for seed in seeds}
    chain.check_manifest(folder, config.model_dump(mode="json"), seeds, GENERATOR_VERSION, files)


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
