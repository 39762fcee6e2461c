"""Terminals of the real sandboxd, over both links."""

from __future__ import annotations

import asyncio

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import TerminalRequest
from orkee_jupyter.sandboxd.hub import Hub
from orkee_jupyter.sandboxd.terminal import TerminalStream

from .conftest import Run

pytestmark = pytest.mark.asyncio


async def shown(stream: TerminalStream, text: bytes) -> bytes:
    """Return what a terminal shows, up to some text."""
    seen = b""
    async with asyncio.timeout(20):
        async for output in stream:
            seen += output.data
            if text in seen:
                return seen
    raise AssertionError(f"{text!r} was not shown but {seen!r}")


async def test_a_terminal_has_a_size_and_an_end(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    script = "echo ready; read x; stty size; exit 3"
    stream = await daemon.terminal(TerminalRequest(command=("sh", "-c", script)))
    await shown(stream, b"ready")
    await stream.resize(30, 100)
    await stream.write(b"\r")
    await shown(stream, b"30 100\r\n")
    async with asyncio.timeout(20):
        assert (await stream.exit()).exit_code == 3
    assert (stream.name, stream.reattached, stream.position) == ("1", False, 0)


async def test_a_terminal_that_was_left_is_found_again(hub: Hub, sandbox_id: str, run: Run) -> None:
    daemon = await run(hub, sandbox_id)
    first = await daemon.terminal(TerminalRequest(command=("cat",), name="work"))
    await first.write(b"one\r")
    await shown(first, b"one\r\none\r\n")
    await first.close()
    again = await daemon.terminal(TerminalRequest(name="work", attach=True, seen=5))
    assert (again.pid, again.reattached, again.replay, again.position) == (first.pid, True, 0, 5)
    assert await shown(again, b"\n") == b"one\r\n"
    (listed,) = await daemon.processes()
    assert (listed.kind, listed.name) == ("terminal", "work")
    fresh = await daemon.terminal(TerminalRequest(name="work"))
    assert await shown(fresh, b"one\r\none\r\n") == b"one\r\none\r\n"
    with pytest.raises(OrkeeError) as caught:
        await again.exit()
    assert caught.value.code == "terminal_taken"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (TerminalRequest(name="other", attach=True), "terminal_not_found"),
        (TerminalRequest(name="work", new=True), "terminal_exists"),
        (TerminalRequest(command=("no-such-command",)), "command_not_found"),
        (TerminalRequest(new=True, cwd="/no/such"), "invalid_directory"),
        (TerminalRequest(rows=0), "invalid_request"),
    ],
)
async def test_a_refused_terminal_has_a_clear_code(
    hub: Hub, sandbox_id: str, run: Run, request_: TerminalRequest, code: str
) -> None:
    daemon = await run(hub, sandbox_id)
    await daemon.terminal(TerminalRequest(command=("cat",), name="work"))
    with pytest.raises(OrkeeError) as caught:
        await daemon.terminal(request_)
    assert caught.value.code == code


async def test_more_terminals_than_there_may_be_are_refused(
    hub: Hub, sandbox_id: str, run: Run
) -> None:
    daemon = await run(hub, sandbox_id)
    for _ in range(32):
        await (await daemon.terminal(TerminalRequest(command=("cat",)))).close()
    with pytest.raises(OrkeeError) as caught:
        await daemon.terminal(TerminalRequest(command=("cat",)))
    assert caught.value.code == "too_many_terminals"
