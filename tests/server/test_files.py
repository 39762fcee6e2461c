"""The REST verbs for files, over a real server with a stub manager."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.files import FileRequest
from orkee_jupyter.sandbox.model import FileEntry
from orkee_jupyter.server import files_handlers
from orkee_jupyter.server.base import BODY_LIMIT
from tests.server.conftest import BASE, Running
from tests.server.stub import StubFiles
from tests.server.test_openapi import check

pytestmark = pytest.mark.asyncio
FOLDER = FileEntry(".", "directory", 4096, 0o755, 1.5)
FILE = {"path": "a", "type": "file", "size": 1, "mode": 420, "mtime": 1.5, "target": None}
LINE = json.dumps(FILE).encode() + b"\n"
RECEIVED = b'{"files":1,"bytes":2}\n'
LARGE = 3 * BODY_LIMIT


def asked(server: Running) -> FileRequest:
    """Return the one operation that the manager was asked for."""
    [(_, ref, request, owner)] = server.manager.calls
    assert (ref, owner) == ("web", "local")
    assert isinstance(request, FileRequest)
    return request


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


async def test_a_folder_is_listed(server: Running) -> None:
    server.manager.file_stream = StubFiles(LINE, LINE, entry=FOLDER)
    answer = await server.http.get("/sandbox/web/files", params={"path": "src", "recursive": "1"})
    assert answer.status_code == 200
    check("FilesAnswer", answer.json())
    assert answer.json()["entries"] == [FILE, FILE]
    assert asked(server) == FileRequest("list", "src", recursive=True)
    assert server.manager.file_stream.closed.is_set()


async def test_a_list_streams_as_lines(server: Running) -> None:
    server.manager.file_stream = StubFiles(LINE[:5], LINE[5:] + LINE, entry=FOLDER)
    headers = {"Accept": "application/x-ndjson"}
    answer = await server.http.get("/sandbox/web/files", headers=headers)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    for line in lines:
        check("FileLine", line)
    assert [next(iter(line)) for line in lines] == ["entry", "file", "file", "end"]


async def test_too_many_entries_for_one_answer_are_refused(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_handlers, "MOST_ENTRIES", 1)
    server.manager.file_stream = StubFiles(LINE, LINE, entry=FOLDER)
    answer = await server.http.get("/sandbox/web/files")
    assert (answer.status_code, answer.json()["code"]) == (413, "archive_too_large")


async def test_what_is_known_of_a_file(server: Running) -> None:
    server.manager.file_stream = StubFiles(entry=FOLDER)
    answer = await server.http.get("/sandbox/web/files", params={"list": "0", "follow": "1"})
    assert answer.json()["entry"]["mode"] == 0o755
    assert asked(server) == FileRequest("stat", ".", follow=True)


@pytest.mark.parametrize(
    ("verb", "given", "wanted"),
    [
        ("DELETE", {"params": {"path": "a"}}, FileRequest("remove", "a")),
        (
            "POST",
            {"json": {"op": "mkdir", "path": "a", "parents": True, "mode": "0700"}},
            FileRequest("mkdir", "a", parents=True, mode=0o700),
        ),
        (
            "POST",
            {"json": {"op": "rename", "path": "a", "to": "/b", "overwrite": True}},
            FileRequest("rename", "a", to="/b", overwrite=True),
        ),
    ],
)
async def test_names_are_changed(
    server: Running, verb: str, given: dict[str, Any], wanted: FileRequest
) -> None:
    answer = await server.http.request(verb, "/sandbox/web/files", **given)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    check("FileDone", answer.json())
    assert asked(server) == wanted


@pytest.mark.parametrize(
    ("verb", "path", "given", "code"),
    [
        ("GET", "", {"params": {"path": "a\0b"}}, "invalid_path"),
        ("GET", "", {"params": {"path": "x" * 5000}}, "invalid_path"),
        ("GET", "", {"params": {"paht": "a"}}, "invalid_request"),
        ("GET", "", {"params": {"recursive": "maybe"}}, "invalid_request"),
        ("GET", "/content", {"params": {"offset": "-1"}}, "invalid_request"),
        ("PUT", "/content", {"params": {"mode": "abc"}, "content": b"x"}, "invalid_request"),
        ("PUT", "/archive", {"params": {"mode": "0644"}, "content": b"x"}, "invalid_request"),
        ("POST", "", {"json": {"op": "dance", "path": "a"}}, "invalid_request"),
        ("POST", "", {"json": {"op": "mkdir"}}, "invalid_request"),
        ("POST", "", {"json": {"op": "mkdir", "path": "a", "to": "b"}}, "invalid_request"),
        ("POST", "", {"json": {"op": "rename", "path": "a"}}, "invalid_request"),
        ("POST", "", {"json": {"op": "mkdir", "path": 1}}, "invalid_path"),
        ("POST", "", {"json": {"op": "mkdir", "path": "a", "mode": 4096}}, "invalid_request"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    server: Running, verb: str, path: str, given: dict[str, Any], code: str
) -> None:
    answer = await server.http.request(verb, f"/sandbox/web/files{path}", **given)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert server.manager.calls == []


@pytest.mark.parametrize(("path", "op"), [("content", "read"), ("archive", "pull")])
async def test_bytes_come_as_they_are(server: Running, path: str, op: str) -> None:
    server.manager.file_stream = StubFiles(b"<b>\xff", b"x" * LARGE, entry=FOLDER)
    answer = await server.http.get(f"/sandbox/web/files/{path}", params={"path": "a"})
    assert answer.content == b"<b>\xff" + b"x" * LARGE
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not answer.headers["Content-Type"].startswith("text/")
    assert asked(server) == FileRequest(op, "a")


@pytest.mark.parametrize("way", ["http", "unix"])
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_far_above_the_limit_goes_through(
    server: Running, way: str, chunked: bool
) -> None:
    sink = server.manager.file_stream = StubFiles(RECEIVED)
    content: Any = pieces(LARGE, 1, 200_000_000) if chunked else b"x" * 120_000_000
    size = LARGE + 1 + 200_000_000 if chunked else 120_000_000
    answer = await getattr(server, way).put(
        "/sandbox/web/files/content", params={"path": "a", "mode": "755"}, content=content
    )
    assert (answer.status_code, answer.json()["received"]) == (200, {"files": 1, "bytes": 2})
    check("ReceivedAnswer", answer.json())
    assert (len(sink.written), sink.ended, sink.closed.is_set()) == (size, True, True)
    assert asked(server) == FileRequest("write", "a", mode=0o755)


async def test_an_empty_body_is_an_empty_file(server: Running) -> None:
    sink = server.manager.file_stream = StubFiles(RECEIVED)
    answer = await server.http.put("/sandbox/web/files/content", params={"path": "a"})
    assert answer.status_code == 200
    assert (sink.written, sink.ended) == (b"", True)


async def test_an_error_while_it_comes_is_answered(server: Running) -> None:
    sink = server.manager.file_stream = StubFiles()
    sink.error = OrkeeError("disk_full", "No room.", "Remove something.")
    answer = await server.http.put("/sandbox/web/files/archive", content=pieces(LARGE, LARGE))
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert not sink.ended
    assert sink.closed.is_set()


async def test_a_client_that_goes_away_ends_its_upload(server: Running) -> None:
    sink = server.manager.file_stream = StubFiles()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    upload = asyncio.ensure_future(
        server.http.put("/sandbox/web/files/content", params={"path": "a"}, content=endless())
    )
    await asyncio.wait_for(sink.received.wait(), 5)
    upload.cancel()
    await asyncio.wait_for(sink.closed.wait(), 5)
    assert not sink.ended


async def test_bytes_that_break_off_have_no_end(server: Running) -> None:
    server.manager.file_stream = StubFiles(b"x" * 1000)
    server.manager.file_stream.error = OrkeeError("sandbox_lost", "Gone.")
    with pytest.raises(httpx.RemoteProtocolError):
        await server.http.get("/sandbox/web/files/content", params={"path": "a"})


async def test_a_refusal_before_the_bytes_is_a_problem(server: Running) -> None:
    server.manager.error = OrkeeError("file_not_found", "None.", "Look.")
    for verb in ("GET", "PUT"):
        answer = await server.http.request(verb, "/sandbox/web/files/content", params={"path": "a"})
        assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")


async def test_a_stranger_uploads_nothing(server: Running) -> None:
    async with httpx.AsyncClient(base_url=f"{server.origin}{BASE}orkee/api") as stranger:
        answer = await stranger.put("/sandbox/web/files/content", content=pieces(1000))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert server.manager.calls == []


async def test_changes_are_streamed(server: Running) -> None:
    change = {"event": "changed", "path": "a"}
    server.manager.file_stream = StubFiles(json.dumps(change).encode() + b"\n")
    answer = await server.http.get("/sandbox/web/files/watch", params={"recursive": "1"})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    for line in lines:
        check("FileChangeLine", line)
    assert lines == [change, {"end": "removed"}]


async def test_a_watcher_that_goes_away_ends_its_watch(server: Running) -> None:
    stream = server.manager.file_stream = StubFiles()
    stream.hangs = True
    async with server.http.stream("GET", "/sandbox/web/files/watch") as answer:
        assert answer.status_code == 200
    await asyncio.wait_for(stream.closed.wait(), 5)


async def test_the_command_is_started(server: Running) -> None:
    answer = await server.http.post("/sandbox/web/start", json={})
    check("SandboxAnswer", answer.json())
    assert server.manager.calls == [("start", "web", "local")]
