"""Joins a socket of this host with a port in a sandbox, both ways, until both have ended."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any

from ..sandbox.errors import OrkeeError
from .daemon import Daemon
from .execute import PortStream, RawPort
from .guard import HEAD_LIMIT, absence, judge

#: Bytes moved in one step: at first, and by a connection that is quick on both sides. More
#: at once costs less; but what a slow side does not take has to be kept.
_LEAST, _MOST = 65_536, 1_048_576
#: One buffer for all splices of a process: it is filled and emptied in one step.
_BUFFER = memoryview(bytearray(_MOST))
#: Seconds between two notes that a connection is in use.
_NOTE = 1.0
_PIECE = 65_536  # bytes, where frames carry them
_BREAK = struct.pack("ii", 1, 0)  # SO_LINGER: closing tells the peer of a broken connection


async def splice(
    daemon: Daemon,
    port: int,
    client: socket.socket,
    *,
    is_direct: bool,
    is_guarded: bool = True,
    used: Callable[[], None] = lambda: None,
) -> None:
    """Carry bytes between a connected, non-blocking socket and a port, then close the socket.

    A connection that breaks on one side breaks on the other, as does one whose sandbox is
    lost. ``used`` is called when bytes flow, at most once a second. Raises OrkeeError if
    the port can't be reached, of which a browser is told by a page where the connection is
    guarded; cancelling it breaks the connection.
    """
    meter = _Meter(used)
    ended = False
    try:
        if client.family in (socket.AF_INET, socket.AF_INET6):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            stream = await (daemon.dial_raw(port) if is_direct else daemon.dial(port))
        except OrkeeError as error:
            if is_guarded and error.code == "link_failed":
                ended = await _tell(client, port)
            raise
        if isinstance(stream, RawPort):
            ended = await _join_raw(daemon, *stream.detach(), client, meter, is_guarded)
        else:
            ended = await _join_frames(stream, client, meter, is_guarded)
    finally:
        if not ended:
            break_off(client)
        client.close()


def break_off(sock: socket.socket) -> None:
    """Have the peer see a broken connection when the socket is closed, not a clean end."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _BREAK)


class _Meter:
    """Notes use, at most every :data:`_NOTE` seconds."""

    def __init__(self, used: Callable[[], None]) -> None:
        self._used = used
        self._time = asyncio.get_running_loop().time
        self._next = float("-inf")

    def note(self) -> None:
        now = self._time()
        if now >= self._next:
            self._next = now + _NOTE
            self._used()


# -- bare bytes: the direct link --------------------------------------------------------


class _Half:
    """One direction between two non-blocking sockets. ``done`` holds its end, or what broke it.

    ``other`` is the other direction, once there is one. It breaks along: a socket tells of
    a reset once only, so what it tells the other direction next would look like a clean end.
    """

    other: _Half | None = None

    def __init__(
        self, source: socket.socket, sink: socket.socket, meter: _Meter, first: bytes = b""
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._source, self._sink, self._meter = source, sink, meter
        self._rest = memoryview(first)  # read, but not taken by the sink yet
        self._step = _LEAST
        self.done: asyncio.Future[None] = self._loop.create_future()
        if first:
            self._loop.add_writer(sink, self._write)
        else:
            self._loop.add_reader(source, self._read)

    def stop(self) -> None:
        """Watch the sockets no more. May be called twice."""
        if not self.done.done():
            self._loop.remove_reader(self._source)
            self._loop.remove_writer(self._sink)
            self.done.cancel()

    def _read(self) -> None:
        try:
            size = self._source.recv_into(_BUFFER[: self._step])
            if size == 0:
                self._end()
                return
            sent = self._send(_BUFFER[:size])
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._break(error)
            return
        if sent < size:
            self._step = max(_LEAST, self._step // 2)
            self._rest = memoryview(bytes(_BUFFER[sent:size]))
            self._loop.remove_reader(self._source)
            self._loop.add_writer(self._sink, self._write)
        elif size == self._step:
            self._step = min(_MOST, self._step * 2)
        self._meter.note()

    def _send(self, data: memoryview) -> int:
        try:
            return self._sink.send(data)
        except (BlockingIOError, InterruptedError):
            return 0

    def _write(self) -> None:
        try:
            self._rest = self._rest[self._send(self._rest) :]
        except OSError as error:
            self._break(error)
            return
        if not self._rest:
            self._loop.remove_writer(self._sink)
            self._loop.add_reader(self._source, self._read)

    def _end(self) -> None:
        self._loop.remove_reader(self._source)
        with contextlib.suppress(OSError):
            self._sink.shutdown(socket.SHUT_WR)
        self.done.set_result(None)

    def _break(self, error: OSError) -> None:
        for half in (self, self.other):
            if half is not None and not half.done.done():
                self._loop.remove_reader(half._source)
                self._loop.remove_writer(half._sink)
                half.done.set_exception(error)
                half.done.exception()  # the other half may have been the one to be asked


async def _join_raw(
    daemon: Daemon,
    inside: socket.socket,
    ahead: bytes,
    client: socket.socket,
    meter: _Meter,
    is_guarded: bool,
) -> bool:
    """Return whether both directions came to a clean end."""
    halves = [_Half(inside, client, meter, ahead)]
    lost = asyncio.ensure_future(daemon.lost())
    clean = False
    try:
        first = await _admit(client, lost, halves[0].done) if is_guarded else b""
        if first is None:
            return False
        halves.append(_Half(client, inside, meter, first))
        halves[0].other, halves[1].other = halves[1], halves[0]
        waits: set[asyncio.Future[Any]] = {lost, *(half.done for half in halves)}
        while lost in waits and len(waits) > 1:
            done, waits = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if lost in done or any(half.exception() for half in done):
                return False
        clean = True
        return True
    finally:
        lost.cancel()
        for half in halves:
            half.stop()
        if not clean:
            break_off(inside)
        inside.close()


# -- frames: the forwarded link ---------------------------------------------------------


async def _join_frames(
    stream: PortStream, client: socket.socket, meter: _Meter, is_guarded: bool
) -> bool:
    """Return whether both directions came to a clean end."""
    outward = asyncio.ensure_future(_outward(stream, client, meter))
    inward: asyncio.Future[bool] | None = None
    try:
        first = await _admit(client, outward) if is_guarded else b""
        if first is None:
            return False
        inward = asyncio.ensure_future(_inward(stream, client, meter, first))
        done, _ = await asyncio.wait({outward, inward}, return_when=asyncio.FIRST_EXCEPTION)
        return len(done) == 2 and not any(half.exception() for half in done)
    finally:
        halves = [half for half in (outward, inward) if half is not None]
        for half in halves:
            half.cancel()
        await asyncio.gather(*halves, return_exceptions=True)
        await stream.close()


async def _outward(stream: PortStream, client: socket.socket, meter: _Meter) -> bool:
    loop = asyncio.get_running_loop()
    while data := await stream.read():
        meter.note()
        await loop.sock_sendall(client, data)
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_WR)
    return True


async def _inward(stream: PortStream, client: socket.socket, meter: _Meter, first: bytes) -> bool:
    loop = asyncio.get_running_loop()
    data = first or await loop.sock_recv(client, _PIECE)
    while data:
        meter.note()
        await stream.write(data)
        data = await loop.sock_recv(client, _PIECE)
    await stream.end_write()
    return True


# -- the look at the first bytes ---------------------------------------------------------


async def _admit(client: socket.socket, *ends: asyncio.Future[Any]) -> bytes | None:
    """Return the first bytes of a connection that may pass, b"" if there were none.

    None if it was refused, which it has been told then, if it broke, or if one of ``ends``
    brought an error or a value first.
    """
    data = b""
    while True:
        piece = await _receive(client, ends)
        if piece is None:
            return None
        data += piece
        verdict = judge(data)
        if verdict.answer is not None:
            await _refuse(client, verdict.answer)
            return None
        if not piece or not verdict.needs_more:
            return data


async def _tell(client: socket.socket, port: int) -> bool:
    """Tell a browser, if the client is one, that nothing listens; return whether it was told."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_NOTE):
            first = await _admit(client)
            answer = absence(first, port) if first else None
            if answer is not None:
                await _refuse(client, answer)
                return True
    return False


async def _receive(client: socket.socket, ends: tuple[asyncio.Future[Any], ...]) -> bytes | None:
    """Return the next bytes of a client, None once it broke or one of ``ends`` did."""
    receiving = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(client, HEAD_LIMIT))
    try:
        waits: set[asyncio.Future[Any]] = {receiving, *ends}
        while receiving in waits:
            done, waits = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            broken = [
                each.exception() is not None or isinstance(each.result(), str)
                for each in done - {receiving}
            ]
            if any(broken):
                return None
        return None if receiving.exception() else receiving.result()
    finally:
        receiving.cancel()
        await asyncio.wait({receiving})


async def _refuse(client: socket.socket, answer: bytes) -> None:
    """Send an answer, and read until the client has closed: a reset might overtake it."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_NOTE):
            await loop.sock_sendall(client, answer)
            client.shutdown(socket.SHUT_WR)
            while await loop.sock_recv(client, _PIECE):
                pass
