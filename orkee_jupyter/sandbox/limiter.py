"""Holds sandboxes to their limits: asks engine and daemon, and ends those that broke one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from .ending import Ending
from .errors import OrkeeError
from .limits import broken, timed_out, without
from .model import Exit, Status
from .ports import Clock, Daemon, Engine
from .refusals import limit_exceeded
from .registry import Entry
from .settings import Settings
from .tasks import Tasks

log = logging.getLogger(__name__)

#: Seconds for the engine to say how a limit stands, when a command or a container ended: as a
#: rule milliseconds, and a command that is told as a success was none.
PATIENCE = 5.0


class Limiter:
    """Sets limits before a sandbox's command starts, and follows what becomes of them."""

    def __init__(
        self, engine: Engine, ending: Ending, clock: Clock, settings: Settings, tasks: Tasks
    ) -> None:
        self._engine = engine
        self._ending = ending
        self._clock = clock
        self._settings = settings
        self._tasks = tasks

    async def apply(self, entry: Entry, daemon: Daemon) -> None:
        """Have a container's limits enforced: from outside where the engine can, else inside.

        To be called before its command starts. Raises ``link_failed``, ``sandbox_lost``.
        """
        sandbox = entry.sandbox
        daemon.on_usage(lambda usage: entry.gauge.take(usage, self._clock.now(), entry.throttled))
        if not sandbox.limits:
            return
        if self._settings.limits != "inside":
            entry.guard = await self._engine.limit(sandbox.id, sandbox.limits)
        outside = frozenset() if entry.guard is None else entry.guard.kinds
        inside = without(sandbox.limits, outside)
        if inside:
            await daemon.limit(inside)
        entry.sandbox = entry.sandbox.with_(
            enforced={
                kind: "outside" if kind in outside else "inside" for kind in sandbox.limits.kinds()
            }
        )
        entry.watchers.append(self._tasks.spawn(self._follow(entry, daemon.broken())))
        if entry.guard is not None:
            entry.watchers.append(self._tasks.spawn(self._follow(entry, entry.guard.broken())))

    def begin(self, entry: Entry) -> None:
        """Start the timeout of a sandbox that has become active; a pause does not count."""
        entry.began = self._clock.monotonic()
        seconds = entry.sandbox.timeout
        if seconds is not None:
            entry.watchers.append(self._tasks.spawn(self._end_in_time(entry, seconds)))

    async def _end_in_time(self, entry: Entry, seconds: int) -> None:
        while (left := seconds - self._lived(entry)) > 0:
            await self._clock.sleep(left)  # and longer, if it is frozen meanwhile
        self.fail(entry, timed_out(seconds), self._settings.stop_grace)

    def _lived(self, entry: Entry) -> float:
        """Return the seconds that a sandbox was active until now."""
        now = 0.0 if entry.began is None else self._clock.monotonic() - entry.began
        return entry.lived + now

    async def _follow(self, entry: Entry, breach: Awaitable[str]) -> None:
        self.fail(entry, broken(await breach, entry.sandbox.limits))

    def fail(self, entry: Entry, reason: str, grace: float = 0.0) -> None:
        """Begin the end of a sandbox for what it did; the first reason counts."""
        if entry.failure is not None or entry.ending is not None:
            return
        entry.failure = reason
        if entry.being_created:
            entry.abort(Status.FAILED, limit_exceeded(entry.sandbox, reason))
        elif entry.sandbox.status is Status.ACTIVE:
            self._ending.begin(entry, reason, grace, to=Status.FAILED)

    async def lost(self, entry: Entry) -> bool:
        """Say whether a container ended because of a limit; its sandbox fails then."""
        if entry.failure is None and (kind := await breach_of(entry)):
            self.fail(entry, broken(kind, entry.sandbox.limits))
        return entry.failure is not None


async def breach_of(entry: Entry) -> str | None:
    """Return the limit that a sandbox broke, as the engine's guard says."""
    if entry.guard is None or not entry.guard.kinds - {"cpus"}:
        return None
    try:
        async with asyncio.timeout(PATIENCE):
            return (await entry.guard.counted()).breach
    except TimeoutError:
        return None


async def check_end(entry: Entry, end: Exit) -> None:
    """Raise ``limit_exceeded`` if a command ended because its sandbox broke a limit."""
    kind = end.limit
    if entry.failure is None and kind is None:
        # Whatever its code is: in a pipeline the last command hides the one that was killed.
        kind = await breach_of(entry)
    if entry.failure is not None:
        raise limit_exceeded(entry.sandbox, entry.failure)
    if kind is not None:
        raise limit_exceeded(entry.sandbox, broken(kind, entry.sandbox.limits))


@asynccontextmanager
async def explaining(entry: Entry) -> AsyncIterator[None]:
    """Have what is lost inside be told with :func:`explain`."""
    try:
        yield
    except OrkeeError as error:
        raise await explain(entry, error) from error


async def explain(entry: Entry, error: OrkeeError) -> OrkeeError:
    """Return ``limit_exceeded`` in place of ``sandbox_lost``, if that was why it was lost."""
    if error.code != "sandbox_lost":
        return error
    if entry.failure is None and (kind := await breach_of(entry)):
        return limit_exceeded(entry.sandbox, broken(kind, entry.sandbox.limits))
    return error if entry.failure is None else limit_exceeded(entry.sandbox, entry.failure)
