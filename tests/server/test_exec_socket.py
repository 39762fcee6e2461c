"""A command over a websocket: dialogue, signals, refusals, who may open one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jupyter_server.auth.authorizer import AllowAllAuthorizer
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Output
from orkee_jupyter.server import exec_socket
from orkee_jupyter.server.openapi import document
from tests.server.conftest import BASE, TOKEN, Running
from tests.server.stub import ID, StubExec
from tests.server.test_auth import login

pytestmark = pytest.mark.asyncio
START = json.dumps({"type": "start", "command": ["x"], "stdin": True})


@contextlib.asynccontextmanager
async def opened(
    server: Running, way: str = "tcp", ref: str = "web", **options: Any
) -> AsyncIterator[ClientConnection]:
    """Give a websocket to the stub's sandbox."""
    if way == "unix":
        url = f"ws://orkee/orkee/api/sandbox/{ref}/exec"
        connecting = unix_connect(os.environ["ORKEE_SOCKET"], url, **options)
    else:
        options.setdefault("additional_headers", {"Authorization": f"token {TOKEN}"})
        url = f"ws://127.0.0.1:{server.app.port}{BASE}orkee/api/sandbox/{ref}/exec"
        connecting = connect(url, proxy=None, **options)
    async with connecting as socket:
        yield socket


async def answers(socket: ClientConnection) -> list[Any]:
    """Return all that still comes: text as JSON, checked against the document, else bytes."""
    found: list[Any] = []
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await socket.recv()
                found.append(message if isinstance(message, bytes) else checked(message))
    return found


def checked(message: str) -> Any:
    value = json.loads(message)
    schema = {"$ref": "#/components/schemas/ExecAnswer", "components": document("/")["components"]}
    Draft202012Validator(schema).validate(value)
    return value


@pytest.mark.parametrize("way", ["tcp", "unix"])
async def test_a_command_begins_writes_and_ends(server: Running, way: str) -> None:
    server.manager.exec_stream = StubExec([Output("stdout", b"\0a"), Output("stderr", b"b")])
    async with opened(server, way) as socket:
        await socket.send(START)
        first, *output, last = await answers(socket)
    assert first == {"type": "started", "pid": 7, "window": 1048576}
    assert output == [b"\x01\0a", b"\x02b"]
    assert (last["type"], last["exit_code"]) == ("exit", 3)
    (called,) = [call for call in server.manager.calls if call[0] == "exec"]
    assert (called[1], called[2].stdin, called[3]) == (ID, True, "local")


async def test_stdin_is_taken_and_told(server: Running) -> None:
    stream = server.manager.exec_stream = StubExec([])
    stream.hangs = True
    async with opened(server) as socket:
        await socket.send(START)
        assert checked(str(await socket.recv()))["type"] == "started"
        await socket.send(b"\0hello")
        assert checked(str(await socket.recv())) == {"type": "taken", "bytes": 5}
        await socket.send('{"type": "end"}')
        while not stream.stdin_ended:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert stream.stdin == b"hello"


async def test_a_signal_reaches_the_command(server: Running) -> None:
    stream = server.manager.exec_stream = StubExec([])
    stream.hangs = True
    async with opened(server) as socket:
        await socket.send(START)
        await socket.recv()
        await socket.send('{"type": "resize", "rows": 1, "columns": 2}')
        await socket.send('{"type": "signal", "signal": "INT"}')
        while not stream.signals:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert stream.signals == ["INT"]


async def test_a_client_that_goes_away_ends_its_command(server: Running) -> None:
    stream = server.manager.exec_stream = StubExec([])
    stream.hangs = True
    async with opened(server) as socket:
        await socket.send(START)
        await socket.recv()
    await asyncio.wait_for(stream.closed.wait(), 5)
    assert server.extension.context.requests == 0


@pytest.mark.parametrize(
    "messages",
    [
        ["nonsense"],
        ["[]"],
        ['{"type": "signal", "signal": "INT"}'],
        ['{"type": "start"}'],
        ['{"type": "start", "command": ["x"], "tty": 1}'],
        ['{"type": "start", "tty": true, "rows": 0}'],
        ['{"type": "start", "tty": true, "name": "../x"}'],
        ['{"type": "start", "tty": true, "new": true, "attach": true}'],
        ['{"type": "start", "tty": true, "stdin": true}'],
        ['{"type": "start", "tty": true}', '{"type": "resize", "rows": 24}'],
        [START, '{"type": "dance"}'],
        [START, b"\x05x"],
        [START, b""],
        [START, '{"type": "end"}', b"\0more"],
    ],
)
async def test_what_cannot_be_understood_ends_with_a_problem(
    server: Running, messages: list[str | bytes]
) -> None:
    server.manager.exec_stream.hangs = True
    async with opened(server) as socket:
        for message in messages:
            await socket.send(message)
        *_, last = await answers(socket)
    assert (last["success"], last["code"]) == (False, "invalid_request")


async def test_a_problem_of_the_manager_is_the_last_message(server: Running) -> None:
    server.manager.exec_stream = StubExec([], OrkeeError("sandbox_lost", "It was stopped."))
    async with opened(server) as socket:
        await socket.send(START)
        *_, last = await answers(socket)
    assert (last["code"], last["detail"]) == ("sandbox_lost", "It was stopped.")


async def test_a_defect_tells_nothing_but_that(server: Running) -> None:
    async with opened(server) as socket:
        server.manager.error = RuntimeError("secret")
        await socket.send(START)
        *_, last = await answers(socket)
    assert last["code"] == "internal"
    assert "secret" not in json.dumps(last)


async def test_one_that_never_starts_is_ended(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exec_socket, "START_TIMEOUT", 0.05)
    async with opened(server) as socket:
        (last,) = await answers(socket)
    assert last["code"] == "invalid_request"


async def test_a_reader_that_does_not_read_holds_the_command_up(server: Running) -> None:
    pieces = [Output("stdout", b"x" * 65536)] * 2000
    stream = server.manager.exec_stream = StubExec(pieces)
    async with opened(server, max_size=None, max_queue=1) as socket:
        await socket.send(START)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.closed.wait(), 0.5)
        size = sum(len(each) - 1 for each in await answers(socket) if isinstance(each, bytes))
    assert size == 65536 * 2000


@pytest.mark.parametrize(
    ("ref", "headers", "status", "code"),
    [
        ("nope", {"Authorization": f"token {TOKEN}"}, 404, "sandbox_not_found"),
        ("web", {}, 401, "unauthenticated"),
        ("web", {"Authorization": "token wrong"}, 401, "unauthenticated"),
    ],
)
async def test_a_refusal_comes_before_the_upgrade(
    server: Running, ref: str, headers: dict[str, str], status: int, code: str
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with opened(server, ref=ref, additional_headers=headers):
            pass
    assert caught.value.response.status_code == status
    assert json.loads(caught.value.response.body or b"")["code"] == code


async def test_the_authorizer_is_asked(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AllowAllAuthorizer, "is_authorized", lambda *_: False)
    with pytest.raises(InvalidStatus) as caught:
        async with opened(server):
            pass
    assert caught.value.response.status_code == 403
    assert server.manager.calls == []


async def test_a_page_of_another_origin_opens_none(server: Running) -> None:
    async with login(server) as browser:
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        own = {"Cookie": cookies, "Origin": server.origin}
        async with opened(server, additional_headers=own) as socket:
            await socket.send(START)
            assert (await answers(socket))[-1]["type"] == "exit"
        server.manager.calls.clear()
        other = {"Cookie": cookies, "Origin": f"http://127.0.0.1:{server.app.port + 1}"}
        with pytest.raises(InvalidStatus) as caught:
            async with opened(server, additional_headers=other):
                pass
    assert caught.value.response.status_code == 403
    assert server.manager.calls == []


async def test_a_get_that_is_no_handshake_is_told_so(server: Running) -> None:
    answer = await server.http.get("/sandbox/web/exec")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_processes_are_listed_and_signalled(server: Running) -> None:
    listed = (await server.http.get("/sandbox/web/processes")).json()["processes"]
    assert [(each["pid"], each["exit"] and each["exit"]["exit_code"]) for each in listed] == [
        (7, None),
        (8, 1),
    ]
    await server.http.post("/sandbox/web/processes/7/signal", json={"signal": "INT"})
    await server.http.post("/sandbox/web/processes/7/signal")
    signals = [call[1:4] for call in server.manager.calls if call[0] == "kill"]
    assert signals == [("web", 7, "INT"), ("web", 7, "TERM")]


async def test_a_detached_command_answers_its_pid_alone(server: Running) -> None:
    body = {"command": ["x"], "detach": True}
    answer = await server.http.post("/sandbox/web/exec", json=body)
    assert answer.text == '{"pid":7}\n'
    refused = await server.http.post("/sandbox/web/exec", json={**body, "stdin": "x"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
