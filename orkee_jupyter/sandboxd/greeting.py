"""The first ten seconds of a connection: HELLO with the right token, or the end."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from . import frames
from .connection import Connection
from .daemon import Daemon

logger = logging.getLogger(__name__)

#: Connections without a HELLO so far, in all and of one address. The second keeps
#: one container from locking out the others on the listener that they share.
MAX_WAITING = 1024
MAX_WAITING_EACH = 64
_KINDS = ("control", "stream")


class Greeter:
    """Takes connections from one listener and hands each to the daemon of its token."""

    def __init__(
        self, buffer: memoryview, timeout: float, find: Callable[[str], Daemon | None]
    ) -> None:
        self._buffer = buffer
        self._timeout = timeout
        self._find = find
        self._waiting: dict[Connection, _Guest] = {}
        self._each: Counter[str] = Counter()
        self._is_closed = False

    def connection(self) -> Connection:
        """Return the protocol of a new connection (a protocol factory of asyncio)."""
        guest = _Guest(self)
        connection = Connection(self._buffer, guest, made=guest.made)
        connection.allow(frames.HELLO)
        return connection

    def close(self) -> None:
        """End the connections that have not said who they are, and those still to come."""
        self._is_closed = True  # one may be accepted already, and made in the loop's next turn
        for connection in list(self._waiting):
            connection.abort()

    def enter(self, connection: Connection, guest: _Guest) -> bool:
        """Count a new connection; return whether there is room for it."""
        full = len(self._waiting) >= MAX_WAITING or self._each[connection.peer] >= MAX_WAITING_EACH
        if self._is_closed or full:
            return False
        self._waiting[connection] = guest
        self._each[connection.peer] += 1
        return True

    def leave(self, connection: Connection) -> None:
        """Count a connection out."""
        if self._waiting.pop(connection, None) is not None:
            self._each[connection.peer] -= 1
            if not self._each[connection.peer]:
                del self._each[connection.peer]

    @property
    def timeout(self) -> float:
        """Seconds until the HELLO must be here."""
        return self._timeout

    def find(self, token: str) -> Daemon | None:
        """Return the daemon whose token this is."""
        return self._find(token)


class _Guest:
    """The role of a connection whose HELLO has not come."""

    def __init__(self, greeter: Greeter) -> None:
        self._greeter = greeter
        self._connection: Connection | None = None
        self._timer: asyncio.TimerHandle | None = None

    def made(self, connection: Connection) -> None:
        """Start the clock, or refuse."""
        if not self._greeter.enter(connection, self):
            connection.abort()
            return
        self._connection = connection
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._greeter.timeout, connection.abort)

    def frame(self, kind: int, payload: memoryview) -> None:
        """Take the HELLO; what is wrong with it is not told to the peer."""
        connection = self._connection
        assert connection is not None
        hello = frames.decode_json(payload)
        if hello.get("protocol") != frames.PROTOCOL:
            raise frames.ProtocolError("it speaks another version of the protocol")
        kind_asked, token = hello.get("kind"), hello.get("token")
        if kind_asked not in _KINDS or not isinstance(token, str):
            raise frames.ProtocolError("its HELLO lacks a kind or a token")
        daemon = self._greeter.find(token)
        if daemon is None:
            raise frames.ProtocolError("its token is not known here")
        self._stop()
        daemon.adopt(connection, str(kind_asked))

    def closed(self, reason: str) -> None:
        """Stop the clock."""
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._connection is not None:
            self._greeter.leave(self._connection)
