"""Websockets of whoever is logged in, with made-up messages: answered as documented, and no more.

``ORKEE_FUZZ_EXAMPLES`` is how many dialogues are made up for each (15).
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from tests.sandboxd.made_up import FUZZ, VALUES, near
from tests.server import live
from tests.server.conftest import Running
from tests.server.stub import StubExec
from tests.server.test_exec_socket import answers, opened

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(0)]
MADE_UP = settings(FUZZ, suppress_health_check=list(HealthCheck))
START = {"type": "start", "command": ["x"], "stdin": True, "env": {"A": "b"}, "cwd": "/", "tty": 1}
EXEC = near(START, {"type": "end"}, {"type": "signal", "signal": "TERM"}, {"type": "resize"})
LIVE = near(
    {"type": "logs", "id": 1, "ref": "web", "tail": 5, "after": 0, "follow": True},
    {"type": "more", "id": 1},
    {"type": "close", "id": 1},
    {"type": "watch", "stats": True},
)
#: What ends each dialogue, if nothing did before: it is no JSON.
LAST = "]"


def said(messages: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[str | bytes]]:
    """Return dialogues: messages that are near right ones, other JSON, text, and bytes."""
    text = st.one_of(messages, messages, VALUES).map(json.dumps)
    other = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    return st.lists(st.one_of(text, text, other, st.binary(max_size=20)), max_size=6)


async def say(socket: Any, messages: list[str | bytes]) -> None:
    with contextlib.suppress(ConnectionClosed):
        for message in [*messages, LAST]:
            await socket.send(message)


def codes(found: list[Any]) -> set[str]:
    """Return the codes of problems among answers."""
    problems = [each.get("problem", each) for each in found if isinstance(each, dict)]
    return {str(each["code"]) for each in problems if "code" in each}


@MADE_UP
@given(messages=said(EXEC))
async def test_made_up_messages_to_a_command(
    server: Running, caplog: pytest.LogCaptureFixture, messages: list[str | bytes]
) -> None:
    server.manager.exec_stream = StubExec([])
    server.manager.exec_stream.hangs = True
    async with opened(server) as socket:
        await say(socket, messages)
        found = await answers(socket)  # each checked against the document
    assert codes(found) == {"invalid_request"}
    assert not [record for record in caplog.records if record.exc_info]


@MADE_UP
@given(messages=said(LIVE))
async def test_made_up_messages_to_the_live_connection(
    server: Running, caplog: pytest.LogCaptureFixture, messages: list[str | bytes]
) -> None:
    async with live.opened(server.app.port) as client:
        await client.next("hello")
        await say(client.socket, messages)
        found, code = await client.closed()
    for each in found:
        live.ANSWER.validate(each)
    assert codes(found) <= {"invalid_request", "sandbox_not_found", "too_many_streams"}, found
    assert code in (1003, 1006, 1009)
    assert not [record for record in caplog.records if record.exc_info]
