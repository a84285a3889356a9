"""Shipped results: the collected results of one scale under a sha256 manifest, small enough for version control."""

__all__ = ["FORMAT", "MANIFEST", "Manifest", "pack", "read_manifest", "recover", "shipped_scales", "unpack", "verify"]

import gzip
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pimvae import __version__
from pimvae.errors import UserError
from pimvae.files import alive, read_json, replacing, sha256, write_json
from pimvae.limits import gunzip

MANIFEST = "manifest.json"
FORMAT = "pimvae-shipped-1"  # raise it when results of an older format can no longer be read
PACKED = ".gz"


class Manifest(NamedTuple):
    """What a shipped folder says of itself: the package that wrote it, and the sha256 of every file below it."""

    version: str
    files: dict[str, str]

    @property
    def unpacked(self) -> list[str]:
        """Names of the files that `unpack` makes."""
        return [name.removesuffix(PACKED) for name in self.files]


def shipped_scales(root: Path | str) -> list[str]:
    """Scales below ``root/results/shipped``."""
    return sorted(path.parent.name for path in Path(root).glob(f"results/shipped/*/{MANIFEST}"))


def pack(contents: Mapping[str, bytes], out: Path | str) -> None:
    """Write files and their manifest to ``out``; what was shipped there before goes when all is written.

    Args:
        contents: bytes by relative name; a name in ``.gz`` is compressed, equal content to equal bytes.
        out: folder to write; an existing one must hold shipped results or nothing.

    Raises:
        UserError: if ``out`` holds anything else.
    """
    out = Path(os.path.abspath(out))  # '.' has no name of its own
    recover(out)
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and holds no shipped results: name another folder")
    fresh, former = (out.with_name(f".{out.name}.{os.getpid()}.{kind}") for kind in ("tmp", "former"))
    try:
        for name, content in contents.items():
            data = gzip.compress(content, 9, mtime=0) if name.endswith(PACKED) else content
            with replacing(fresh / name) as temporary:
                temporary.write_bytes(data)
        files = {name: sha256(fresh / name) for name in contents}
        write_json(fresh / MANIFEST, {"format": FORMAT, "pimvae": __version__, "files": files})
        if out.exists():
            out.rename(former)
        try:
            fresh.rename(out)
        except BaseException:  # also Ctrl-C
            if former.exists():
                former.rename(out)
            raise
    finally:
        for folder in (fresh, former):
            shutil.rmtree(folder, ignore_errors=True)


def recover(out: Path) -> None:
    """Put back what a process that was killed had moved away from ``out``, and remove what it left half written."""
    pattern = re.compile(rf"\.{re.escape(out.name)}\.(\d+)\.(tmp|former)")
    for path in out.parent.iterdir() if out.parent.is_dir() else ():
        found = pattern.fullmatch(path.name)
        if found and not alive(int(found[1])):
            if found[2] == "former" and not out.exists():
                path.rename(out)
            else:
                shutil.rmtree(path, ignore_errors=True)


def read_manifest(folder: Path | str) -> Manifest:
    """The manifest of a shipped folder; the files are not looked at.

    Raises:
        UserError: if it is absent, damaged or of another format.
    """
    path = Path(folder) / MANIFEST
    try:
        content = read_json(path)
        found, version, files = content["format"], content["pimvae"], content["files"]
        names = [PurePosixPath(name) for name in files]
    except FileNotFoundError:
        raise UserError(f"{folder} holds no shipped results: {path} does not exist") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not the manifest of shipped results: {error!r}") from None
    if found != FORMAT:
        this = f"this is pimvae {__version__}, which reads {FORMAT}"
        raise UserError(f"{folder} is of format {found}, written by pimvae {version}; {this}: ship the results again")
    if not isinstance(files, dict) or any(name.is_absolute() or ".." in name.parts for name in names):
        raise UserError(f"{path} names files outside of its folder")
    return Manifest(version, files)


def verify(folder: Path | str) -> Manifest:
    """The manifest of a shipped folder whose files are all as they were written.

    Raises:
        UserError: for the first file that is missing, changed, or not in the manifest.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} is missing: {folder / MANIFEST} lists it")
        if sha256(path) != digest:
            raise UserError(f"{path} was changed after it was shipped: its sha256 is not that in {folder / MANIFEST}")
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if extra := sorted(present - {MANIFEST, *manifest.files}):
        raise UserError(f"{folder / extra[0]} is not in {folder / MANIFEST}: remove it, or ship the results again")
    return manifest


def unpack(folder: Path | str, out: Path | str) -> list[Path]:
    """Verify a shipped folder and write its files, uncompressed, to ``out``; returns their paths.

    Raises:
        UserError: see `verify`.
    """
    written = []
    if (Path(out) / MANIFEST).exists():
        raise UserError(f"{out} holds shipped results: unpack into another folder")
    for name in verify(folder).files:
        content = (Path(folder) / name).read_bytes()
        path = Path(out) / name.removesuffix(PACKED)
        with replacing(path) as temporary:
            temporary.write_bytes(gunzip(content, f"{Path(folder) / name}") if name.endswith(PACKED) else content)
        written.append(path)
    return written
