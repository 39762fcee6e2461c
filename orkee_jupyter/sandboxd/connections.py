"""The connections of one sandbox's daemon: those in reserve, the control one, and their loss."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..sandbox.errors import OrkeeError
from .connection import Connection
from .control import Control, ControlLost, Quota
from .frames import ProtocolError

logger = logging.getLogger(__name__)

#: Connections of one sandbox, control and idle ones included.
MAX_CONNECTIONS = 600
#: Idle connections that are kept; a daemon needs two.
MAX_IDLE = 16


@dataclass(frozen=True, slots=True)
class Timing:
    """Time limits in seconds; tests use shorter ones."""

    hello: float = 10.0  # from a connection's start to its HELLO
    heartbeat: float = 5.0  # between pings
    missed: int = 4  # unanswered pings that make a daemon lost
    redial: float = 20.0  # without a control connection
    gone: float = 3.0  # without any connection: a container's end closes them all
    take: float = 10.0  # for a stream connection, and for the answer to OPEN
    request: float = 10.0  # for the answer to a control request
    last_log: float = 2.0  # for the log's end before an exit is told


class _Idle:
    """The role of a connection in reserve: nothing may come but its end."""

    def frame(self, kind: int, payload: memoryview) -> None:
        raise ProtocolError("it sent a frame on an idle connection")

    def closed(self, reason: str) -> None:
        """Nothing to do: the daemon object keeps the list."""


class Connections:
    """What a daemon is reached by, and the one place that knows whether it is lost.

    ``take_notice`` is called with what the daemon tells by itself, ``first`` once at its
    first control connection.
    """

    def __init__(
        self,
        sandbox_id: str,
        timing: Timing,
        take_notice: Callable[[Mapping[str, Any]], None],
        first: Callable[[], None],
    ) -> None:
        self._sandbox_id = sandbox_id
        self._timing = timing
        self._take_notice = take_notice
        self._first = first
        self._all: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._waiters: deque[asyncio.Future[Connection]] = deque()
        self._control: Control | None = None
        self._notices = Quota()
        self._control_there = asyncio.Event()
        self._control_gone_at = 0.0
        self._grace: asyncio.TimerHandle | None = None
        #: Set while the sandbox is being stopped: then an end needs no patience.
        self.stopping = False
        #: Done with the reason when the daemon is lost, also by an orderly end.
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        #: Set at the first control connection.
        self.connected = asyncio.Event()
        #: Set while there is no connection.
        self.empty = asyncio.Event()
        self.empty.set()

    def adopt(self, connection: Connection, kind: str) -> None:
        """Take over a connection whose HELLO was right."""
        if self.lost.done() or len(self._all) >= MAX_CONNECTIONS:
            connection.abort()
            return
        self._all.add(connection)
        self.empty.clear()
        connection.on_closed = self._connection_closed
        connection.on_broken = self._broken
        if kind == "control":
            self._take_control(connection)
        else:
            self._add_idle(connection)
        self._watch_loss()

    def _take_control(self, connection: Connection) -> None:
        # The newest wins: the old one may be dead without our knowing.
        old = self._control
        self._control = Control(
            connection,
            self._timing.heartbeat,
            self._take_notice,
            self._control_closed,
            self._notices,
        )
        if old is not None:
            old.abort()
        self._control_there.set()
        if not self.connected.is_set():
            self.connected.set()
            self._first()

    def _add_idle(self, connection: Connection) -> None:
        connection.role = _Idle()
        connection.allow()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.abort()

    async def take(self) -> Connection:
        """Return an idle stream connection. Raises ``sandbox_lost`` or ``link_failed``."""
        self.check_there()
        while self._idle:
            connection = self._idle.popleft()
            if not connection.is_closed:
                return connection
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._timing.take):
                return await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._add_idle(waiter.result())  # it came, but nobody waits any more
            if isinstance(error, TimeoutError):
                raise OrkeeError(
                    "link_failed",
                    f"The daemon in the sandbox opened no stream within {self._timing.take:g} s.",
                    "Try again; if it stays so, stop the sandbox and create it anew.",
                ) from error
            raise

    def _connection_closed(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._all:
            self.empty.set()
        self._watch_loss()

    def _control_closed(self, control: Control) -> None:
        if control is self._control:
            self._control = None
            self._control_there.clear()
            self._control_gone_at = asyncio.get_running_loop().time()

    def expect_end(self) -> None:
        """Take note that the daemon is to end: without a connection it has."""
        self.stopping = True
        self._watch_loss()

    def _watch_loss(self) -> None:
        """Give a daemon without a control connection its time to redial, and no more."""
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        if self.lost.done() or self._control is not None or not self.connected.is_set():
            return
        loop = asyncio.get_running_loop()
        deadline = self._control_gone_at + self._timing.redial
        reason = "the daemon did not connect again"
        if not self._all:
            deadline = min(deadline, loop.time() + (0 if self.stopping else self._timing.gone))
            reason = "the sandbox was stopped" if self.stopping else "the sandbox's container ended"
        self._grace = loop.call_at(deadline, self.lose, reason)

    def _broken(self, connection: Connection, cause: str) -> None:
        logger.warning("sandbox %s: the daemon broke the protocol: %s", self._sandbox_id, cause)
        self.lose(f"the daemon broke the protocol: {cause}")

    def lose(self, reason: str) -> None:
        """End every connection, and have whoever waits for one told why."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(self.lost_error())
                waiter.exception()  # a waiter that was cancelled just now does not ask
        self._waiters.clear()
        self._idle.clear()
        self._control_there.set()  # who waits for it looks at the loss
        for connection in list(self._all):
            connection.abort(reason)

    def lost_error(self) -> OrkeeError:
        """Return ``sandbox_lost`` with the reason."""
        return OrkeeError(
            "sandbox_lost",
            f"The sandbox is gone: {self.lost.result()}.",
            "Create a new one; the log of this one says what it did last.",
        )

    def check_there(self) -> None:
        """Raise ``sandbox_lost`` if the daemon is lost."""
        if self.lost.done():
            raise self.lost_error()

    async def request(
        self, method: str, params: Mapping[str, Any], patience: float = 0.0
    ) -> dict[str, Any]:
        """Return the daemon's answer on the control connection.

        Raises Refused, ``link_failed``, ``sandbox_lost``, ``invalid_request``.
        """
        try:
            async with asyncio.timeout(patience or self._timing.request):
                while self._control is None:
                    self.check_there()
                    await self._control_there.wait()
                return await self._control.request(method, params)
        except (TimeoutError, ControlLost) as error:
            self.check_there()
            raise OrkeeError(
                "link_failed",
                f"The daemon in the sandbox did not answer the request {method!r}.",
                "Try again; if it stays so, stop the sandbox and create it anew.",
            ) from error
        except ValueError as error:
            raise OrkeeError(
                "invalid_request",
                "The command and its environment are too long or not Unicode.",
                "Send at most 256 KB.",
            ) from error

    async def unless_lost(self, event: asyncio.Event) -> None:
        """Wait for an event, or for the loss of the daemon."""
        happened = asyncio.ensure_future(event.wait())
        waits: set[asyncio.Future[Any]] = {happened, self.lost}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            happened.cancel()

    async def heartbeat(self) -> None:
        """Ping until the daemon is lost, which it is when it does not answer."""
        while not self.lost.done():
            if self._control is not None and self._control.ping() >= self._timing.missed:
                self.lose("the daemon stopped answering")
            await asyncio.wait({self.lost}, timeout=self._timing.heartbeat)
