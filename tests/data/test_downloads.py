"""Downloads from a server of the test's own: resumed, checked, and never half a file under a whole one's name."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from pimvae.cli import main
from pimvae.data import _downloads as module
from pimvae.data._downloads import Remote, download_all, locate
from pimvae.data._resume import ResumingDownloader
from pimvae.errors import UserError

CONTENT = np.random.default_rng(0).bytes(300_000)
NAME = "a.bin"
NOWHERE = "http://127.0.0.1:9/"  # the port of "discard": nothing listens there


@dataclass
class Server:
    """What the server does, and what it was asked."""

    base: str = ""
    content: bytes = CONTENT
    ranges: bool = True  # whether it can send the rest of a file
    cuts: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    status: int = 200
    asked: list[str | None] = field(default_factory=list)  # Range headers

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        if self.status != 200:
            handler.send_error(self.status)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        body = self.content[start:]
        handler.send_response(206 if wanted and self.ranges else 200)
        if wanted and self.ranges:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.base = f"http://127.0.0.1:{running.server_port}/"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        running.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path, monkeypatch, server) -> Path:
    """The cache, for one file that is to come from the server."""
    expect(monkeypatch, server.base)
    monkeypatch.setattr(module, "cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def expect(monkeypatch: pytest.MonkeyPatch, *bases: str) -> None:
    remote = Remote(len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), bases)
    monkeypatch.setattr(module, "FILES", {NAME: remote})


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once(folder, server):
    assert locate(NAME) == folder / NAME == locate(NAME)
    assert (folder / NAME).read_bytes() == CONTENT and held(folder) == [NAME]
    assert server.asked == [None]


def test_a_broken_connection_is_resumed(folder, server):
    server.cuts = [100_000, 50_000]
    locate(NAME)
    assert (folder / NAME).read_bytes() == CONTENT and held(folder) == [NAME]
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_an_interrupted_download_leaves_only_a_part_and_is_resumed_later(folder, server, monkeypatch):
    server.cuts = [120_000]
    with monkeypatch.context() as patch:
        patch.setattr(ResumingDownloader, "_attempt", interrupted_after_one(ResumingDownloader._attempt))
        with pytest.raises(KeyboardInterrupt):
            locate(NAME)
    assert held(folder) == [f"{NAME}.part"]
    assert (folder / f"{NAME}.part").read_bytes() == CONTENT[:120_000]
    locate(NAME)
    assert server.asked == [None, "bytes=120000-"]
    assert (folder / NAME).read_bytes() == CONTENT and held(folder) == [NAME]


def interrupted_after_one(attempt):
    calls = []

    def interrupted(self: ResumingDownloader, url: str) -> str | None:
        calls.append(url)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return attempt(self, url)

    return interrupted


def test_a_server_without_ranges_sends_everything_again(folder, server):
    server.cuts, server.ranges = [100_000], False
    locate(NAME)
    assert (folder / NAME).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-"]


def test_a_wrong_checksum_deletes_the_file_and_says_so(folder, server):
    server.content = bytes(len(CONTENT))
    with pytest.raises(UserError, match="did not have the expected checksum and was deleted") as error:
        locate(NAME)
    assert held(folder) == [] and "\n" not in str(error.value)
    server.content = CONTENT
    assert locate(NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("size", [3000, len(CONTENT) + 1])
def test_another_file_is_not_even_begun(folder, server, size):
    server.content = bytes(size)
    with pytest.raises(UserError, match=f"the server's file has {size} bytes instead of 300000"):
        locate(NAME)
    assert held(folder) == []


def test_a_damaged_part_is_noticed_at_the_end(folder, server):
    folder.mkdir()
    (folder / f"{NAME}.part").write_bytes(bytes(1000))
    with pytest.raises(UserError, match="checksum"):
        locate(NAME)
    assert held(folder) == []
    (folder / f"{NAME}.part").write_bytes(bytes(len(CONTENT) + 5))  # longer than the file can be
    assert locate(NAME).read_bytes() == CONTENT


def test_a_damaged_file_in_the_cache_is_replaced(folder, server, capsys):
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT[:-1])
    assert locate(NAME).read_bytes() == CONTENT
    assert "does not have the expected checksum and was deleted" in capsys.readouterr().err


def test_the_second_address_is_tried(folder, server, monkeypatch, capsys):
    expect(monkeypatch, NOWHERE, server.base)
    assert locate(NAME).read_bytes() == CONTENT
    assert f"no {NAME} from {NOWHERE} (no connection: " in capsys.readouterr().err


def test_without_network_one_line_says_what_to_do(folder, monkeypatch, capsys):
    expect(monkeypatch, NOWHERE)
    assert main(["download"]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(f"pimvae: error: cannot download {NAME}") and "no connection" in last
    assert "data.data_dir" in last and "pimvae download --to" in last
    assert held(folder) == []


def test_an_error_of_the_server_is_told(folder, server):
    server.status = 404
    with pytest.raises(UserError, match="HTTP error 404"):
        locate(NAME)
    assert held(folder) == []


def test_a_local_folder_is_checked_and_left_alone(folder, server, tmp_path):
    with pytest.raises(UserError, match=f"lacks the file {NAME}; it must hold {NAME}"):
        locate(NAME, tmp_path)
    (tmp_path / NAME).write_bytes(bytes(len(CONTENT)))
    with pytest.raises(UserError, match="does not have the expected checksum"):
        locate(NAME, str(tmp_path))
    assert (tmp_path / NAME).exists()  # it is the user's
    (tmp_path / NAME).write_bytes(CONTENT)
    assert locate(NAME, str(tmp_path)) == tmp_path / NAME
    assert server.asked == []


def test_the_command_fetches_everything_into_a_folder(folder, server, tmp_path, capsys):
    assert main(["download", "--to", str(tmp_path / "here")]) == 0
    assert held(tmp_path / "here") == [NAME]
    assert f"data_dir: {(tmp_path / 'here').resolve()}" in capsys.readouterr().out
    assert locate(NAME, tmp_path / "here").read_bytes() == CONTENT
    assert download_all() == folder and held(folder) == [NAME]


def test_the_table_of_files():
    assert round(sum(remote.size for remote in module.FILES.values()) / 1e6) == 258  # as 'pimvae download --help' says
    for name, remote in module.FILES.items():
        assert len(bytes.fromhex(remote.sha256)) == 32
        assert len(remote.bases) == (1 if name.endswith(".mat") else 2)
