"""Files of tensors and facts that are whole or not there, and that tell when they are not what was written."""

__all__ = ["foreign", "identity_of", "read", "write"]

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pimvae.errors import UserError
from pimvae.files import parse_json, replacing

FORMAT = "pimvae-checkpoint-3"


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], identity: str) -> None:
    """Write under a temporary name that is then replaced.

    Args:
        path: the file.
        tensors: copied from wherever they are.
        facts: what JSON can say.
        identity: what decides the content besides (configuration, checksums of data, versions), as text.
    """
    copies = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
    known = {**facts, "identity": identity, "format": FORMAT}
    header = json.dumps(known | {"content": _digest(copies, known)}, sort_keys=True)
    with replacing(path) as temporary:
        save_file(copies, temporary, {"pimvae": header})


def foreign(path: Path) -> bool:
    """Whether this is a sound file (or folder) of something else, and no damaged one of ours."""
    if path.is_dir() or zipfile.is_zipfile(path):
        return True
    try:
        with safe_open(path, framework="pt") as file:
            return "pimvae-checkpoint" not in (file.metadata() or {}).get("pimvae", "")
    except (SafetensorError, OSError):
        content = path.read_bytes()[:4096]
    return bool(content) and b"\0" not in content and content.isascii()


def identity_of(path: Path) -> str:
    """The identity that `write` was given; empty for a file that is absent or damaged. The tensors are not read."""
    try:
        with safe_open(path, framework="pt") as file:
            return str(parse_json((file.metadata() or {})["pimvae"])["identity"])
    except (SafetensorError, OSError, KeyError, ValueError, TypeError):
        return ""


def read(path: Path, identity: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts that `write` wrote.

    Raises:
        UserError: if the file is cut off, altered, or of another identity.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = parse_json((file.metadata() or {})["pimvae"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        content = facts.pop("content")
    except (SafetensorError, OSError, KeyError, ValueError, AttributeError) as error:
        raise UserError(f"checkpoint {path} is damaged: {error}") from None
    if content != _digest(tensors, facts) or facts["format"] != FORMAT:
        raise UserError(f"checkpoint {path} is damaged: its content does not match its checksum")
    if facts["identity"] != identity:
        raise UserError(f"checkpoint {path} is of another training (configuration, data, code or versions differ)")
    return tensors, facts


def _digest(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
