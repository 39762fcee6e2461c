"""The verbs of ``orkee sandbox`` for files, as a script sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.client.stub_server import StubServer

from .conftest import Orkee


@pytest.fixture
def src(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stub: StubServer) -> Path:
    """Return a folder to push; there is a sandbox "web"."""
    stub.add(name="web")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a").write_text("text")
    return tmp_path / "src"


def test_a_folder_goes_there_and_back(orkee: Orkee, stub: StubServer, src: Path) -> None:
    done = orkee("sandbox", "push", "src", "web:in", "--json")
    assert json.loads(done.stdout) == {"success": True, "files": 1, "bytes": 4}
    done = orkee("sandbox", "pull", "web:in", "back", "--json")
    assert json.loads(done.stdout)["path"] == "back"
    assert (src.parent / "back/a").read_text() == "text"


def test_files_are_listed(orkee: Orkee, stub: StubServer, src: Path) -> None:
    (stub.files / "x\x1b[31m").write_text("12345")
    (stub.files / "x\x1b[31m").chmod(0o640)
    head, line = orkee("sandbox", "files", "web").stdout.decode().splitlines()
    assert head.split() == ["MODE", "SIZE", "CHANGED", "NAME"]
    assert line.split()[:2] == ["-rw-r-----", "5"]
    assert "\x1b" not in line
    (entry,) = json.loads(orkee("sandbox", "files", "web", "--json").stdout)
    assert (entry["path"], entry["type"], entry["size"]) == ("x\x1b[31m", "file", 5)


def test_bytes_go_through_pipes_as_they_are(orkee: Orkee, stub: StubServer, src: Path) -> None:
    data = bytes(range(256)) * 1000
    done = orkee("sandbox", "write", "web:deep/x", "--mode", "0600", stdin=data)
    assert (done.returncode, done.stdout) == (0, b"")
    assert (stub.files / "deep/x").stat().st_mode & 0o777 == 0o600
    assert orkee("sandbox", "cat", "web:deep/x").stdout == data


def test_sync_says_what_it_sent(orkee: Orkee, stub: StubServer, src: Path) -> None:
    (stub.files / "old").touch()
    done = orkee("sandbox", "sync", "src", "web", "--delete")
    assert done.stdout == b"removed old\nsent a\n"
    assert orkee("sandbox", "sync", "src", "web").stdout == b""


def test_mistakes_have_a_code(orkee: Orkee, stub: StubServer, src: Path) -> None:
    for words, code in (
        (("cat", "web"), "invalid_request"),
        (("cat", "web:none"), "file_not_found"),
        (("push", "none", "web"), "file_not_found"),
        (("pull", "nobody"), "sandbox_not_found"),
    ):
        done = orkee("sandbox", *words)
        assert done.returncode == 1
        assert f"error [{code}]" in done.stderr.decode()


def test_a_mount_is_copied_first(orkee: Orkee, stub: StubServer, src: Path) -> None:
    assert orkee("sandbox", "create", "node", "--mount", "src").returncode == 0
    assert (stub.files / "a").exists()
