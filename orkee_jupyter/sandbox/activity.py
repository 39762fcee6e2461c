"""What keeps a sandbox alive: each use renews its lifetime, and a use under way holds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from .errors import OrkeeError
from .limiter import check_end, explaining
from .model import ENDED, Exit, LogEntry, Output, Sandbox, Status
from .ports import Clock, ExecStream, FileStream
from .refusals import label
from .registry import Entry, Registry
from .tasks import Tasks


class Activity:
    """Renews lifetimes: at once in memory, at most every ``interval`` seconds in the row."""

    def __init__(self, registry: Registry, clock: Clock, tasks: Tasks, interval: float) -> None:
        self._registry = registry
        self._clock = clock
        self._tasks = tasks
        self._interval = interval

    def renew(self, entry: Entry) -> bool:
        """Give a sandbox its whole lifetime from now; return False if its end has begun.

        Without an ``await``: either the reaper sees the renewal, or the renewal sees
        that the end has begun. A lifetime is never shortened.
        """
        sandbox = entry.sandbox
        if entry.ending is not None or sandbox.status in ENDED:
            return False
        now = int(self._clock.now())
        renewed = entry.sandbox = sandbox.with_(
            last_active_at=max(sandbox.last_active_at, now),
            expires_at=max(sandbox.expires_at, now + sandbox.ttl),
        )
        if self._clock.monotonic() - entry.touched >= self._interval:
            entry.touched = self._clock.monotonic()
            self._tasks.spawn(self._registry.touch(entry))
        elif renewed.expires_at != sandbox.expires_at:  # once a second at most, as it counts them
            self._registry.changed(entry)
        self._renew_linked(renewed, now)
        return True

    def _renew_linked(self, sandbox: Sandbox, now: int) -> None:
        """Renew what a sandbox is linked to: nobody sees what goes that way."""
        for name in sandbox.links:
            other = self._registry.named(name, sandbox.user_id)
            if other is None or not other.usable:
                continue
            if other.sandbox.expires_at < now + other.sandbox.ttl:  # links may be a ring
                self.renew(other)

    def hold(self, entry: Entry) -> Hold:
        """Return a hold: the sandbox does not expire until it is released."""
        return Hold(self, entry, self._tasks.spawn(self._keep(entry)))

    async def _keep(self, entry: Entry) -> None:
        """Renew for as long as a hold lasts, so that rows and panels show it too."""
        while self.renew(entry):
            await self._clock.sleep(max(0.5, min(self._interval, entry.sandbox.ttl / 2)))


class Hold:
    """A use of a sandbox that is under way."""

    def __init__(self, activity: Activity, entry: Entry, keeper: asyncio.Task[None]) -> None:
        self._activity = activity
        self._entry = entry
        self._keeper: asyncio.Task[None] | None = keeper
        entry.holds += 1

    @property
    def entry(self) -> Entry:
        """The sandbox that is held."""
        return self._entry

    async def release(self) -> None:
        """End the hold; the sandbox has its whole lifetime from here. May be called twice."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        self._entry.holds -= 1
        self._activity.renew(self._entry)
        keeper.cancel()
        await asyncio.wait({keeper})


async def _own(stream: ExecStream, entry: Entry) -> Exit:
    """Return a command's end, if it was not the sandbox's.

    Raises ``sandbox_lost`` else, ``limit_exceeded`` if the sandbox broke a limit of its own.
    """
    async with explaining(entry):
        end = await stream.exit()
    await check_end(entry, end)
    paused = entry.sandbox.status is Status.PAUSED
    if (entry.ending is None and not paused) or end.signal not in ("TERM", "KILL"):
        return end
    raise OrkeeError(
        "sandbox_lost",
        f"The sandbox {label(entry.sandbox)} was {'paused' if paused else 'stopped'} "
        "while the command ran.",
        "Resume it and run it again." if paused else "Create a new one and run it again.",
        details={"exit_code": end.exit_code, "signal": end.signal},
    )


async def _output(stream: ExecStream, entry: Entry) -> AsyncIterator[Output]:
    """Yield a command's output until it has ended. Raises as its exit does, if that broke it.

    Whoever reads may hear of the loss here before the exit is asked for.
    """
    async with explaining(entry):
        async for output in stream:
            yield output


class HeldExec:
    """An exec's stream that holds its sandbox until the command has ended."""

    def __init__(self, stream: ExecStream, hold: Hold) -> None:
        self._stream = stream
        self._hold = hold
        self.pid = stream.pid

    async def __aiter__(self) -> AsyncIterator[Output]:
        """Yield output as it comes, until the command has ended."""
        async for output in _output(self._stream, self._hold.entry):
            yield output

    async def write(self, data: bytes) -> None:
        """Send bytes to stdin; waits while the command does not read."""
        await self._stream.write(data)

    async def end_stdin(self) -> None:
        """Close the command's stdin."""
        await self._stream.end_stdin()

    async def signal(self, name: str) -> None:
        """Send a signal to the command's process group."""
        await self._stream.signal(name)

    async def exit(self) -> Exit:
        """Wait for the end. Raises OrkeeError ``sandbox_lost`` if the sandbox ended first."""
        try:
            return await _own(self._stream, self._hold.entry)
        finally:
            await self._hold.release()

    async def close(self) -> None:
        """End the command if it still runs, and free the stream. May be called twice."""
        try:
            await self._stream.close()
        finally:
            await self._hold.release()


class HeldFiles:
    """An operation on files that holds its sandbox until it is closed."""

    def __init__(self, stream: FileStream, hold: Hold) -> None:
        self._stream = stream
        self._hold = hold
        self.entry = stream.entry
        self.read = stream.read  # bound here: gigabytes go through these two
        self.write = stream.write

    async def end_write(self) -> None:
        """Say that all was sent."""
        await self._stream.end_write()

    async def close(self) -> None:
        """Break the operation off if it is not done, and free it. May be called twice."""
        try:
            await self._stream.close()
        finally:
            await self._hold.release()


class IdleExec:
    """A command that keeps its sandbox alive by its input and output only."""

    def __init__(self, stream: ExecStream, activity: Activity, entry: Entry) -> None:
        self._stream = stream
        self._activity = activity
        self._entry = entry
        self.pid = stream.pid

    async def __aiter__(self) -> AsyncIterator[Output]:
        """Yield output as it comes, until the command has ended."""
        async for output in _output(self._stream, self._entry):
            self._activity.renew(self._entry)
            yield output

    async def write(self, data: bytes) -> None:
        """Send bytes to stdin; waits while the command does not read."""
        self._activity.renew(self._entry)
        await self._stream.write(data)

    async def end_stdin(self) -> None:
        """Close the command's stdin."""
        await self._stream.end_stdin()

    async def signal(self, name: str) -> None:
        """Send a signal to the command's process group."""
        await self._stream.signal(name)

    async def exit(self) -> Exit:
        """Wait for the end. Raises OrkeeError ``sandbox_lost`` if the sandbox ended first."""
        return await _own(self._stream, self._entry)

    async def close(self) -> None:
        """End the command if it still runs, and free the stream. May be called twice."""
        await self._stream.close()


async def held_logs(
    entries: AsyncIterator[LogEntry], activity: Activity, entry: Entry
) -> AsyncIterator[LogEntry]:
    """Yield a log's entries, holding the sandbox until the reader leaves or the log ends."""
    hold = activity.hold(entry)
    try:
        async for piece in entries:
            yield piece
    finally:
        await hold.release()
        await close_iterator(entries)


async def close_iterator(entries: AsyncIterator[Any]) -> None:
    """Free an iterator now, where it can be, rather than when it is collected."""
    close = getattr(entries, "aclose", None)
    if close is not None:
        await close()
