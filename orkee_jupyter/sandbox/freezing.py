"""Freezing: a container's processes stand still and keep their memory, until they go on."""

from __future__ import annotations

from typing import Any

from . import failpoint
from .ending import Ending
from .errors import OrkeeError
from .model import Sandbox, Status
from .ports import Clock, Engine
from .refusals import not_active
from .registry import FROZEN, Entry, Frost, Registry


class Freezing:
    """Freezes active sandboxes, and thaws them.

    A frozen sandbox is a paused one whose container is still there. Its row promises no more
    than any paused one's, for all that is frozen goes with the server or the engine.
    """

    def __init__(self, registry: Registry, engine: Engine, ending: Ending, clock: Clock) -> None:
        self._registry = registry
        self._engine = engine
        self._ending = ending
        self._clock = clock

    async def freeze(self, entry: Entry) -> None:
        """Have an active sandbox's processes stand still; nothing happens to a paused one.

        Raises ``freeze_unsupported``, ``engine_*``, with the sandbox as it was, and
        ``sandbox_not_active``.
        """
        async with entry.moving:
            if entry.sandbox.status is Status.PAUSED and entry.ending is None:
                return
            if not entry.usable:
                raise not_active(entry.sandbox, stopping=True)
            frozen = await self._engine.freeze(entry.sandbox.id)
            try:
                await failpoint.reach("freeze.processes")
            except OrkeeError:
                await frozen.thaw()  # nobody else knows of it yet
                raise
            entry.frost = Frost(frozen, entry.sandbox)
            self._ending.set_aside(entry)
            await self._registry.move(entry, Status.PAUSED, FROZEN, frozen=True)

    async def thaw(self, entry: Entry) -> bool:
        """Have a frozen sandbox go on where it stood; say whether it does.

        If not, its container is ended, and it is paused like any other.
        """
        frost = entry.frost
        if frost is None:
            return False
        try:
            await frost.frozen.thaw()
            await failpoint.reach("thaw.processes")
        except OrkeeError as error:
            await self._ending.give_up_frozen(entry, f"it could not be thawed: {error.cause}")
            return False
        entry.frost = None
        entry.began = self._clock.monotonic()
        changes = _again(entry, frost.before, int(self._clock.now()))
        await self._registry.move(entry, Status.ACTIVE, frost.before.reason, **changes)
        return True


def _again(entry: Entry, before: Sandbox, now: int) -> dict[str, Any]:
    """Return what it has again, container, link and ports, and its time."""
    return {
        "expires_at": max(entry.sandbox.promised, now + before.ttl),
        "container_id": before.container_id,
        "link": before.link,
        "host_url": before.host_url,
        "port_map": before.port_map,
    }
