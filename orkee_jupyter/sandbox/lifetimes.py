"""How long a sandbox has, changed on request: more time, a stop that can be taken back."""

from __future__ import annotations

from .ending import Ending
from .errors import OrkeeError
from .model import Sandbox, Status
from .ports import Clock
from .refusals import label, not_active
from .registry import Entry, Registry
from .settings import Settings
from .tasks import Tasks
from .validate import validate_ttl


class Lifetimes:
    """Extends lifetimes, and keeps the stops that are to come."""

    def __init__(
        self, registry: Registry, ending: Ending, clock: Clock, settings: Settings, tasks: Tasks
    ) -> None:
        self._registry = registry
        self._ending = ending
        self._clock = clock
        self._settings = settings
        self._tasks = tasks

    async def extend(self, entry: Entry, seconds: int) -> Sandbox:
        """Have a sandbox live at least ``seconds`` from now, and return its row.

        Nothing is shortened by it. Raises ``invalid_ttl`` for more than the server allows,
        or than the sandbox's own timeout leaves; ``sandbox_not_active`` if it ends.
        """
        validate_ttl(seconds, self._settings.max_ttl)
        self._settings.policy.check_ttl(seconds)
        sandbox = entry.sandbox
        if entry.ending is not None or sandbox.status is Status.CREATING:
            raise not_active(sandbox, stopping=True)
        left = self._left(entry)
        if left is not None and seconds > left:
            raise _beyond_timeout(sandbox, seconds, left)
        now = int(self._clock.now())
        entry.sandbox = sandbox.with_(
            promised=max(sandbox.promised, now + seconds),
            expires_at=max(sandbox.expires_at, now + seconds),
            last_active_at=max(sandbox.last_active_at, now),
        )
        said = f"Somebody gave it more time: {seconds} s from now at least."
        self._registry.history.note(sandbox.id, "extended", said)
        entry.touched = self._clock.monotonic()
        await self._registry.save(entry)
        return entry.sandbox

    def _left(self, entry: Entry) -> int | None:
        """Return the seconds that an active sandbox's timeout leaves; None without one."""
        if entry.sandbox.timeout is None or entry.began is None:
            return None
        lived = entry.lived + self._clock.monotonic() - entry.began
        return max(0, int(entry.sandbox.timeout - lived))

    def stop_later(self, entry: Entry, seconds: float) -> Sandbox:
        """Have a sandbox stopped after a while, and return its row; a later call moves that.

        Until then it works as ever. Raises ``sandbox_not_active`` if its end has begun.
        """
        if entry.ending is not None:
            raise not_active(entry.sandbox, stopping=True)
        self._forget(entry)
        entry.sandbox = entry.sandbox.with_(stop_at=self._clock.now() + seconds)
        entry.stopper = self._tasks.spawn(self._stop_after(entry, seconds))
        self._registry.changed(entry)
        return entry.sandbox

    async def _stop_after(self, entry: Entry, seconds: float) -> None:
        await self._clock.sleep(seconds)
        entry.stopper = None
        if entry.ending is None:
            self._ending.begin(entry, "stopped")

    def keep(self, entry: Entry) -> Sandbox:
        """Take a stop that is still to come back, and return the row.

        Nothing happens where there is none. Raises ``sandbox_not_active`` if its end has begun.
        """
        if entry.ending is not None:
            raise not_active(entry.sandbox, stopping=True)
        if entry.sandbox.stop_at is not None:
            self._forget(entry)
            entry.sandbox = entry.sandbox.with_(stop_at=None)
            self._registry.changed(entry)
        return entry.sandbox

    @staticmethod
    def _forget(entry: Entry) -> None:
        stopper, entry.stopper = entry.stopper, None
        if stopper is not None:
            stopper.cancel()


def _beyond_timeout(sandbox: Sandbox, seconds: int, left: int) -> OrkeeError:
    return OrkeeError(
        "invalid_ttl",
        f"The sandbox {label(sandbox)} ends in {left} s by its timeout of {sandbox.timeout} s.",
        f"Ask for at most {left} seconds, or create one with a longer timeout.",
        details={"timeout": sandbox.timeout, "left": left, "asked": seconds},
    )
