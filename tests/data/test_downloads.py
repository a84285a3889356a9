"""Downloads from a server of the test's own: checked, and never half a file under a whole one's name."""

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
from pimvae.errors import UserError

CONTENT = np.random.default_rng(0).bytes(300_000)
NAME = "a.bin"
NOWHERE = "http://127.0.0.1:9/"  # the port of "discard": nothing listens there


@dataclass
class Server:
    """What the server does, and what it was asked."""

    base: str = ""
    content: bytes = CONTENT
    cuts: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    status: int = 200
    asked: list[str] = field(default_factory=list)  # paths

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        if self.status != 200:
            handler.send_error(self.status)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        handler.wfile.write(self.content[: self.cuts.pop(0)] if self.cuts else self.content)


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
    remote = Remote(hashlib.sha256(CONTENT).hexdigest(), bases)
    monkeypatch.setattr(module, "FILES", {NAME: remote})


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once(folder, server):
    assert locate(NAME) == folder / NAME == locate(NAME)
    assert (folder / NAME).read_bytes() == CONTENT and held(folder) == [NAME]
    assert server.asked == [f"/{NAME}"]


def test_a_broken_connection_leaves_nothing_and_the_file_starts_anew(folder, server):
    server.cuts = [100_000]
    with pytest.raises(UserError, match=r"no connection: Connection broken: .*100000 bytes read") as error:
        locate(NAME)
    assert held(folder) == [] and "\n" not in str(error.value)
    assert locate(NAME).read_bytes() == CONTENT and held(folder) == [NAME]


def test_the_next_address_is_tried_after_a_broken_connection(folder, server, monkeypatch):
    expect(monkeypatch, server.base, f"{server.base}mirror/")
    server.cuts = [100_000]
    assert locate(NAME).read_bytes() == CONTENT and held(folder) == [NAME]
    assert server.asked == [f"/{NAME}", f"/mirror/{NAME}"]


def test_an_interrupted_download_leaves_nothing(folder, server, monkeypatch):
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pooch.core.hash_matches", interrupted)
        locate(NAME)
    assert server.asked == [f"/{NAME}"] and held(folder) == []
    assert locate(NAME).read_bytes() == CONTENT


def test_a_wrong_checksum_deletes_the_file_and_says_so(folder, server):
    server.content = bytes(len(CONTENT))
    with pytest.raises(UserError, match="did not have the expected checksum and was deleted") as error:
        locate(NAME)
    assert held(folder) == [] and "\n" not in str(error.value)
    server.content = CONTENT
    assert locate(NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("size", [3000, len(CONTENT) + 1])
def test_a_file_of_another_size_is_refused(folder, server, size):
    server.content = bytes(size)
    with pytest.raises(UserError, match="checksum"):
        locate(NAME)
    assert held(folder) == []


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "http://", "socks5://127.0.0.1:9", "nonsense://:x"])
def test_a_wrong_proxy_is_told_in_one_line(folder, monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(UserError, match="no connection: ") as error:
        locate(NAME)
    assert held(folder) == [] and "\n" not in str(error.value)


def test_a_damaged_file_in_the_cache_is_replaced(folder, server, capsys):
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT[:-1])
    assert locate(NAME).read_bytes() == CONTENT
    assert "does not have the expected checksum; it is downloaded again" in capsys.readouterr().err


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
    assert len(module.FILES) == 6
    for name, remote in module.FILES.items():
        assert len(bytes.fromhex(remote.sha256)) == 32
        assert len(remote.bases) == (1 if name.endswith(".mat") else 2)
