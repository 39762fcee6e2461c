"""Ports of a sandbox on this host's loopback, with the real sandboxd on both links."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandboxd import frames
from orkee_jupyter.sandboxd.hub import Hub
from orkee_jupyter.sandboxd.portmap import MAX_CONNECTIONS, PortMap

from .conftest import Connect, Run
from .peer import PATIENCE

pytestmark = pytest.mark.asyncio
Serve = Callable[[Callable[..., Awaitable[None]]], Awaitable[int]]
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest_asyncio.fixture
async def ports(hub: Hub, sandbox_id: str, run: Run) -> PortMap:
    """The port map of a sandbox that runs, on each link."""
    await run(hub, sandbox_id)
    return hub.ports(sandbox_id)


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """What starts a program that listens in the sandbox, which is this host here."""
    servers: list[asyncio.Server] = []

    async def start(handle: Callable[..., Awaitable[None]]) -> int:
        servers.append(await asyncio.start_server(handle, "127.0.0.1", 0))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, and at its end how much it was."""
    size = 0
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            size += len(data)
            writer.write(data)
            await writer.drain()
        writer.write(b"|%d" % size)
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def dialled(number: int) -> AsyncIterator[Pair]:
    """A connection to a port of the host."""
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def test_a_half_close_goes_in_and_the_answer_comes_out(ports: PortMap, serve: Serve) -> None:
    number = ports.listen(await serve(echo))
    async with dialled(number) as (reader, writer):
        writer.write(b"hello")
        writer.write_eof()
        assert await reader.read() == b"hello|5"


async def test_much_is_whole_both_ways(ports: PortMap, serve: Serve) -> None:
    sent = bytes(range(256)) * (1 << 16)
    async with dialled(ports.listen(await serve(echo))) as (reader, writer):

        async def send() -> None:
            writer.write(sent)
            await writer.drain()
            writer.write_eof()

        sending = asyncio.create_task(send())
        assert await reader.read() == sent + b"|%d" % len(sent)
        await sending


async def test_a_program_that_speaks_first_is_heard(ports: PortMap, serve: Serve) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        writer.close()

    async with dialled(ports.listen(await serve(greet))) as (reader, _):
        assert await reader.read() == b"220 hello\r\n"


async def test_a_connection_that_breaks_inside_breaks_outside(ports: PortMap, serve: Serve) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        broken = writer.get_extra_info("socket")
        broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    address = ports.listen(await serve(break_off))
    for _ in range(100):  # which direction is told first is chance
        async with dialled(address) as (reader, writer):
            writer.write(b"x" * 100_000)
            with pytest.raises(ConnectionError):
                await reader.read()


async def test_a_port_that_nobody_serves_is_broken_off(ports: PortMap) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with dialled(ports.listen(port)) as (reader, _):
        with pytest.raises(ConnectionError):
            await reader.read()


@pytest.mark.parametrize(
    ("accept", "seen"),
    [("text/html,*/*", b"Nothing answers on port"), ("application/json", None)],
)
async def test_a_browser_is_told_of_a_port_that_nobody_serves(
    ports: PortMap, accept: str, seen: bytes | None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with dialled(ports.listen(port)) as (reader, writer):
        writer.write(f"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode())
        if seen is None:
            with pytest.raises(ConnectionError):
                await reader.read()
            return
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert seen in answer


async def test_a_hundred_at_once_and_a_slow_one_beside(ports: PortMap, serve: Serve) -> None:
    number = ports.listen(await serve(echo))

    async def one(text: bytes) -> bytes:
        async with dialled(number) as (reader, writer):
            writer.write(text)
            writer.write_eof()
            return await reader.read()

    async with dialled(number) as (_, slow):
        slow.write(bytes(32 << 20))  # and nobody reads what comes back
        answers = await asyncio.gather(*(one(b"%d" % n) for n in range(100)))
        slow.transport.abort()
    assert answers == [b"%d|%d" % (n, len(str(n))) for n in range(100)]


async def test_a_page_of_another_site_is_refused_before_the_program_hears(
    ports: PortMap, serve: Serve
) -> None:
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read())
        writer.close()

    async with dialled(ports.listen(await serve(listen))) as (reader, writer):
        for piece in (b"GET / HT", b"TP/1.1\r\nHost: evil.exam", b"ple\r\n\r\n"):
            writer.write(piece)
            await writer.drain()
        assert (await reader.read()).startswith(b"HTTP/1.1 421 ")
    assert heard == b""


async def test_traffic_is_noted(ports: PortMap, serve: Serve) -> None:
    noted = asyncio.Event()
    ports.used = noted.set
    async with dialled(ports.listen(await serve(echo))) as (reader, writer):
        writer.write(b"x")
        assert await reader.read(1) == b"x"
    assert noted.is_set()


async def test_a_connection_of_this_process_leads_to_the_port(ports: PortMap, serve: Serve) -> None:
    connection = ports.connect(await serve(echo))
    reader, writer = await asyncio.open_connection(sock=connection)
    writer.write(b"hi")
    writer.write_eof()
    assert await reader.read() == b"hi|2"
    writer.close()


async def test_a_close_ends_listeners_and_connections(
    hub: Hub, sandbox_id: str, ports: PortMap, serve: Serve
) -> None:
    number = ports.listen(await serve(echo))
    inside = ports.connect(await serve(echo))
    async with dialled(number) as (reader, writer):
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        await hub.close(sandbox_id)
        with pytest.raises(ConnectionError):
            assert await reader.read(1) != b""
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", number)
    assert await asyncio.get_running_loop().sock_recv(inside, 1) == b""
    inside.close()
    with pytest.raises(OrkeeError):
        hub.ports(sandbox_id)


async def test_too_many_connections_are_broken_off(ports: PortMap, serve: Serve) -> None:
    port = await serve(echo)
    held = [ports.connect(port) for _ in range(MAX_CONNECTIONS)]
    over = ports.connect(port)
    assert await asyncio.get_running_loop().sock_recv(over, 1) == b""
    for connection in (*held, over):
        connection.close()


# -- numbers ----------------------------------------------------------------------


async def test_a_number_is_wanted_the_same_or_free(ports: PortMap) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(OrkeeError) as caught:
            ports.listen(3000, number)
        assert (caught.value.code, caught.value.details["host_port"]) == ("port_taken", number)
        assert ports.listen(number, same=True) != number
    assert ports.listen(3000, number) == number
    assert ports.listen(3000) == number, "a second time it is the same"
    await ports.unlisten(3000)
    assert ports.listen(number + 0 if number != 3000 else 3001) != 3000


async def test_a_number_that_was_given_up_is_free_again(ports: PortMap) -> None:
    number = ports.listen(3000)
    await ports.unlisten(3000)
    assert ports.listen(4000, number) == number


# -- what is listened on -------------------------------------------------------------


async def test_a_port_that_is_listened_on_later_is_told_of(ports: PortMap, serve: Serve) -> None:
    known = ports.listening
    port = await serve(echo)
    async with asyncio.timeout(5):
        while port not in known:
            known = await ports.change(known)


@pytest.mark.parametrize(
    "listening", [None, {}, [{}], [{"port": 0}], [{"port": True}], [{"port": 70_000}], [1] * 257]
)
async def test_a_notice_that_is_none_ends_the_link(
    hub: Hub, sandbox_id: str, connect: Connect, listening: object
) -> None:
    peer = await connect(hub, sandbox_id)
    daemon = await hub.connected(sandbox_id, PATIENCE)
    peer.control.json(frames.NOTICE, {"event": "ports", "listening": listening})
    async with asyncio.timeout(PATIENCE):
        assert "protocol" in await daemon.lost()
