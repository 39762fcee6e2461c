"""One connection that sandboxd dialled: bytes in, frames out, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, Protocol

from . import frames

#: Size of the receive buffer that all connections of a hub share. It also bounds
#: how long one call of ``buffer_updated`` holds the event loop.
BUFFER_SIZE = 131_072
#: Seconds that a finished connection waits for the peer's close. Closing at once,
#: with bytes unread, could take our last frame away from the peer.
LINGER = 2.0


class Role(Protocol):
    """What a connection is for at the moment; gets its frames and its end."""

    def frame(self, kind: int, payload: memoryview) -> None:
        """Take a frame. Raises ProtocolError."""

    def closed(self, reason: str) -> None:
        """Take note that the connection is gone."""


class Connection(asyncio.BufferedProtocol):
    """Frames over one socket. It always reads; credit bounds what can be waiting.

    ``buffer`` is shared: the event loop fills it and hands it over in one step,
    and what is left of a frame is copied out, so idle connections cost nothing.
    """

    def __init__(
        self,
        buffer: memoryview,
        role: Role,
        *,
        made: Callable[[Connection], None] | None = None,
    ) -> None:
        self.role = role
        self.peer = ""
        #: Called with a sentence when the peer breaks the protocol.
        self.on_broken: Callable[[Connection, str], None] | None = None
        self.on_closed: Callable[[Connection], None] | None = None
        self._buffer = buffer
        self._made = made
        self._decoder = frames.Decoder(self._frame)
        self._transport: asyncio.Transport | None = None
        self._drained: asyncio.Future[None] | None = None
        self._finishing = False
        self._linger: asyncio.TimerHandle | None = None
        self._reason = "the connection was closed"
        self._ahead = bytearray()  # read behind the last frame
        self.is_closed = False

    def allow(self, *kinds: int) -> None:
        """Set the types of frame that may come next."""
        self._decoder.allowed = frozenset(kinds)

    def go_raw(self) -> None:
        """Take no more frames: what comes now is for the one who detaches the socket."""
        assert self._transport is not None
        self._decoder.raw = self._ahead.extend
        self._transport.pause_reading()

    def detach(self) -> tuple[socket.socket, bytes]:
        """Return the socket and what was read behind the last frame; this end is closed.

        To be called after :meth:`go_raw`. Raises OSError if the connection is gone.
        """
        if self.is_closed or self._transport is None:
            raise OSError("the connection was closed")
        # asyncio gives no socket back, but closing its descriptor leaves ours open.
        given: Any = self._transport.get_extra_info("socket")
        taken = socket.socket(fileno=os.dup(given.fileno()))
        taken.setblocking(False)
        self.abort()
        return taken, bytes(self._ahead)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin (asyncio)."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=262_144)
        name: Any = transport.get_extra_info("peername")
        self.peer = str(name[0]) if isinstance(name, tuple) and name else ""
        if self._made is not None:
            self._made(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what arrives (asyncio)."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what arrived (asyncio)."""
        if self._finishing:
            return
        try:
            self._decoder.feed(self._buffer[:nbytes])
        except frames.ProtocolError as error:
            self.abort(f"the daemon broke the protocol: {error}")
            if self.on_broken is not None:
                self.on_broken(self, str(error))

    def _frame(self, kind: int, payload: memoryview) -> None:
        # A frame may end the connection while more frames wait in the buffer.
        if not self._finishing:
            self.role.frame(kind, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        """End (asyncio)."""
        if self.is_closed:
            return
        self.is_closed = self._finishing = True
        if self._linger is not None:
            self._linger.cancel()
        self.resume_writing()
        self.role.closed(self._reason)
        if self.on_closed is not None:
            self.on_closed(self)

    def pause_writing(self) -> None:
        """Note that the socket is full (asyncio)."""
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Note that the socket takes bytes again (asyncio)."""
        if self._drained is not None:
            if not self._drained.done():
                self._drained.set_result(None)
            self._drained = None

    def write(self, frame: bytes) -> None:
        """Send a frame, or nothing if the connection is at its end."""
        if self._transport is not None and not self._finishing:
            self._transport.write(frame)

    async def drain(self) -> None:
        """Wait until the socket takes bytes, or the connection is gone."""
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def finish(self, last: bytes = b"") -> None:
        """Send a last frame, ignore what still comes, and close when the peer has."""
        if self._finishing or self._transport is None:
            return
        if last:
            self._transport.write(last)
        self._finishing = True
        loop = asyncio.get_running_loop()
        self._linger = loop.call_later(LINGER, self.abort)

    def abort(self, reason: str | None = None) -> None:
        """Close at once; ``reason`` goes to the role if it is still waiting."""
        if reason is not None and not self.is_closed:
            self._reason = reason
        self._finishing = True
        if self._transport is not None:
            self._transport.abort()
