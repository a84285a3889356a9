"""Sizes that are looked at before anything is unpacked: a small file can stand for gigabytes."""

__all__ = ["MEGABYTE", "SETTING", "TEXT", "check", "check_zip", "gunzip", "largest"]

import gzip
import io
import os
import zipfile
import zlib
from pathlib import Path

from pimvae.errors import UserError

MEGABYTE = 2**20
TEXT = 4 * MEGABYTE  # of a YAML file
SETTING = "PIMVAE_MAX_MEGABYTES"  # what may be unpacked from one file
USUAL = 8192


def largest() -> int:
    """Bytes that may be unpacked from one file: ``$PIMVAE_MAX_MEGABYTES``, else 8 GB.

    Raises:
        UserError: if the setting is no positive number.
    """
    text = os.environ.get(SETTING, str(USUAL))
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise UserError(f"{SETTING} is '{text}', expected a whole number of megabytes")
    return int(text) * MEGABYTE


def check(size: int, what: str, limit: int | None = None) -> None:
    """Refuse what would be larger than ``limit``, by default `largest`.

    Raises:
        UserError: then.
    """
    allowed = largest() if limit is None else limit
    if size > allowed:
        remedy = f": set {SETTING} if that is right" if limit is None else ""
        raise UserError(f"{what} holds {size / MEGABYTE:,.0f} MB, more than {allowed / MEGABYTE:,.0f}{remedy}")


def check_zip(path: Path) -> None:
    """Look at what the members of an .npz or .zip file unpack to, all together, before any is unpacked.

    Raises:
        UserError: if that is too much, or a member of an .npz file is no array.
        OSError, zipfile.BadZipFile: if it is no such file.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    foreign = next((member.filename for member in members if not member.filename.endswith(".npy")), None)
    if path.suffix == ".npz" and foreign is not None:
        raise UserError(f"{path} holds '{foreign}', which is no array")
    check(sum(member.file_size for member in members), f"{path}")


def gunzip(data: bytes, what: str) -> bytes:
    """The content of a gzip file, unpacked piece by piece until it is too large.

    Raises:
        UserError: if it is too large, or no gzip.
    """
    parts, size = [], 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            while part := file.read(MEGABYTE):
                size += len(part)
                check(size, f"{what} (so far)")
                parts.append(part)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{what} is no gzip file: {error}") from None
    return b"".join(parts)
