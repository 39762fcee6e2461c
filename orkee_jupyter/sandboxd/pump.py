"""Moves a sandbox's log from its daemon to the kept log, and resumes after a broken stream."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ..sandbox.errors import OrkeeError
from . import frames
from .connection import Connection
from .frames import ProtocolError
from .logs import LogSpool
from .records import Batch
from .stream import Stream, number

logger = logging.getLogger(__name__)

#: The log's window: larger than that of other streams, for the disk answers in bursts.
LOG_WINDOW = 2 * 1_048_576
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


def _reset_error(code: str, message: str) -> OrkeeError:
    return OrkeeError("sandbox_lost", f"The daemon reset the log ({code or 'no code'}).", "")


class LogStream(Stream):
    """The log as frames: checks their order, and gathers them for one write at a time."""

    ends = frozenset({frames.STDOUT, frames.STDERR})

    def __init__(self, connection: Connection, after: int, window: int = LOG_WINDOW) -> None:
        self._next = after + 1
        self._begun = False
        self._batch = Batch()
        self._cost = 0
        super().__init__(connection, _reset_error, window)

    def allow_opened(self) -> None:
        """Allow log entries."""
        self._connection.allow(frames.LOG, frames.DROPPED, frames.END, frames.RESET)

    def take_other(self, kind: int, payload: memoryview) -> None:
        """Take a log entry, or the note of lost ones (which may only come first)."""
        if kind == frames.LOG:
            self._take_log(payload)
        elif kind == frames.DROPPED and not self._begun:
            self._take_dropped(frames.decode_json(payload))
        else:
            super().take_other(kind, payload)
        self._begun = True
        self._changed.set()

    def _take_log(self, payload: memoryview) -> None:
        seq, time_us, channel = frames.decode_log(payload)
        if seq != self._next:
            raise ProtocolError("it sent log entries out of order")
        if channel in self._ended:
            raise ProtocolError(f"it sent log entries on the closed channel {channel}")
        self.spend(len(payload))
        self._next = seq + 1
        self._cost += len(payload)
        self._batch.add(seq, time_us, channel, payload[frames.LOG_HEADER.size :])

    def take_end(self, channel: int) -> None:
        """Note that no DROPPED may come any more."""
        self._begun = True

    def _take_dropped(self, body: dict[str, Any]) -> None:
        number(body, "first", self._next, self._next)
        last = number(body, "last", self._next, 2**63 - 1)
        missing = number(body, "bytes", 0, 2**53)
        self._batch.add_dropped(self._next, last, int(time.time() * 1e6), missing)
        self._next = last + 1

    @property
    def is_complete(self) -> bool:
        """Whether both pipes of the main command are closed."""
        return self.ends <= self._ended

    async def next_batch(self) -> tuple[Batch, int] | None:
        """Return what has come and the credit it took; None when the stream is over."""
        while not self._batch.data:
            if self._over or self.is_complete:
                return None
            self._changed.clear()
            await self._changed.wait()
        taken = self._batch, self._cost
        self._batch, self._cost = Batch(), 0
        return taken


class LogPump:
    """Keeps one log stream open while the daemon is there; ends with it or with the log."""

    def __init__(
        self, spool: LogSpool, take: Callable[[], Awaitable[Connection]], timeout: float
    ) -> None:
        self._spool = spool
        self._take = take
        self._timeout = timeout
        self._stream: LogStream | None = None
        #: Set once the daemon has a reader for the log; a command that starts
        #: after that waits for it rather than lose output.
        self.attached = asyncio.Event()

    async def run(self) -> None:
        """Pump until both pipes are closed. Raises ``sandbox_lost`` when the daemon is gone."""
        pause = _FIRST_PAUSE
        while True:
            try:
                connection = await self._take()
            except OrkeeError as error:
                if error.code != "link_failed":
                    raise
                continue  # it has waited, and the daemon may still come back
            stream = LogStream(connection, self._spool.last_seq)
            try:
                await stream.open(
                    {"kind": "log", "after": self._spool.last_seq}, timeout=self._timeout
                )
            except OrkeeError as error:
                logger.debug("log stream not opened: %s", error)
            else:
                self.attached.set()
                pause = _FIRST_PAUSE
                await self._copy(stream)
                if stream.is_complete:
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _copy(self, stream: LogStream) -> None:
        try:
            while (taken := await stream.next_batch()) is not None:
                batch, cost = taken
                await self._spool.append(batch)
                stream.give_back(cost)
        finally:
            stream.reset("done")
