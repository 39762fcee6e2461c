"""Writes the past down in the background: what is noted costs its noter no wait and no error."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from .clock import within
from .errors import OrkeeError
from .history import Event
from .model import ExecRequest, Exit, Output, Process, Sandbox
from .ports import Clock, ExecStream
from .problem import hide
from .records import EventRecord, ExecRecord, HistoryStore, command_text
from .tasks import Tasks

log = logging.getLogger(__name__)

#: Seconds from a note to its write, and to the next try of one that failed.
INTERVAL: Final = 1.0
PATIENCE: Final = 30.0
#: Rows of one write, and those that wait for one at most: beyond it the oldest are given up.
BATCH: Final = 1000
WAITING: Final = 10_000
#: Detached commands whose end is still looked out for.
DETACHED: Final = 1000
#: Seconds between two prunings at least, and for the last write of all.
PRUNE_EVERY: Final = 60.0
CLOSE: Final = 1.0
_DAY: Final = 86400.0


class Recorder:
    """Notes events and execs, and has a store keep them. Without a store it does nothing.

    Belongs to one event loop. Nothing that it is told raises; a store that fails is asked
    again later, with all that has come meanwhile.
    """

    def __init__(
        self, store: HistoryStore | None, clock: Clock, tasks: Tasks, days: float, rows: int
    ) -> None:
        self._store = store
        self._clock = clock
        self._tasks = tasks
        self._days = days
        self._rows = rows
        self._events: deque[EventRecord] = deque()
        self._execs: dict[str, ExecRecord] = {}  # those with news, oldest first
        self._running: dict[str, tuple[ExecRecord, float]] = {}  # and when, monotonic
        self._detached: dict[tuple[str, int], ExecRecord] = {}
        self._writing = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        self._failing = False
        self._closed = False
        self._pruned = float("-inf")
        #: Gives the values of a sandbox's secrets, which must not stand in what is kept.
        self.secrets: Callable[[str], Mapping[str, str]] = lambda _: {}

    @property
    def store(self) -> HistoryStore | None:
        """Where it is kept."""
        return self._store

    async def start(self) -> None:
        """Note what the end of an earlier server means for the past."""
        if self._store is not None:
            await self._attempt("begin", self._store.begin())

    # -- what is noted -----------------------------------------------------

    def event(self, sandbox: Sandbox, event: Event) -> None:
        """Note an event."""
        if self._store is None or self._closed:
            return
        kept = replace(event, text=hide(event.text, sandbox.env, self.secrets(sandbox.id)))
        self._events.append(EventRecord(sandbox.id, sandbox.user_id, kept))
        self._schedule()

    async def started(
        self, sandbox: Sandbox, request: ExecRequest, owner: str, starting: Awaitable[ExecStream]
    ) -> ExecStream:
        """Return the stream of a command that is being started; its end will be noted."""
        record = self.begin(sandbox, request, owner)
        if record is None:
            return await starting
        try:
            stream = await starting
        except OrkeeError as error:
            self.left(record, "failed", error.code)
            raise
        except BaseException:
            self.left(record, "broken_off")
            raise
        return RecordedExec(stream, self, record, detached=request.detach)

    def attached(self, sandbox_id: str, stream: ExecStream) -> ExecStream:
        """Return the stream of a detached command; its end, if it comes, will be noted."""
        record = self._detached.get((sandbox_id, stream.pid))
        return stream if record is None else RecordedExec(stream, self, record, detached=True)

    def begin(self, sandbox: Sandbox, request: ExecRequest, owner: str) -> ExecRecord | None:
        """Note a command that is about to start; None if nothing is kept."""
        if self._store is None or self._closed:
            return None
        record = ExecRecord(
            secrets.token_hex(16),
            sandbox.id,
            owner,
            request.origin,
            command_text(request, sandbox.env, self.secrets(sandbox.id)),
            round(self._clock.now(), 3),
        )
        self._running[record.id] = (record, self._clock.monotonic())
        self._note(record)
        return record

    def ended(self, record: ExecRecord, end: Exit) -> None:
        """Note how a command ended."""
        record.status, record.duration = "ended", round(end.duration, 3)
        record.exit_code, record.signal, record.timed_out = (
            end.exit_code,
            end.signal,
            end.timed_out,
        )
        self._running.pop(record.id, None)
        if record.pid is not None:
            self._detached.pop((record.sandbox_id, record.pid), None)
        self._note(record)

    def left(self, record: ExecRecord, status: str, error: str | None = None) -> None:
        """Note that a command will not be followed any further; of one that ended, nothing."""
        running = self._running.pop(record.id, None)
        if running is None:
            return
        record.status, record.error = status, error
        if status == "broken_off":
            record.duration = round(self._clock.monotonic() - running[1], 3)
        if status == "detached" and record.pid is not None:
            self._detached[record.sandbox_id, record.pid] = record
            while len(self._detached) > DETACHED:
                del self._detached[next(iter(self._detached))]
        self._note(record)

    def seen(self, sandbox_id: str, processes: Iterable[Process]) -> None:
        """Take the ends of detached commands from a list of a sandbox's."""
        for each in processes:
            record = self._detached.get((sandbox_id, each.pid)) if each.exit else None
            if record is not None and each.exit is not None:
                self.ended(record, each.exit)

    # -- what is kept ------------------------------------------------------

    async def events(self, sandbox_id: str, most: int) -> Sequence[Event] | None:
        """Return the newest events of a sandbox, the newest last; None if that can't be said."""
        if self._store is None:
            return None
        await self.flush()
        try:
            kept = list(await self._store.events(sandbox_id, most))
        except OrkeeError as error:
            log.warning("The events of sandbox %s could not be read: %s", sandbox_id, error)
            return None
        kept += [each.event for each in self._events if each.sandbox_id == sandbox_id]
        return kept[-most:]

    async def flush(self) -> bool:
        """Write all that was noted before; say whether that went well."""
        # In a task of its own: a write that is under way cannot be taken back, and who stops
        # waiting for it must not have it done twice.
        return await asyncio.shield(self._tasks.spawn(self._flush()))

    async def prune(self) -> None:
        """Remove what is too old or too much, now and then."""
        if self._store is None or self._clock.monotonic() - self._pruned < PRUNE_EVERY:
            return
        self._pruned = self._clock.monotonic()
        before = self._clock.now() - self._days * _DAY
        await self._attempt("prune", self._store.prune(before, self._rows))

    async def close(self) -> None:
        """Write what is left, within a second. Nothing is noted after it."""
        for record, _ in list(self._running.values()):
            self.left(record, "broken_off")
        self._closed = True
        if self._next is not None:
            self._next.cancel()
        try:
            await within(self._clock, CLOSE, self.flush())
        except TimeoutError:
            log.warning("The last of the history was not written in time.")
        if self._store is not None:
            await self._store.close()

    # -- how ---------------------------------------------------------------

    def _note(self, record: ExecRecord) -> None:
        if not self._closed:
            self._execs[record.id] = record
            self._schedule()

    def _schedule(self) -> None:
        if self._next is None or self._next.done():
            self._next = self._tasks.spawn(self._later())

    async def _later(self) -> None:
        """Write after a while, so that what happens together is written together."""
        await self._clock.sleep(INTERVAL)
        while not await self.flush():
            await self._clock.sleep(PATIENCE)

    async def _flush(self) -> bool:
        async with self._writing:
            while self._events or self._execs:
                if not await self._write():
                    return False
        return True

    async def _write(self) -> bool:
        """Write a batch. One that fails is put back in its place."""
        assert self._store is not None
        events = [self._events.popleft() for _ in range(min(BATCH, len(self._events)))]
        execs = [self._execs.pop(key) for key in list(self._execs)[:BATCH]]
        new = [each for each in execs if not each.stored]
        changed = [each for each in execs if each.stored]
        for each in new:
            each.stored = True  # before the wait: what changes meanwhile is written by the next
        try:
            await self._store.keep(events, new, changed)
        except Exception as error:
            for each in new:
                each.stored = False
            self._events.extendleft(reversed(events))
            self._execs = {each.id: each for each in execs} | self._execs
            self._give_up()
            if not self._failing:
                log.warning("The history is not written just now: %s", error)
            self._failing = True
            return False
        self._failing = False
        return True

    def _give_up(self) -> None:
        """Forget the oldest of what waits, if it is too much."""
        while len(self._events) > WAITING:
            self._events.popleft()
        for key in list(self._execs)[: max(0, len(self._execs) - WAITING)]:
            del self._execs[key]

    async def _attempt(self, what: str, call: Awaitable[None]) -> None:
        try:
            await call
        except Exception as error:
            log.warning("The history's %s failed: %s", what, error)


class RecordedExec:
    """A command's stream whose end is noted; ``detached`` if it goes on when this is closed."""

    def __init__(
        self,
        stream: ExecStream,
        recorder: Recorder,
        record: ExecRecord,
        *,
        detached: bool = False,
    ) -> None:
        self._stream = stream
        self._recorder = recorder
        self._record = record
        self._detached = detached
        self.pid = record.pid = stream.pid
        self.write = stream.write
        self.end_stdin = stream.end_stdin
        self.signal = stream.signal

    def __aiter__(self) -> AsyncIterator[Output]:
        """Yield output as it comes: the stream's own iterator, which costs nothing more."""
        return self._stream.__aiter__()

    async def exit(self) -> Exit:
        """Wait for the end, and note it."""
        end = await self._stream.exit()
        self._recorder.ended(self._record, end)
        return end

    async def close(self) -> None:
        """Close the stream; note that the command's end was not waited for, if so."""
        self._recorder.left(self._record, "detached" if self._detached else "broken_off")
        await self._stream.close()
