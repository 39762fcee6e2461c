"""One stream on one connection: credit both ways, ends, resets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..sandbox.errors import OrkeeError
from . import frames
from .connection import Connection
from .frames import ProtocolError

#: Bytes of one DATA frame that we send.
CHUNK = 65_536
#: Bytes of one piece that a reader gets, at most, and to which small pieces are joined.
PIECE = 65_536


class Inbox:
    """Received bytes that wait for their reader, as ``channel | length: u24 | bytes``.

    One flat buffer: a peer that sends a frame a byte costs five bytes each, not
    an object each.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def __len__(self) -> int:
        return len(self._buffer)

    def put(self, channel: int, data: memoryview) -> None:
        """Keep a piece."""
        self._buffer += (channel << 24 | len(data)).to_bytes(4, "big")
        self._buffer += data

    def take(self) -> Iterator[tuple[int, bytes, int]]:
        """Yield all that waits as (channel, bytes, credit that it took), small pieces joined."""
        buffer, self._buffer = self._buffer, bytearray()
        view = memoryview(buffer)
        position, size = 0, len(buffer)
        current, joined, cost = -1, bytearray(), 0
        while position < size:
            channel = buffer[position]
            end = position + 4 + int.from_bytes(view[position + 1 : position + 4], "big")
            if cost and (channel != current or len(joined) + end - position > PIECE):
                yield current, bytes(joined), cost
                joined, cost = bytearray(), 0
            current = channel
            joined += view[position + 4 : end]
            cost += end - position - 3
            position = end
        if cost:
            yield current, bytes(joined), cost


class Stream:
    """A stream that the server opened on a connection out of the daemon's reserve.

    Subclasses say which channels carry what. ``reset_error`` turns the code and
    message of a RESET into the OrkeeError that the caller gets.
    """

    #: Channels of DATA that the daemon may send, and those that it may end; whether
    #: the reader is done once all of those have ended.
    channels: frozenset[int] = frozenset()
    ends: frozenset[int] = frozenset()
    ends_finish = False

    def __init__(
        self,
        connection: Connection,
        reset_error: Callable[[str, str], OrkeeError],
        window: int = frames.WINDOW,
    ) -> None:
        self._connection = connection
        self._reset_error = reset_error
        self._window = window
        self._allowance = window  # what the daemon may still send
        self._consumed = 0  # read, but not yet given back as credit
        self._credit = 0  # what we may still send
        self._opened: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._inbox = Inbox()
        self._waiting: Iterator[tuple[int, bytes, int]] = iter(())
        self._owed = 0  # credit of the piece that the reader has
        self._changed = asyncio.Event()  # input for the reader, or the end
        self._writable = asyncio.Event()  # credit for the writer, or the end
        self._write_lock = asyncio.Lock()
        self._ended: set[int] = set()
        self._over = False  # no frame will follow
        self._error: OrkeeError | None = None
        connection.role = self
        if connection.is_closed:
            self.closed("the connection was closed")

    async def open(self, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Send OPEN and return what OPENED says.

        Raises what the daemon's RESET stands for, ``sandbox_lost``, or
        ``link_failed`` after ``timeout`` seconds. Nothing is left open then.
        """
        self._connection.allow(frames.OPENED, frames.RESET)
        try:
            frame = frames.encode_json(frames.OPEN, {**request, "credit": self._window})
        except ValueError as error:  # the frame would be too long, or not Unicode
            self._connection.abort()
            raise OrkeeError(
                "invalid_request",
                "The command and its environment are too long or not Unicode.",
                "Send at most 256 KB, and the rest through a file or stdin.",
            ) from error
        self._connection.write(frame)
        try:
            return await asyncio.wait_for(asyncio.shield(self._opened), timeout)
        except TimeoutError as error:
            self.reset("timeout")
            raise OrkeeError(
                "link_failed",
                f"The daemon in the sandbox did not answer within {timeout:g} s.",
                "Try again; if it stays so, stop the sandbox and create it anew.",
            ) from error
        except asyncio.CancelledError:
            self.reset("cancelled")
            raise

    def frame(self, kind: int, payload: memoryview) -> None:
        """Take a frame of the daemon's."""
        if kind == frames.DATA:
            self._take_data(payload)
        elif kind == frames.CREDIT:
            self._add_credit(frames.decode_credit(payload))
        elif kind == frames.END:
            self._take_end(frames.decode_channel(payload))
        elif kind == frames.OPENED:
            self._take_opened(frames.decode_json(payload))
        elif kind == frames.RESET:
            body = frames.decode_json(payload)
            self._fail(self._reset_error(text(body.get("code")), text(body.get("message"))))
            self._connection.abort()
        else:
            self.take_other(kind, payload)

    def take_other(self, kind: int, payload: memoryview) -> None:
        """Take a frame that only this kind of stream has."""
        raise ProtocolError(f"it sent a frame of type 0x{kind:02x} out of turn")

    def allow_opened(self) -> None:
        """Allow what may come after OPENED."""
        self._connection.allow(frames.DATA, frames.CREDIT, frames.END, frames.RESET)

    def check_opened(self, body: Mapping[str, Any]) -> None:
        """Check what OPENED says beyond its credit. Raises ProtocolError."""

    def _take_opened(self, body: dict[str, Any]) -> None:
        self._add_credit(number(body, "credit", 0, frames.MAX_WINDOW))
        self.check_opened(body)
        self.allow_opened()
        if not self._opened.done():
            self._opened.set_result(body)

    def spend(self, size: int) -> None:
        """Take ``size`` bytes off what the daemon may send. Raises ProtocolError."""
        self._allowance -= size
        if self._allowance < 0:
            raise ProtocolError("it sent more than its credit")

    def give_back(self, size: int) -> None:
        """Say that ``size`` bytes were consumed; the daemon hears it a quarter window at a time."""
        self._consumed += size
        if self._consumed * 4 >= self._window and not self._over:
            self._connection.write(frames.encode_credit(self._consumed))
            self._allowance += self._consumed
            self._consumed = 0

    def _take_data(self, payload: memoryview) -> None:
        channel = frames.decode_channel(payload)
        if channel not in self.channels or channel in self._ended:
            raise ProtocolError(f"it sent data on the closed channel {channel}")
        self.spend(len(payload))
        self._inbox.put(channel, payload[1:])
        self._changed.set()

    def _take_end(self, channel: int) -> None:
        if channel not in self.ends or channel in self._ended:
            raise ProtocolError(f"it ended the channel {channel}, which is not open")
        self._ended.add(channel)
        self._changed.set()
        self.take_end(channel)

    def take_end(self, channel: int) -> None:
        """Take note that the daemon will send no more on a channel."""

    def _add_credit(self, amount: int) -> None:
        self._credit += amount
        if self._credit > frames.MAX_WINDOW:
            raise ProtocolError("it gave more credit than the largest window")
        self._writable.set()

    def settle(self) -> None:
        """Note that the stream came to its proper end; wake whoever waits."""
        self._over = True
        self._changed.set()
        self._writable.set()

    def _fail(self, error: OrkeeError) -> None:
        if self._over:
            return
        self._error = error
        self.settle()
        if not self._opened.done():
            self._opened.set_exception(error)
            self._opened.exception()  # the opener may have gone; then nobody asks

    def closed(self, reason: str) -> None:
        """Take note that the connection is gone."""
        self._fail(
            OrkeeError(
                "sandbox_lost",
                f"The sandbox ended the stream before its end: {reason}.",
                "See the sandbox's state and log for the reason.",
            )
        )

    def reset(self, code: str) -> None:
        """End the stream at once, in both directions."""
        if self._over:
            self._connection.finish()
            return
        self._connection.finish(frames.encode_json(frames.RESET, {"code": code, "message": ""}))
        self._fail(OrkeeError("sandbox_lost", "The stream was closed before its end.", ""))

    async def next_piece(self) -> tuple[int, bytes] | None:
        """Return the next (channel, bytes), None at the proper end of the stream.

        What the piece before took of the window is given back now. Raises what broke
        the stream, after all that had come before. Cancelling loses nothing.
        """
        owed, self._owed = self._owed, 0
        self.give_back(owed)
        while True:
            for channel, data, cost in self._waiting:
                if data:
                    self._owed = cost
                    return channel, data
                self.give_back(cost)
            if self._inbox:
                self._waiting = self._inbox.take()
            elif self._finished():
                break
            else:
                self._changed.clear()
                await self._changed.wait()
        if self._error is not None:
            raise self._error
        return None

    def _finished(self) -> bool:
        return self._over or (self.ends_finish and self.ends <= self._ended)

    async def send(self, channel: int, data: bytes) -> None:
        """Send bytes, waiting for credit and for the socket. Raises what broke the stream.

        Bytes for a stream that came to its proper end go nowhere, as into a closed pipe
        whose reader is no longer interested.
        """
        async with self._write_lock:
            view = memoryview(data)
            while view:
                while self._credit < 2 and not self._over:
                    self._writable.clear()
                    await self._writable.wait()
                if self._error is not None:
                    raise self._error
                if self._over:
                    return
                size = min(len(view), CHUNK, self._credit - 1)
                self._credit -= size + 1
                self._connection.write(frames.encode_data(channel, view[:size]))
                view = view[size:]
                await self._connection.drain()

    async def end(self, channel: int) -> None:
        """Say that no more bytes come on a channel."""
        async with self._write_lock:
            if not self._over:
                self._connection.write(frames.encode_end(channel))


def number(body: Mapping[str, Any], key: str, least: int, most: int) -> int:
    """Return a whole number out of a frame. Raises ProtocolError if it is none, or too far out."""
    value = body.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ProtocolError(f"its {key!r} is not a number from {least} to {most}")
    return value


def text(value: object, most: int = 300) -> str:
    """Return hostile text as one line of printable characters, at most ``most`` long."""
    if not isinstance(value, str):
        return ""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value[:most])
