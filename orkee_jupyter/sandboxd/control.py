"""The control connection: requests and replies, notices, heartbeats."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from . import frames
from .connection import Connection
from .frames import ProtocolError
from .stream import text

#: Bytes of notices that a daemon may send at once, and in each second in the long run. Ours
#: sends 80 KB/s at most, as long as somebody opens and closes hundreds of ports.
NOTICE_BURST = 4 << 20
NOTICE_RATE = 256 << 10
#: Bytes that a notice counts for beside its own: the smallest costs its reader as much.
NOTICE_COST = 512


class Quota:
    """How much a daemon may tell by itself: no credit bounds its notices.

    One for all control connections of a sandbox, for a new one costs nothing.
    """

    def __init__(self) -> None:
        self._left = float(NOTICE_BURST)
        self._at = asyncio.get_running_loop().time()

    def spend(self, size: int) -> None:
        """Count a notice of ``size`` bytes. Raises ProtocolError."""
        now = asyncio.get_running_loop().time()
        cost = size + NOTICE_COST
        self._left = min(self._left + (now - self._at) * NOTICE_RATE, NOTICE_BURST) - cost
        self._at = now
        if self._left < 0:
            raise ProtocolError("it sent more notices than anybody could want")


class Refused(Exception):
    """The daemon answered a request with an error: ``code`` and ``message``, both hostile text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class ControlLost(Exception):
    """The control connection went away before the answer came."""


class Control:
    """One control connection of a daemon, from its WELCOME on."""

    def __init__(
        self,
        connection: Connection,
        heartbeat: float,
        notice: Callable[[Mapping[str, Any]], None],
        closed: Callable[[Control], None],
        quota: Quota | None = None,
    ) -> None:
        self._connection = connection
        self._notice = notice
        self._closed = closed
        self._quota = quota or Quota()
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._unanswered: set[int] = set()  # also of those whose caller has stopped waiting
        self._last_id = 0
        self._pings: deque[int] = deque()
        self._last_ping = 0
        connection.role = self
        connection.allow(frames.REPLY, frames.NOTICE, frames.PONG)
        welcome = {"protocol": frames.PROTOCOL, "heartbeat_ms": round(heartbeat * 1000), "spare": 2}
        connection.write(frames.encode_json(frames.WELCOME, welcome))

    async def request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and return its result.

        Raises Refused, ControlLost, or ValueError if it does not fit a frame. The
        caller sets the time limit.
        """
        if self._connection.is_closed:
            raise ControlLost
        self._last_id += 1
        number = self._last_id
        frame = frames.encode_json(
            frames.REQUEST, {"id": number, "method": method, "params": params}
        )
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[number] = answer
        try:
            self._unanswered.add(number)
            self._connection.write(frame)
            body = await answer
        finally:
            del self._pending[number]
        error = body.get("error")
        if isinstance(error, dict):
            raise Refused(text(error.get("code"), 40), text(error.get("message")))
        result = body.get("result")
        return result if isinstance(result, dict) else {}

    def frame(self, kind: int, payload: memoryview) -> None:
        """Take a frame of the daemon's."""
        if kind == frames.PONG:
            if not self._pings or self._pings[0] != frames.decode_u64(payload):
                raise ProtocolError("it answered a ping that was not sent")
            self._pings.popleft()
            return
        if kind == frames.NOTICE:
            self._quota.spend(len(payload))  # first: to read it is the cost
        body = frames.decode_json(payload)
        if kind == frames.NOTICE:
            self._notice(body)
            return
        number = body.get("id")
        if not isinstance(number, int) or number not in self._unanswered:
            raise ProtocolError("it answered a request that was not sent, or twice")
        self._unanswered.remove(number)
        answer = self._pending.get(number)  # None: the caller has stopped waiting
        if answer is not None and not answer.done():
            answer.set_result(body)

    def ping(self) -> int:
        """Send a PING; return how many before it are still unanswered."""
        waiting = len(self._pings)
        self._last_ping += 1
        self._pings.append(self._last_ping)
        self._connection.write(frames.encode_u64(frames.PING, self._last_ping))
        return waiting

    def closed(self, reason: str) -> None:
        """Fail what waits for an answer."""
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(ControlLost())
        self._closed(self)

    def abort(self) -> None:
        """Close the connection at once."""
        self._connection.abort("another control connection took over")
