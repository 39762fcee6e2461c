"""Create, exec and logs as streams, over a real server."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, cast

import httpx
import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import LogEntry, LogQuery, Output, Sandbox, Status
from orkee_jupyter.server import stream
from orkee_jupyter.server.stream_handlers import end_reason
from tests.fakes.sandboxes import make_sandbox
from tests.server.conftest import Running, until
from tests.server.stub import ID, StubExec

pytestmark = pytest.mark.asyncio
NDJSON = {"Accept": "application/x-ndjson"}


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.split("\n") if line]


async def test_create_streams_its_progress(server: Running) -> None:
    answer = await server.http.post("/sandbox", json={}, headers=NDJSON)
    progress, last = lines(answer)
    assert answer.status_code == 200
    assert progress == {"progress": "pulling node:18-alpine"}
    assert (last["success"], last["sandbox"]["id"]) == (True, ID)


async def test_a_create_that_fails_midway_ends_with_a_problem(server: Running) -> None:
    server.manager.error = OrkeeError("unknown_image", "There is no image x.", "Check it.")
    *_, last = lines(await server.http.post("/sandbox", json={}, headers=NDJSON))
    assert (last["success"], last["code"], last["status"]) == (False, "unknown_image", 422)


async def test_a_create_that_fails_at_once_is_a_plain_problem(server: Running) -> None:
    server.manager.progress = []
    server.manager.error = OrkeeError("name_taken", "The name is taken.")
    answer = await server.http.post("/sandbox", json={}, headers=NDJSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")


@pytest.mark.parametrize("headers", [NDJSON, {}])
async def test_a_client_that_goes_away_takes_its_create_back(
    server: Running, headers: dict[str, str]
) -> None:
    server.manager.create_hangs = True
    request = asyncio.ensure_future(server.http.post("/sandbox", json={}, headers=headers))
    await server.manager.creating.wait()
    request.cancel()
    await asyncio.wait_for(server.manager.cancelled.wait(), 5)


async def test_exec_streams_pid_output_and_exit(server: Running) -> None:
    server.manager.exec_stream = StubExec([Output("stdout", b"hi\n"), Output("stderr", b"\xff")])
    answer = await server.http.post("/sandbox/web/exec", json={"command": ["true"]})
    assert lines(answer) == [
        {"pid": 7},
        {"stream": "stdout", "text": "hi\n"},
        {"stream": "stderr", "base64": base64.b64encode(b"\xff").decode()},
        {"exit_code": 3, "signal": None, "timed_out": False, "duration": 0.25},
    ]
    assert server.manager.exec_stream.closed.is_set()


async def test_exec_hands_stdin_over_and_ends_it(server: Running) -> None:
    body = {"command": ["cat"], "stdin_base64": base64.b64encode(b"\x00\xff").decode()}
    await server.http.post("/sandbox/web/exec", json=body)
    assert server.manager.exec_stream.stdin == b"\x00\xff"
    assert server.manager.exec_stream.stdin_ended
    assert server.manager.calls[0][2].stdin is True


async def test_an_exec_that_cannot_start_is_a_plain_problem(server: Running) -> None:
    server.manager.error = OrkeeError("command_not_found", "There is no nope.")
    answer = await server.http.post("/sandbox/web/exec", json={"command": ["nope"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "command_not_found")


async def test_an_exec_whose_sandbox_is_lost_ends_with_the_problem(server: Running) -> None:
    lost = OrkeeError("sandbox_lost", "The sandbox ended.", "Create another.")
    server.manager.exec_stream = StubExec([Output("stdout", b"a")], lost)
    *_, last = lines(await server.http.post("/sandbox/web/exec", json={"command": ["x"]}))
    assert (last["code"], last["detail"]) == ("sandbox_lost", "The sandbox ended.")


async def test_a_client_that_goes_away_ends_its_command(server: Running) -> None:
    server.manager.exec_stream.hangs = True
    async with server.http.stream("POST", "/sandbox/web/exec", json={"command": ["x"]}) as answer:
        assert json.loads(await anext(answer.aiter_lines())) == {"pid": 7}
    await asyncio.wait_for(server.manager.exec_stream.closed.wait(), 5)
    await until(lambda: server.extension.context.requests == 0)


async def test_a_log_comes_with_numbers_drops_and_an_end(server: Running) -> None:
    server.manager.entries = [
        LogEntry(0, 0.0, "dropped", b"", dropped=12),
        LogEntry(5, 1.5, "stdout", b"hi\n"),
        LogEntry(6, 2.5, "stderr", b"\xfe"),
    ]
    assert lines(await server.http.get("/sandbox/web/logs?tail=3")) == [
        {"seq": 0, "stream": "dropped", "bytes": 12},
        {"seq": 5, "time": 1.5, "stream": "stdout", "text": "hi\n"},
        {"seq": 6, "time": 2.5, "stream": "stderr", "base64": "/g=="},
        {"end": "complete"},
    ]
    assert server.manager.calls[-1][1:3][1].tail == 3


@pytest.mark.parametrize(
    ("status", "exit_code", "reason"),
    [
        (Status.ACTIVE, 0, "exited"),
        (Status.TERMINATED, None, "stopped"),
        (Status.PAUSED, None, "paused"),
    ],
)
async def test_a_followed_log_says_why_it_ended(
    server: Running, status: Status, exit_code: int | None, reason: str
) -> None:
    server.manager.sandbox = server.manager.sandbox.with_(status=status, exit_code=exit_code)
    assert lines(await server.http.get("/sandbox/web/logs?follow=1")) == [{"end": reason}]


async def test_a_raw_log_is_the_bytes(server: Running) -> None:
    server.manager.entries = [LogEntry(1, 1.0, "stdout", b"\xff"), LogEntry(2, 1, "stderr", b"<b>")]
    answer = await server.http.get("/sandbox/web/logs?format=raw")
    assert answer.content == b"\xff<b>"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_raw_log_that_breaks_is_cut_off(server: Running) -> None:
    async def broken() -> Any:
        yield LogEntry(1, 1.0, "stdout", b"a")
        await asyncio.sleep(0.05)
        raise OrkeeError("store_failed", "The log is gone.")

    server.manager._entries = broken  # type: ignore[method-assign]
    with pytest.raises(httpx.RemoteProtocolError):
        await server.http.get("/sandbox/web/logs?format=raw")


async def test_a_log_of_no_sandbox_is_a_plain_problem(server: Running) -> None:
    answer = await server.http.get("/sandbox/nope/logs?follow=1")
    assert (answer.status_code, answer.json()["code"]) == (404, "sandbox_not_found")


async def test_a_silent_log_sends_headers_then_heartbeats_and_ends_with_its_client(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.02)
    server.manager.follow_hangs = True
    async with server.http.stream("GET", "/sandbox/web/logs?follow=1") as answer:
        heartbeats = answer.aiter_raw()
        assert [await anext(heartbeats), await anext(heartbeats)] == [b"\n", b"\n"]
    await asyncio.wait_for(server.manager.logs_closed.wait(), 5)


async def test_a_reader_that_stops_stops_the_source(server: Running) -> None:
    """Back-pressure: what is not read is not taken from the log either."""
    taken = 0

    async def endless() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield LogEntry(taken, 1.0, "stdout", b"x" * 16384)

    server.manager._entries = endless  # type: ignore[method-assign]
    async with server.http.stream("GET", "/sandbox/web/logs?follow=1"):
        before = -1
        while before != taken:
            before = taken
            await asyncio.sleep(0.2)
        assert 0 < taken * 16384 < 32 * 1024 * 1024


async def test_a_million_lines_arrive_in_order(server: Running) -> None:
    server.manager.entries = [
        LogEntry(seq, 1.0, "stdout", b"%d\n" % seq * 100) for seq in range(1, 10_001)
    ]
    answer = await server.http.get("/sandbox/web/logs?format=raw")
    assert answer.content == b"".join(entry.data for entry in server.manager.entries)


async def test_the_end_of_a_followed_log_waits_for_the_exit_that_comes_after_it() -> None:
    rows = [make_sandbox(status=Status.ACTIVE), make_sandbox(status=Status.ACTIVE, exit_code=4)]

    class Manager:
        async def get(self, ref: str, owner: str) -> Sandbox:
            return rows.pop(0)

    ended = end_reason(cast("Any", Manager()), rows[0], LogQuery(follow=True), "ada")
    assert await ended() == "exited"
    assert rows == []
