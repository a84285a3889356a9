"""A downloader for pooch that goes on where an interrupted download stopped."""

__all__ = ["DownloadError", "ResumingDownloader"]

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm

CHUNK = 1 << 16
TIMEOUT = 30  # seconds without a byte
PARTIAL, UNSATISFIABLE = 206, 416  # HTTP: the rest of a file follows; there is no such rest


class DownloadError(Exception):
    """Why a download failed, as the rest of a sentence."""


class ResumingDownloader:
    """What pooch calls to fetch an address: bytes go to ``part``, which is renamed when it has ``size`` bytes.

    A part that an interruption left behind is continued (HTTP Range) if the server can, else fetched anew. After a
    broken connection it tries again as long as each try brings at least one byte.

    Args:
        part: where the bytes of an unfinished download lie.
        size: of the whole file.
    """

    def __init__(self, part: Path, size: int) -> None:
        self.part, self.size = part, size

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Fetch ``url`` to ``output_file``.

        Raises:
            DownloadError: if the file cannot be had whole; what there is of it stays in ``part``.
        """
        fault: str | None = None
        while (held := self._held()) < self.size:
            fault = self._attempt(url)
            if self._held() <= held:
                raise DownloadError(fault or "the server sent nothing")
        os.replace(self.part, output_file)

    def _held(self) -> int:
        """Bytes in ``part``; more than the whole file can only be wrong and are thrown away."""
        held = self.part.stat().st_size if self.part.exists() else 0
        if held <= self.size:
            return held
        self.part.unlink()
        return 0

    def _attempt(self, url: str) -> str | None:
        """Append to ``part`` what one request gives; returns what went wrong."""
        held = self._held()
        # A server that packed the file once more would make the number of bytes meaningless.
        headers = {"Accept-Encoding": "identity", "User-Agent": "pimvae"}
        if held:
            headers["Range"] = f"bytes={held}-"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as response:
                continued = response.status == PARTIAL and _starts_at(response, held)
                announced = _whole_size(response, continued)
                if announced not in (None, self.size):  # a page of the network's owner, or another file
                    return f"the server's file has {announced} bytes instead of {self.size}"
                with self.part.open("ab" if continued else "wb") as part:
                    self._copy(response, part)
        except urllib.error.HTTPError as error:
            if error.code == UNSATISFIABLE:
                self.part.unlink(missing_ok=True)
            return f"HTTP error {error.code} ({error.reason})"
        except urllib.error.URLError as error:
            return f"no connection ({error.reason})"
        except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
            return f"the connection broke ({error or type(error).__name__})"
        return None

    def _copy(self, response: http.client.HTTPResponse, part: BinaryIO) -> None:
        name = self.part.name.removesuffix(".part")
        with tqdm(total=self.size, initial=part.tell(), desc=name, unit="B", unit_scale=True, mininterval=1) as bar:
            while part.tell() < self.size and (chunk := response.read(min(CHUNK, self.size - part.tell()))):
                part.write(chunk)
                bar.update(len(chunk))


def _starts_at(response: http.client.HTTPResponse, held: int) -> bool:
    return (response.headers.get("Content-Range") or "").startswith(f"bytes {held}-")


def _whole_size(response: http.client.HTTPResponse, continued: bool) -> int | None:
    """How long the server says the whole file is."""
    if continued:
        size = response.headers["Content-Range"].rpartition("/")[2]
    else:
        size = response.headers.get("Content-Length") or ""
    return int(size) if size.isdigit() else None
