"""How a sandbox ends or pauses: in order, bounded, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable

from . import failpoint
from .clock import within
from .errors import OrkeeError
from .model import ENDED, LogQuery, Sandbox, Status
from .ports import Clock, Daemon, DaemonHub, Engine
from .problem import LINES, problem_of
from .refusals import limit_exceeded, not_active
from .registry import Entry, Registry
from .settings import Settings
from .tasks import Tasks

log = logging.getLogger(__name__)

#: Real seconds that hurried ends get, after the shutdown's bound, to write their rows.
HURRY = 2.0
#: Seconds that the daemon of a lost container gets to end it by itself, if it still can.
PAUSE_PATIENCE = 2.0
#: Seconds for the last lines of a failed sandbox's log.
LOG_PATIENCE = 2.0


class Ending:
    """Ends and pauses sandboxes; the same tear-down serves stops, failures and losses."""

    def __init__(
        self,
        registry: Registry,
        engine: Engine,
        hub: DaemonHub,
        clock: Clock,
        settings: Settings,
        tasks: Tasks,
    ) -> None:
        self._registry = registry
        self._engine = engine
        self._hub = hub
        self._clock = clock
        self._settings = settings
        self._tasks = tasks
        self._kept: deque[str] = deque()  # ended sandboxes whose log is kept, oldest first

    async def end(self, entry: Entry, reason: str, grace: float | None = None) -> Sandbox:
        """End a sandbox and return its terminated row.

        While another call ends it, waits for that and then raises
        ``sandbox_not_active``. Cancelling the wait does not cancel the end.
        """
        if entry.ending is not None:
            await asyncio.wait({entry.ending})
            raise not_active(entry.sandbox)
        return await asyncio.shield(self.begin(entry, reason, grace))

    def begin(
        self,
        entry: Entry,
        reason: str,
        grace: float | None = None,
        to: Status = Status.TERMINATED,
    ) -> asyncio.Task[Sandbox]:
        """Begin an end, at once: from here on the sandbox cannot be used or renewed."""
        grace = self._settings.stop_grace if grace is None else grace
        entry.ending = self._tasks.spawn(self._end(entry, reason, grace, to))
        entry.interrupt()
        return entry.ending

    def begin_pause(self, entry: Entry, reason: str) -> asyncio.Task[Sandbox]:
        """Begin a pause of what has expired; one that is used in the last moment goes on."""

        async def pause() -> Sandbox:
            if entry.sandbox.expires_at <= self._clock.now():
                await self.pause(entry, reason, self._settings.stop_grace)
            return entry.sandbox

        return self._tasks.spawn(pause())

    async def _end(self, entry: Entry, reason: str, grace: float, to: Status) -> Sandbox:
        if entry.being_created and entry.creation is not None:
            entry.abort(Status.TERMINATED, _broken_off(entry.sandbox, reason))
            await asyncio.wait({entry.creation})
        else:
            async with entry.moving:
                await self.finish(entry, to, reason, grace)
        if entry.sandbox.status is not to:
            raise not_active(entry.sandbox)
        return entry.sandbox

    async def finish(
        self,
        entry: Entry,
        to: Status,
        reason: str,
        grace: float | None = None,
        *,
        error: OrkeeError | None = None,
    ) -> None:
        """Tear down what there is of a sandbox, then move it to an ended state.

        ``grace`` is how long its commands get to end by themselves; None for no time.
        ``error`` is what it failed with.
        """
        self._registry.step(entry, "stopping")
        placed = entry.placed
        if entry.workspace:
            # Should the server die on the way, no row may promise files that are gone.
            entry.sandbox = entry.sandbox.with_(given_up=True)
            await self._registry.save(entry)
        entry.teardown = self._tasks.spawn(self._tear_down(entry, grace))
        try:
            await asyncio.wait({entry.teardown})
            if entry.teardown.cancelled():
                await self._attempt("close its link", self._hub.close(entry.sandbox.id))
                if entry.workspace:  # it may not have come to that
                    note = self._engine.empty_later(entry.sandbox.id)
                    await self._attempt("note its workspace", note)
                faults = ["it did not end in time"]
            else:
                faults = entry.teardown.result()
        finally:
            entry.step = None
            entry.daemon = None
        if faults and to is Status.TERMINATED:
            reason = f"{reason}; {'; '.join(faults)}"
        if to is Status.FAILED:
            lines = await self._last_lines(entry.sandbox.id) if placed else []
            error = error or limit_exceeded(entry.sandbox, reason)
            problem = problem_of(error, entry.sandbox.env, lines, entry.secrets)
            entry.sandbox = entry.sandbox.with_(problem=problem)
        await self._registry.move(entry, to, reason)
        await self._keep_log(entry.sandbox.id)

    async def _last_lines(self, sandbox_id: str) -> list[str]:
        """Return the end of a log that has ended."""
        data = bytearray()

        async def read() -> None:
            async for piece in self._hub.logs(sandbox_id, LogQuery(tail=LINES)):
                data.extend(piece.data)

        await self._attempt("read its log", read(), LOG_PATIENCE)
        return data.decode(errors="replace").splitlines()

    async def _tear_down(self, entry: Entry, grace: float | None) -> list[str]:
        """End commands, container, workspace and link; return what did not work."""
        sandbox_id = entry.sandbox.id
        faults: list[str | None] = []
        await self._stop_watching(entry)
        await self._thaw(entry)
        if entry.daemon is not None and grace is not None:
            # A daemon that cannot say good-bye is ended with its container: no fault.
            await self._attempt("stop its commands", entry.daemon.stop(grace), grace + 2)
        if entry.started:
            faults.append(await self._attempt("end its container", self._engine.stop(sandbox_id)))
        await self._unguard(entry)
        if entry.workspace:
            emptying = self._engine.empty_workspace(sandbox_id)
            fault = await self._attempt("empty its workspace", emptying)
            faults.append(fault and f"{fault}, which is done when the engine runs again")
        if entry.placed:
            await self._attempt("close its link", self._hub.close(sandbox_id))
        return [fault for fault in faults if fault is not None]

    async def _attempt(
        self, what: str, call: Awaitable[None], seconds: float | None = None
    ) -> str | None:
        """Return None, or what went wrong: one failed step must not stop the next."""
        try:
            await within(self._clock, seconds or self._settings.engine_timeout, call)
            await failpoint.reach(f"end.{what.rsplit(maxsplit=1)[-1]}")
        except TimeoutError:
            fault = f"could not {what} in time"
        except OrkeeError as error:
            fault = f"could not {what}: {error.cause}"
        except Exception as error:
            log.exception("A step of a sandbox's end failed.")
            fault = f"could not {what}: {type(error).__name__}"
        else:
            return None
        log.warning("At the end of a sandbox: %s", fault)
        return fault

    async def _unguard(self, entry: Entry) -> None:
        if entry.guard is not None:
            await self._attempt("let go of its limits", entry.guard.release())
        if entry.fence is not None:
            await self._attempt("let go of its network", entry.fence.release())
            entry.fence = None

    async def _stop_watching(self, entry: Entry) -> None:
        watchers, entry.watchers = entry.watchers, []
        for watcher in watchers:
            watcher.cancel()
        if watchers:
            await asyncio.wait(watchers)

    async def pause(self, entry: Entry, reason: str, grace: float = 0.0) -> None:
        """End the container of an active sandbox, or note that it is lost; its workspace stays.

        The state changes first, for users should not wait for an engine that is
        perhaps dead; then what is left of the container is ended. A frozen sandbox has one too.
        """
        if entry.sandbox.status is not Status.ACTIVE and entry.frost is None:
            return  # nor any more once a resume under way is done: that has another container
        async with entry.moving:
            if entry.ending is not None:
                return
            if entry.frost is not None:
                await self.give_up_frozen(entry, reason, grace)
            elif entry.sandbox.status is Status.ACTIVE:
                self.set_aside(entry)
                daemon, entry.daemon = entry.daemon, None
                await self._registry.move(entry, Status.PAUSED, reason)
                await self.let_go(entry, daemon, grace)

    def set_aside(self, entry: Entry) -> None:
        """Remember of an active sandbox what it needs to be active again, and give it its time."""
        if entry.began is not None:
            entry.lived += self._clock.monotonic() - entry.began
            entry.began = None
        entry.had = {
            each.port: each.host_port
            for each in entry.sandbox.port_map
            if each.host_port is not None
        }
        self.keep(entry)

    async def give_up_frozen(self, entry: Entry, reason: str, grace: float = 0.0) -> None:
        """End the container of a frozen sandbox, which is paused like any other then.

        To be called with ``entry.moving`` held.
        """
        daemon, entry.daemon = entry.daemon, None
        entry.sandbox = entry.sandbox.with_(frozen=False, reason=reason)
        await self._registry.save(entry)
        await self._thaw(entry)  # so that they can end in order
        await self.let_go(entry, daemon, grace)

    async def _thaw(self, entry: Entry) -> None:
        frost, entry.frost = entry.frost, None
        if frost is not None:
            await self._attempt("thaw it", frost.frozen.thaw())

    def keep(self, entry: Entry) -> None:
        """Give a sandbox that is paused, or about to be, as long as one may have at most.

        Whoever comes back to it should find it; the caller writes the row.
        """
        kept = int(self._clock.now()) + self._settings.max_ttl
        entry.sandbox = entry.sandbox.with_(expires_at=max(entry.sandbox.expires_at, kept))

    async def let_go(self, entry: Entry, daemon: Daemon | None, grace: float = 0.0) -> None:
        """End a container and its link, and leave the workspace."""
        sandbox_id = entry.sandbox.id
        await self._stop_watching(entry)
        if daemon is not None:
            # An engine takes up to 10 s to notice that a session of its was killed.
            await self._attempt("stop its commands", daemon.stop(grace), grace + PAUSE_PATIENCE)
        await self._attempt("end its container", self._engine.stop(sandbox_id))
        await self._unguard(entry)
        await self._attempt("close its link", self._hub.close(sandbox_id))
        entry.placed = entry.started = False
        entry.guard = None

    async def _keep_log(self, sandbox_id: str) -> None:
        """Keep the newest logs of ended sandboxes readable, and forget older ones."""
        self._kept.append(sandbox_id)
        while len(self._kept) > self._settings.kept_logs:
            await self._attempt("forget its log", self._hub.forget(self._kept.popleft()))

    async def end_all(self, reason: str) -> None:
        """End all containers in parallel, within the shutdown's bound.

        Active sandboxes are paused, or stopped where the administrator wants it so; those that
        are being created, or whose stop is under way or still to come, are stopped.
        """
        live = [entry for entry in self._registry if entry.sandbox.status not in ENDED]
        pauses: set[asyncio.Task[None]] = set()
        for entry in live:
            if entry.ending is not None:
                continue
            status = entry.sandbox.status
            if entry.sandbox.stop_at is not None or status is Status.CREATING:
                self.begin(entry, reason, grace=1.0)
            elif status is Status.PAUSED and entry.frost is None:
                entry.interrupt()
            elif self._settings.on_shutdown == "pause":
                pauses.add(self._tasks.spawn(self.pause(entry, reason, grace=1.0)))
            else:
                self.begin(entry, reason, grace=1.0)
        ends = pauses | {entry.ending for entry in live if entry.ending is not None}
        if not ends:
            return
        try:
            await within(self._clock, self._settings.shutdown_timeout, asyncio.wait(ends))
        except TimeoutError:
            for entry in live:
                entry.hurry()
            await asyncio.wait(ends, timeout=HURRY)


def _broken_off(sandbox: Sandbox, reason: str) -> OrkeeError:
    return OrkeeError(
        "sandbox_not_active",
        f"The sandbox {sandbox.id[:12]} was ended while it was being created ({reason}).",
        "Create it again if that was not meant.",
        details={"id": sandbox.id, "status": Status.TERMINATED.value, "reason": reason},
    )
