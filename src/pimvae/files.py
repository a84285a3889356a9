"""Atomic writing: a file is complete under its name or not there, also after a loss of power."""

__all__ = ["alive", "check_writable", "parse_json", "read_json", "read_mapping", "remove_leftovers", "replacing",
           "sha256", "write_csv", "write_json"]  # fmt: skip

import csv
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pimvae.errors import UserError


def sha256(path: str | Path) -> str:
    """Checksum of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_json(text: str | bytes) -> Any:
    """What a text that anybody may have written holds.

    Raises:
        ValueError: if it is no JSON, is nested without end, or has an integer that no float can hold.
    """
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(path: Path) -> Any:
    """What a file holds; errors as those of `parse_json`, and OSError."""
    return parse_json(path.read_text(encoding="utf-8"))


def read_mapping(path: Path) -> dict[str, Any]:
    """What a file of the program's own keeps for later; {} where it is absent, damaged or holds no mapping."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _integer(digits: str) -> int:
    if len(digits) > 300:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path``; renamed to it when the block ends well, removed when it does not.

    The file gets the permissions that the umask leaves, whatever the writer of its content gave it. It is on the disk
    before it has its name. What earlier processes left behind when they were killed is removed.

    Raises:
        OSError: if the file system refuses (no space, no permission); its filename is ``path``.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path)
        yield temporary
        _settle(temporary)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except Exception as error:
        fault = _fault(error)
        if fault is None:
            raise
        if fault.filename is None or str(fault.filename) == str(temporary):
            fault.filename = str(path)  # the file that the user knows
        raise fault from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _fault(error: Exception) -> OSError | None:
    """The fault of the file system behind an exception: safetensors tells it in words."""
    if isinstance(error, OSError):
        return error
    found = re.search(r"\(os error (\d+)\)", str(error)) if type(error).__name__ == "SafetensorError" else None
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else None


def remove_leftovers(path: Path) -> None:
    """Remove temporary files of ``path`` that a killed process left."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.tmp")
    for name in os.listdir(path.parent) if path.parent.is_dir() else ():
        found = pattern.fullmatch(name)
        if found and not alive(int(found[1])):
            with suppress(OSError):
                (path.parent / name).unlink()


def alive(process: int) -> bool:
    """Whether a process of this number runs here; a file of another machine's process has no writer either way."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _settle(path: Path) -> None:
    """Permissions of an ordinary new file, and the content on the disk."""
    mask = os.umask(0o077)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """The new name on the disk, where the file system can do that for folders."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON with sorted keys and a final newline."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows under a header; floats with 9 significant digits."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([f"{v:.9g}" if isinstance(v, float) else v for v in row] for row in rows)


def check_writable(folder: Path) -> None:
    """Refuse a folder that could not be made; nothing is made here.

    Raises:
        UserError: then.
    """
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise UserError(f"cannot write to {folder}: {existing} is not a writable folder")
