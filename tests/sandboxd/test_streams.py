"""Credit, ends and resets of exec and port streams, against a scripted daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import pytest_asyncio

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ExecRequest, Output
from orkee_jupyter.sandboxd import frames
from orkee_jupyter.sandboxd.execute import ExecStream, PortStream
from orkee_jupyter.sandboxd.hub import Hub

from .conftest import Connect
from .peer import PATIENCE, Peer

pytestmark = pytest.mark.asyncio
Exec = Callable[..., Awaitable[tuple[ExecStream, Peer]]]
EXIT = {"exit_code": 0, "signal": None, "timed_out": False, "duration_ms": 5}


@pytest_asyncio.fixture
async def execute(hub: Hub, sandbox_id: str, connect: Connect) -> Exec:
    """Return what runs a command and gives both ends of its stream."""
    daemon_peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 1)

    async def run(credit: int = 0, **how: object) -> tuple[ExecStream, Peer]:
        peer = await daemon_peer.stream()
        request = ExecRequest(command=("x",), **how)  # type: ignore[arg-type]
        starting = asyncio.create_task(daemon.exec(request))
        await peer.expect_json(frames.OPEN)
        peer.json(frames.OPENED, {"credit": credit, "pid": 5})
        return await starting, peer

    return run


async def test_writing_waits_for_credit(execute: Exec) -> None:
    stream, peer = await execute(4, stdin=True)
    writing = asyncio.create_task(stream.write(b"abcdef"))
    assert await peer.expect(frames.DATA) == b"\0abc"
    assert not writing.done()
    peer.raw(frames.encode_credit(10))
    assert await peer.expect(frames.DATA) == b"\0def"
    await writing
    await stream.end_stdin()
    await stream.end_stdin()
    assert await peer.expect(frames.END) == b"\0"
    with pytest.raises(OrkeeError):
        await stream.write(b"more")


async def test_credit_is_given_back_as_output_is_read(execute: Exec) -> None:
    stream, peer = await execute()
    for _ in range(8):
        peer.data(1, b"x" * 65535)
    async with asyncio.timeout(PATIENCE):
        read = 0
        async for piece in stream:
            read += len(piece.data)
            if read == 8 * 65535:
                break
        await peer.expect(frames.CREDIT)


async def test_small_pieces_are_joined_and_streams_kept_in_order(execute: Exec) -> None:
    stream, peer = await execute()
    for channel, data in ((1, b"a"), (1, b""), (1, b"b"), (2, b"E"), (1, b"c")):
        peer.data(channel, data)
    peer.json(frames.EXIT, EXIT)
    assert (await stream.exit()).exit_code == 0
    got = [piece async for piece in stream]
    assert got == [Output("stdout", b"ab"), Output("stderr", b"E"), Output("stdout", b"c")]


async def test_output_before_the_loss_is_given_then_the_loss(execute: Exec) -> None:
    stream, peer = await execute()
    peer.data(1, b"half")
    await peer.close()
    assert await stream.next_piece() == (1, b"half")
    with pytest.raises(OrkeeError) as caught:
        await stream.next_piece()
    assert caught.value.code == "sandbox_lost"
    with pytest.raises(OrkeeError):
        await stream.exit()


async def test_a_writer_is_freed_when_the_command_ends(execute: Exec) -> None:
    stream, peer = await execute(1, stdin=True)
    writing = asyncio.create_task(stream.write(b"never read"))
    await asyncio.sleep(0)
    peer.json(frames.EXIT, EXIT)
    async with asyncio.timeout(PATIENCE):
        await writing
        assert (await stream.exit()).duration == 0.005


async def test_cancelling_a_read_loses_nothing(execute: Exec) -> None:
    stream, peer = await execute()
    reading = asyncio.create_task(stream.next_piece())
    await asyncio.sleep(0)
    reading.cancel()
    peer.data(1, b"kept")
    assert await stream.next_piece() == (1, b"kept")


async def test_closing_resets_once(execute: Exec) -> None:
    stream, peer = await execute()
    await stream.signal("INT")
    await stream.close()
    await stream.close()
    assert await peer.expect_json(frames.SIGNAL) == {"signal": "INT"}
    assert (await peer.expect_json(frames.RESET))["code"] == "cancelled"
    await peer.close()
    with pytest.raises(OrkeeError):
        await stream.signal("not a signal")


async def test_giving_up_while_it_opens_resets(hub: Hub, sandbox_id: str, connect: Connect) -> None:
    daemon_peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 1)
    peer = await daemon_peer.stream()
    starting = asyncio.create_task(daemon.exec(ExecRequest(command=("x",))))
    await peer.expect_json(frames.OPEN)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert (await peer.expect_json(frames.RESET))["code"] == "cancelled"


@pytest.mark.parametrize("first", ["here", "there"])
async def test_a_port_stream_ends_after_both_halves(
    hub: Hub, sandbox_id: str, connect: Connect, first: str
) -> None:
    daemon_peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, 1)
    peer = await daemon_peer.stream()
    dialling: asyncio.Task[PortStream] = asyncio.create_task(daemon.dial(3000))
    assert (await peer.expect_json(frames.OPEN))["port"] == 3000
    peer.json(frames.OPENED, {"credit": 100})
    stream = await dialling
    if first == "here":
        await stream.end_write()
    peer.data(0, b"bytes")
    peer.raw(frames.encode_end(0))
    assert [await stream.read() for _ in range(3)] == [b"bytes", b"", b""]
    if first == "there":
        await stream.write(b"still")
        assert await peer.expect(frames.DATA) == b"\0still"
        await stream.end_write()
    assert await peer.expect(frames.END) == b"\0"
    await peer.close()
