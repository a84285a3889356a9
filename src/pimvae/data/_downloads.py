"""The real MNIST and SVHN: downloaded on request, or found in a local folder; nothing unchecked is ever read."""

__all__ = ["FILES", "Remote", "cache", "download_all", "locate"]

import fcntl
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pooch

from pimvae.data._resume import DownloadError, ResumingDownloader
from pimvae.errors import UserError
from pimvae.files import sha256

MNIST_BASES = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
SVHN_BASES = ("http://ufldl.stanford.edu/housenumbers/",)


@dataclass(frozen=True)
class Remote:
    """A file elsewhere: size in bytes, checksum, and the addresses of the folders that hold it, tried in turn."""

    size: int
    sha256: str
    bases: tuple[str, ...]


FILES = {
    "train-images-idx3-ubyte.gz": Remote(
        9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", MNIST_BASES
    ),
    "train-labels-idx1-ubyte.gz": Remote(
        28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", MNIST_BASES
    ),
    "t10k-images-idx3-ubyte.gz": Remote(
        1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", MNIST_BASES
    ),
    "t10k-labels-idx1-ubyte.gz": Remote(
        4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", MNIST_BASES
    ),
    "train_32x32.mat": Remote(
        182040794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8", SVHN_BASES
    ),
    "test_32x32.mat": Remote(64275384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b", SVHN_BASES),
}


def cache() -> Path:
    """Where downloads are kept: a folder of the user's cache."""
    return Path(pooch.os_cache("pimvae"))


def locate(name: str, data_dir: Path | str | None = None) -> Path:
    """The checked file ``name``: from ``data_dir``, or else from the cache, downloaded if it is not there.

    Raises:
        UserError: if the file in ``data_dir`` is missing or not the expected one, or the download fails.
    """
    return _fetched(name, cache()) if data_dir is None else _found(name, Path(data_dir))


def download_all(folder: Path | None = None) -> Path:
    """Fetch every file into ``folder`` (None: the cache) and return the folder; what is there is checked and kept.

    Raises:
        UserError: if a download fails.
    """
    folder = folder or cache()
    for name in FILES:
        _fetched(name, folder)
    return folder


def _found(name: str, folder: Path) -> Path:
    path = folder / name
    if not path.is_file():
        raise UserError(f"data_dir {folder} lacks the file {name}; it must hold {', '.join(FILES)}")
    if sha256(path) != FILES[name].sha256:
        raise UserError(f"{path} does not have the expected checksum; it is damaged, cut off or another file")
    return path


def _fetched(name: str, folder: Path) -> Path:
    """The file in ``folder``, after a download where it is absent or damaged."""
    path, remote = folder / name, FILES[name]
    if path.is_file() and sha256(path) == remote.sha256:
        return path
    with _alone(path):
        if path.is_file() and sha256(path) == remote.sha256:  # another process was faster
            return path
        if path.is_file():
            path.unlink()
            _tell(f"{path} does not have the expected checksum and was deleted; it is downloaded again")
        _from_any(path, remote)
    return path


def _from_any(path: Path, remote: Remote) -> None:
    """Try the addresses in turn."""
    pooch.get_logger().setLevel(logging.WARNING)  # its messages would interrupt the progress bar
    faults = []
    for base in remote.bases:
        if faults:
            _tell(f"no {path.name} from {faults[-1]}; trying {base}")
        try:
            _from_one(path, remote, base)
            return
        except DownloadError as error:
            faults.append(f"{base} ({error})")
    raise UserError(
        f"cannot download {path.name} from {' or '.join(faults)}; without network, fetch the files elsewhere with "
        "'pimvae download --to FOLDER' and name the folder in data.data_dir"
    )


def _from_one(path: Path, remote: Remote, base: str) -> None:
    downloader = ResumingDownloader(path.with_name(f"{path.name}.part"), remote.size)
    try:
        pooch.retrieve(f"{base}{path.name}", f"sha256:{remote.sha256}", path.name, path.parent, downloader=downloader)
    except ValueError:  # pooch compared the checksums and deleted the file
        raise DownloadError("the file did not have the expected checksum and was deleted") from None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one process at a time downloads into a folder; the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _tell(message: str) -> None:
    print(f"pimvae: {message}", file=sys.stderr)
