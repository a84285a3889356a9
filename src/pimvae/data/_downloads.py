"""The real MNIST and SVHN: downloaded on request, or found in a local folder; nothing unchecked is ever read."""

__all__ = ["FILES", "Remote", "cache", "download_all", "locate"]

import sys
from dataclasses import dataclass
from pathlib import Path

import pooch

from pimvae.errors import UserError
from pimvae.files import sha256

MNIST = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
SVHN = ("http://ufldl.stanford.edu/housenumbers/",)


@dataclass(frozen=True)
class Remote:
    """A file elsewhere: its checksum, and the addresses of the folders that hold it, tried in turn."""

    sha256: str
    bases: tuple[str, ...]


FILES = {
    "train-images-idx3-ubyte.gz": Remote("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", MNIST),
    "train-labels-idx1-ubyte.gz": Remote("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", MNIST),
    "t10k-images-idx3-ubyte.gz": Remote("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", MNIST),
    "t10k-labels-idx1-ubyte.gz": Remote("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", MNIST),
    "train_32x32.mat": Remote("435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8", SVHN),
    "test_32x32.mat": Remote("cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b", SVHN),
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
    if path.is_file():
        if sha256(path) == remote.sha256:
            return path
        _tell(f"{path} does not have the expected checksum; it is downloaded again")
    return _from_any(path, remote)


def _from_any(path: Path, remote: Remote) -> Path:
    """Try the addresses in turn. Of processes that download at once each puts a whole file in its place."""
    from requests import RequestException  # what pooch raises; takes its time to import

    # A server that packed the file once more would send other bytes.
    downloader = pooch.HTTPDownloader(progressbar=True, headers={"Accept-Encoding": "identity"})
    faults: list[str] = []
    for base in remote.bases:
        if faults:
            _tell(f"no {path.name} from {faults[-1]}; trying {base}")
        try:
            pooch.retrieve(f"{base}{path.name}", remote.sha256, path.name, path.parent, downloader=downloader)
            return path
        except (RequestException, ValueError) as error:
            faults.append(f"{base} ({_reason(error)})")
    raise UserError(
        f"cannot download {path.name} from {' or '.join(faults)}; without network, fetch the files elsewhere with "
        "'pimvae download --to FOLDER' and name the folder in data.data_dir"
    )


def _reason(error: Exception) -> str:
    """Why a download failed, in one line."""
    if type(error) is ValueError:  # requests has subclasses of it
        return "the file did not have the expected checksum and was deleted"
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP error {response.status_code}, {response.reason}"
    while error.args and isinstance(error.args[0], Exception):  # that of urllib3
        error = error.args[0]
    cause = getattr(error, "reason", None) or next(iter(error.args), type(error).__name__)
    return " ".join(f"no connection: {cause}".split())


def _tell(message: str) -> None:
    print(f"pimvae: {message}", file=sys.stderr)
