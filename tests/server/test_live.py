"""The live websocket over a stub: what is told, in what form, to whom, and at whose pace."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from jupyter_server.auth.authorizer import AllowAllAuthorizer
from websockets.exceptions import InvalidStatus

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ListQuery, LogEntry, LogQuery, Page, Sandbox, Status
from orkee_jupyter.server import live_connection, live_engine, live_feed, live_stats
from tests.server.conftest import Running, until
from tests.server.live import Live, opened
from tests.server.stub import ID, make
from tests.server.test_auth import login

pytestmark = pytest.mark.asyncio
LOG = {"type": "logs", "id": 1, "ref": "web", "tail": None, "after": None, "follow": True}


@contextlib.asynccontextmanager
async def live(server: Running, way: str = "tcp", **options: Any) -> AsyncIterator[Live]:
    """Give a live connection that has been told the whole."""
    async with opened(server.app.port, way, **options) as client:
        await client.next("hello")
        yield client


def publish(server: Running, *sandboxes: Sandbox) -> None:
    for sandbox in sandboxes:
        server.manager.publish(sandbox)  # type: ignore[attr-defined]


@pytest.mark.parametrize("way", ["tcp", "unix"])
async def test_the_first_message_is_the_whole_and_the_engine_comes_behind(
    server: Running, way: str
) -> None:
    async with opened(server.app.port, way) as client:
        hello = await client.next("hello")
        assert [row["id"] for row in hello["sandboxes"]] == [ID]
        assert hello["settings"] == {"default_ttl": 3600, "max_sandboxes": 50}
        engine = await client.next("engine")
    assert engine["engine"] == {"kind": "none", "setup": None}
    assert [message["type"] for message in client.got] == ["hello", "engine"]


async def test_changes_of_a_moment_come_as_one_row_each(server: Running) -> None:
    async with live(server) as client:
        other = make(id="f" * 32, status=Status.CREATING)
        publish(server, make(name="a"), other, make(name="b"))
        message = await client.next("sandboxes")
    assert [row["name"] for row in message["sandboxes"]] == ["b", None]


async def test_another_owners_changes_are_not_told(server: Running) -> None:
    async with live(server) as client:
        publish(server, make(id="e" * 32, user_id="somebody"), make(name="mine"))
        message = await client.next("sandboxes")
    assert [row["name"] for row in message["sandboxes"]] == ["mine"]
    assert "e" * 32 not in client.rows


async def test_one_that_fell_too_far_behind_is_told_the_whole_again(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "MOST_DIRTY", 3)
    async with live(server) as client:
        publish(server, *(make(id=f"{number:032x}") for number in range(9)))
        hello = await client.next("hello")
        publish(server, make(name="later"))
        after = await client.next("sandboxes")
    assert [row["id"] for row in hello["sandboxes"]] == [ID]
    assert [row["name"] for row in after["sandboxes"]] == ["later"]


async def test_stats_are_told_while_they_are_wanted(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_stats, "INTERVAL", 0.01)
    async with live(server) as client:
        await client.say(type="watch", stats=True)
        first = await client.next("stats")
        await client.next("stats")
        await client.say(type="watch", stats=False)
        await client.say(type="watch", stats="yes")
        problem = await client.next("problem")
    assert first["stats"][ID]["cpu_percent"] == 50.0
    assert problem["problem"]["code"] == "invalid_request"
    assert ("stats", ID, "local") in server.manager.calls


async def test_a_sandbox_that_does_not_tell_its_stats_is_left_out(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_stats, "PATIENCE", 0.01)

    async def silent(ref: str, owner: str) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(server.manager, "stats", silent)
    async with live(server) as client:
        await client.say(type="watch", stats=True)
        assert (await client.next("stats"))["stats"] == {}


async def test_the_engine_is_told_again_only_when_it_changed(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_engine, "INTERVAL", 0.01)
    told = {"kind": "none"}

    async def status() -> Any:
        server.manager.calls.append(("status",))
        return told

    monkeypatch.setattr(server.manager, "engine_status", status)
    async with live(server) as client:
        await client.next("engine")
        server.manager.pulse = "same status, other pulse"
        await until(lambda: server.manager.calls.count(("status",)) == 2)
        told["kind"] = "native"
        server.manager.pulse = "another"
        await client.next("engine", where=lambda m: m["engine"]["kind"] == "native")
    assert [message["type"] for message in client.got].count("engine") == 2


async def test_a_set_up_of_the_engine_is_told_as_it_goes_on(server: Running) -> None:
    context = server.extension.context
    async with live(server) as client:
        await client.next("engine")
        context.engine_setup = {"running": True, "step": "building", "began": 1.5}
        context.engine_setup_changed()
        message = await client.next("engine")
    assert message["engine"]["setup"]["step"] == "building"


async def test_the_engine_is_looked_at_only_while_somebody_is_there(server: Running) -> None:
    engine = server.extension.context.live_engine
    async with live(server):
        assert engine._looking is not None
    await until(lambda: engine._looking is None)
    assert len(server.extension.context.live) == 0


async def test_a_connection_shows_that_it_lives(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_connection, "TICK", 0.01)
    async with live(server) as client:
        await client.next("tick")
        await client.next("tick")


async def test_a_log_is_told_to_its_end(server: Running) -> None:
    server.manager.entries = [
        LogEntry(1, 1.0, "stdout", b"a"),
        LogEntry(2, 1.0, "stderr", b"\xff"),
        LogEntry(3, 1.0, "dropped", b"", 7),
    ]
    async with live(server) as client:
        await client.say(**LOG)
        batch = await client.next("log")
        end = await client.next("log_end")
    assert (batch["id"], end) == (1, {"type": "log_end", "id": 1, "end": "exited"})
    assert batch["entries"] == [
        {"seq": 1, "time": 1.0, "stream": "stdout", "text": "a"},
        {"seq": 2, "time": 1.0, "stream": "stderr", "base64": "/w=="},
        {"seq": 3, "stream": "dropped", "bytes": 7},
    ]


async def test_a_log_here_does_not_hold_its_sandbox(server: Running) -> None:
    async with live(server) as client:
        await client.say(**{**LOG, "tail": 5, "after": 9})
        await client.next("log_end")
    query: LogQuery = next(call[2] for call in server.manager.calls if call[0] == "logs")
    assert (query.follow, query.hold, query.tail, query.after) == (True, False, 5, 9)


async def test_four_batches_are_under_way_until_one_was_taken(server: Running) -> None:
    piece = b"x" * 16000
    server.manager.entries = [LogEntry(seq, 1.0, "stdout", piece) for seq in range(1, 101)]
    async with live(server) as client:
        await client.say(**LOG)
        sizes = [len((await client.next("log"))["entries"]) for _ in range(4)]
        publish(server, make(name="b"))  # a connection whose log waits still tells of rows
        await client.row(lambda row: row["name"] == "b")
        assert client.got[-1]["type"] == "sandboxes"
        while sum(sizes) < 100:
            await client.say(type="ack", id=1)
            sizes.append(len((await client.next("log"))["entries"]))
        for _ in range(4):
            await client.say(type="ack", id=1)
        await client.next("log_end")
    assert max(sizes) <= 4


async def test_a_log_that_is_closed_is_read_no_more(server: Running) -> None:
    server.manager.follow_hangs = True
    async with live(server) as client:
        await client.say(**LOG)
        await client.say(type="close", id=1)
        async with asyncio.timeout(5):
            await server.manager.logs_closed.wait()
        await client.say(type="close", id=1)  # it has ended: nothing to say about
        await client.say(type="ack", id=1)
        server.manager.follow_hangs = False
        await client.say(**LOG)
        await client.next("log_end")
    assert "problem" not in [message["type"] for message in client.got]


async def test_a_client_that_goes_away_ends_its_logs(server: Running) -> None:
    server.manager.follow_hangs = True
    async with live(server) as client:
        await client.say(**LOG)
        await until(lambda: any(call[0] == "logs" for call in server.manager.calls))
    async with asyncio.timeout(5):
        await server.manager.logs_closed.wait()


@pytest.mark.parametrize(
    ("message", "code", "number"),
    [
        ({"type": "logs", "id": 7, "ref": "nope", "follow": True}, "sandbox_not_found", 7),
        ({"type": "logs", "id": 7, "ref": 5}, "invalid_request", 7),
        ({"type": "logs", "id": 7, "ref": "web", "tail": -1}, "invalid_request", 7),
        ({"type": "logs", "id": 7, "ref": "web", "after": True}, "invalid_request", 7),
        ({"type": "logs", "ref": "web"}, "invalid_request", None),
        ({"type": "logs", "id": "7", "ref": "web"}, "invalid_request", None),
        ({"type": "boom", "id": 7}, "invalid_request", 7),
        ({"type": ["logs"], "id": 7}, "invalid_request", 7),
        ({}, "invalid_request", None),
    ],
)
async def test_what_cannot_be_done_is_a_problem_and_the_connection_goes_on(
    server: Running, message: dict[str, Any], code: str, number: int | None
) -> None:
    async with live(server) as client:
        await client.say(**message)
        problem = await client.next("problem")
        publish(server, make(name="b"))
        await client.next("sandboxes")
    assert (problem["id"], problem["problem"]["code"]) == (number, code)


@pytest.mark.parametrize("garbage", ["", "{", "[]", "[" * 60000, "null", "7", b"\x00", b"{}"])
async def test_what_is_no_json_object_ends_the_connection(
    server: Running, garbage: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with live(server) as client:
        await client.socket.send(garbage)
        rest, code = await client.closed()
    assert (rest[-1]["problem"]["code"], code) == ("invalid_request", 1003)
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_message_that_is_too_long_ends_the_connection(server: Running) -> None:
    async with live(server) as client:
        await client.socket.send("x" * 70_000)
        assert (await client.closed())[1] in (1006, 1009)


async def test_a_defect_ends_the_connection_and_tells_nothing_of_itself(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(query: ListQuery, owner: str) -> Page:
        raise RuntimeError("a secret")

    monkeypatch.setattr(server.manager, "list", fail)
    async with opened(server.app.port) as client:
        rest, code = await client.closed()
    assert (rest[-1]["problem"]["code"], code) == ("internal", 1001)
    assert "secret" not in str(rest)


async def test_a_database_that_fails_is_told_and_ends_the_connection(server: Running) -> None:
    server.manager.error = OrkeeError("store_failed", "The database is broken.")
    async with opened(server.app.port) as client:
        rest, _ = await client.closed()
    assert rest[-1]["problem"]["code"] == "store_failed"


async def test_the_stop_of_the_server_ends_the_connection(server: Running) -> None:
    async with live(server) as client:
        await server.extension.stop_extension()
        assert (await client.closed())[1] == 1001


@pytest.mark.parametrize("headers", [{}, {"Authorization": "token wrong"}])
async def test_a_stranger_gets_no_websocket(server: Running, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with opened(server.app.port, additional_headers=headers):
            pass
    assert caught.value.response.status_code in (401, 403)


async def test_a_denied_user_gets_no_websocket(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def deny(self: Any, handler: Any, user: Any, action: str, resource: str) -> bool:
        asked.append((action, resource))
        return False

    monkeypatch.setattr(AllowAllAuthorizer, "is_authorized", deny)
    for way in ("tcp", "unix"):
        with pytest.raises(InvalidStatus) as caught:
            async with opened(server.app.port, way):
                pass
        assert caught.value.response.status_code == 403
    assert asked == [("read", "orkee")] * 2


async def test_a_login_cookie_counts_from_the_servers_own_pages_only(server: Running) -> None:
    async with login(server) as browser:
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    own = {"additional_headers": {"Cookie": cookies}, "origin": server.origin}
    async with live(server, **own):
        pass
    with pytest.raises(InvalidStatus) as caught:
        async with opened(server.app.port, **{**own, "origin": "http://elsewhere.test"}):
            pass
    assert caught.value.response.status_code == 403


async def test_a_get_that_is_no_handshake_is_told_so(server: Running) -> None:
    answer = await server.http.get("/live")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
