"""What a checkpoint must agree with for a training to go on from it to the same bits."""

__all__ = ["identity_of", "saved_width"]

import json
from pathlib import Path

import torch

from pimvae.config.schema import Cell
from pimvae.training import snapshot
from pimvae.training.device import decisive


def identity_of(cell: Cell, digests: dict[str, str], device: torch.device, width: int, code: str) -> str:
    """Configuration, checksums of the data, device, replicas in a stack, and the checksum of the sources, as text."""
    settings = cell.model_dump(mode="json", exclude={"evaluation"})
    return json.dumps([settings, digests, decisive(device), width, code], sort_keys=True)


def saved_width(
    path: Path | str | None, replicas: int, cell: Cell, digests: dict[str, str], device: torch.device, code: str
) -> int | None:
    """The width of the stacks that a checkpoint of this very training is of: other memory may be free by now."""
    # One file, or the first of several stacks, see `Checkpoint.part`.
    for file, part, widths in ((path, "", [replicas]), (f"{path}.0", " 0", range(replicas - 1, 0, -1))):
        found = snapshot.identity_of(Path(file)) if path is not None else ""
        for width in widths if found else ():
            if found == identity_of(cell, digests, device, width, code) + part:
                return width
    return None
