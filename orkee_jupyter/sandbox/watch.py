"""What happens in a running sandbox by itself: its command ends, or it is lost."""

from __future__ import annotations

from collections.abc import Sequence

from .ending import Ending
from .errors import OrkeeError
from .limiter import Limiter
from .model import Exit, Status
from .ports import Daemon
from .registry import Entry, Registry
from .tasks import Tasks


def exit_reason(ended: Exit) -> str:
    """Return how a main command ended, as a reason for people."""
    if ended.signal is not None:
        return f"command was ended by SIG{ended.signal}"
    return f"command exited with code {ended.exit_code}"


class Watch:
    """Follows running sandboxes and writes down what happens to them."""

    def __init__(self, registry: Registry, ending: Ending, tasks: Tasks, limiter: Limiter) -> None:
        self._limiter = limiter
        self._registry = registry
        self._ending = ending
        self._tasks = tasks

    def begin(self, entry: Entry) -> None:
        """Start to watch a sandbox that has become active."""
        if entry.daemon is None or entry.ending is not None:
            return
        entry.watchers.append(self._tasks.spawn(self._follow_loss(entry, entry.daemon)))
        self._limiter.begin(entry)
        if entry.sandbox.command is not None and entry.sandbox.exit_code is None:
            entry.watchers.append(self._tasks.spawn(self._follow_exit(entry, entry.daemon)))

    async def _follow_exit(self, entry: Entry, daemon: Daemon) -> None:
        """Note the main command's exit: the container lives on and commands can still run."""
        try:
            ended = await daemon.main_exit()
        except OrkeeError:
            return  # lost before: the other watcher says so
        if entry.sandbox.status is Status.ACTIVE:
            entry.sandbox = entry.sandbox.with_(
                exit_code=ended.exit_code, reason=exit_reason(ended)
            )
            await self._registry.save(entry)

    async def _follow_loss(self, entry: Entry, daemon: Daemon) -> None:
        reason = await daemon.lost()
        if await self._limiter.lost(entry):
            return
        # In a task of its own, for pausing ends this one.
        self._tasks.spawn(self._ending.pause(entry, reason))

    def lost(self, sandbox_ids: Sequence[str], reason: str) -> None:
        """Take the engine's word that containers are gone. To be called on the event loop."""
        for sandbox_id in sandbox_ids:
            entry = self._registry.entry(sandbox_id)
            if entry is None:
                continue
            if entry.being_created:
                error = OrkeeError(
                    "engine_lost",
                    f"The container ended while the sandbox was being created: {reason}.",
                    "Create it again.",
                    details={"reason": reason},
                )
                entry.abort(Status.FAILED, error)
            else:
                self._tasks.spawn(self._ending.pause(entry, reason))
