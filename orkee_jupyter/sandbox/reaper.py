"""Ends sandboxes whose lifetime is over, and waits a round when time itself has jumped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from .activity import Activity
from .ending import Ending
from .errors import OrkeeError
from .model import ENDED, Sandbox, Status
from .ports import Clock
from .registry import Entry, Registry

log = logging.getLogger(__name__)

#: Seconds that wall and monotonic clock may differ by in one round: more is a set clock
#: or a machine that slept, and users get one round to show that they are still there.
JUMP = 10.0


class Reaper:
    """Looks every ``interval`` seconds for sandboxes that have expired."""

    def __init__(
        self,
        registry: Registry,
        ending: Ending,
        activity: Activity,
        clock: Clock,
        interval: float,
        also: Callable[[], Awaitable[None]] | None = None,
        later: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._registry = registry
        self._ending = ending
        self._activity = activity
        self._clock = clock
        self._interval = interval
        self._also = also  # further work of each round
        self._later = later  # what goes by the clock as well, after expiry

    async def run(self) -> None:
        """Work until cancelled."""
        wall, steady = self._clock.now(), self._clock.monotonic()
        while True:
            await self._clock.sleep(self._interval)
            passed = self._clock.now() - wall
            drift = passed - (self._clock.monotonic() - steady)
            wall, steady = self._clock.now(), self._clock.monotonic()
            try:
                if self._also is not None:
                    await self._also()
                if abs(drift) > min(JUMP, self._interval / 2):
                    log.warning("The clock jumped by %.0f s: expiry waits for a round.", drift)
                    if drift < 0:
                        await self._follow_back(int(-drift))
                    continue
                await self.sweep()
                if self._later is not None:
                    await self._later()
            except Exception:
                log.exception("A round of the reaper failed.")

    async def _follow_back(self, seconds: int) -> None:
        """Set lifetimes back with a clock that was: else they would be that much longer.

        Each has its whole lifetime from now at least, for who used it since cannot be told.
        """
        now = int(self._clock.now())
        for entry in self._registry:
            sandbox = entry.sandbox
            if sandbox.status in ENDED:
                continue  # since the round began
            ends = max(sandbox.expires_at - seconds, now + sandbox.ttl)
            entry.sandbox = sandbox.with_(
                expires_at=min(sandbox.expires_at, ends),
                promised=max(0, sandbox.promised - seconds),
                last_active_at=min(sandbox.last_active_at, now),
            )
            if sandbox.status is not Status.CREATING:  # that one's row is written in a moment
                await self._registry.save(entry)

    async def sweep(self, owner: str | None = None) -> list[Sandbox]:
        """End what has expired, of one owner or of all; return the terminated rows."""
        candidates = [entry for entry in self._registry if owner in (None, entry.sandbox.user_id)]
        ends = [end for entry in candidates if (end := self._expire(entry)) is not None]
        results = await asyncio.gather(
            *(asyncio.shield(end) for end in ends), return_exceptions=True
        )
        ended: list[Sandbox] = []
        for result in results:
            if isinstance(result, Sandbox):
                if result.status is Status.TERMINATED:
                    ended.append(result)
            elif not isinstance(result, OrkeeError):
                log.error("An expired sandbox could not be ended.", exc_info=result)
        return ended

    def _expire(self, entry: Entry) -> asyncio.Task[Sandbox] | None:
        """Begin a sandbox's end if its lifetime is over *now*.

        Check and begin are one step without an ``await``, so a renewal is either seen
        here or comes after the end has begun, when it is refused: none is ever lost.
        """
        if entry.ending is not None or entry.sandbox.status not in (Status.ACTIVE, Status.PAUSED):
            return None
        if entry.holds:
            self._activity.renew(entry)
        if entry.sandbox.expires_at > self._clock.now():
            return None
        if entry.sandbox.status is Status.ACTIVE and entry.sandbox.on_expiry == "pause":
            return self._ending.begin_pause(entry, "expired")
        return self._ending.begin(entry, "expired")
