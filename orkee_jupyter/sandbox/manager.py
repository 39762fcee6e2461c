"""The face of the domain: everything that can be done with sandboxes, per owner."""

from __future__ import annotations

import asyncio
import builtins
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from .activity import Activity, HeldExec, HeldFiles, IdleExec
from .clock import SystemClock
from .conditions import Condition
from .create import Creator, draft
from .ending import Ending
from .files import FileRequest
from .forward import Forwarder
from .freezing import Freezing
from .lifecycle import Lifecycle
from .lifetimes import Lifetimes
from .limiter import Limiter, explaining
from .linking import Linker
from .model import (
    CreateRequest,
    ExecRequest,
    ListQuery,
    Page,
    Process,
    Sandbox,
    TerminalRequest,
)
from .past import Past
from .pausing import Pausing
from .ports import (
    Clock,
    Daemon,
    DaemonHub,
    Engine,
    ExecStream,
    FileStream,
    Filling,
    Progress,
    Store,
    TerminalStream,
)
from .reaper import Reaper
from .recorder import Recorder
from .records import HistoryStore
from .refusals import ambiguous, closing, not_active, not_found, not_started
from .registry import Entry, Registry
from .settings import Settings
from .snapshots import Shelf
from .snapshotting import Beginning, Snapshotting
from .tasks import Tasks
from .templates import TemplateCatalogue
from .terminals import HeldTerminal
from .upkeep import Upkeep
from .usage import Stats
from .validate import NAME
from .waiting import Waiter
from .watch import Watch

__all__ = ["SandboxManager", "Settings"]


def _new_id() -> str:
    return secrets.token_hex(16)


class SandboxManager(Lifecycle, Past, Snapshotting, Upkeep):
    """Creates, finds, uses and ends sandboxes.

    ``owner`` is always the id of the user who asks: another user's sandbox is as good
    as none. ``ref`` is a full id, a prefix of one with at least 4 digits, or a name.
    Every method may raise the store's errors; it belongs to one event loop.
    """

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        hub: DaemonHub,
        templates: TemplateCatalogue,
        shelf: Shelf,
        clock: Clock | None = None,
        settings: Settings | None = None,
        history: HistoryStore | None = None,
        publish: Callable[[Sandbox], None] = lambda _: None,
        new_id: Callable[[], str] = _new_id,
    ) -> None:
        clock, settings = clock or SystemClock(), settings or Settings()
        self._store, self._engine, self._hub = store, engine, hub
        self._clock, self._settings, self._new_id = clock, settings, new_id
        self._templates, self._shelf = templates, shelf
        templates.default_ttl = settings.default_ttl
        self._tasks = Tasks()
        self._registry = Registry(store, clock, publish)
        self._recorder = Recorder(
            history, clock, self._tasks, settings.history_days, settings.history_rows
        )
        self._recorder.secrets = self._registry.secrets
        self._registry.history.told = self._recorder.event
        self._activity = Activity(self._registry, clock, self._tasks, settings.touch_interval)
        self._ending = Ending(self._registry, engine, hub, clock, settings, self._tasks)
        self._limiter = Limiter(engine, self._ending, clock, settings, self._tasks)
        self._watch = Watch(self._registry, self._ending, self._tasks, self._limiter)
        self._forwarder = Forwarder(self._registry, hub, self._activity, clock)
        self._waiter = Waiter(hub, self._activity, clock)
        self._creator = Creator(
            self._registry,
            engine,
            hub,
            clock,
            settings,
            self._tasks,
            self._ending,
            self._watch,
            self._forwarder,
            self._limiter,
            Linker(self._registry, engine),
        )
        self._lifetimes = Lifetimes(self._registry, self._ending, clock, settings, self._tasks)
        self._pausing = Pausing(
            self._registry,
            self._ending,
            self._creator,
            Freezing(self._registry, engine, self._ending, clock),
            self._activity,
            templates,
            clock,
            settings,
            self._tasks,
        )
        self._reaper = Reaper(
            self._registry,
            self._ending,
            self._activity,
            clock,
            settings.reap_interval,
            self._registry.retry,
            self._give_up_the_old,
        )
        self._reaping: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        engine.on_lost(self._watch.lost)

    @property
    def templates(self) -> TemplateCatalogue:
        """The templates that sandboxes are made from."""
        return self._templates

    @property
    def settings(self) -> Settings:
        """What the administrator has set."""
        return self._settings

    @property
    def live(self) -> int:
        """How many sandboxes are creating, active or paused, of all owners."""
        return sum(1 for _ in self._registry)

    async def startup(self) -> None:
        """Put right what a dead server left, and start the reaper. To be called once."""
        await self._recorder.start()
        await self._registry.load(await self._store.live(), self._ending.keep)
        for entry in list(self._registry):
            if entry.sandbox.given_up:
                self._ending.begin(entry, "stopped; the server ended before that was done")
        self._reaping = self._tasks.spawn(self._reaper.run())
        self._tasks.spawn(self._give_up_the_old())

    async def shutdown(self) -> None:
        """End all containers, in about 5 s at most: active sandboxes are paused or stopped,
        as the settings say, those being created stopped; paused ones stay.

        May be called again while it runs: each call returns at its end. Store, engine
        and hub stay open, for the one who made them to close.
        """
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._shut_down())
        await asyncio.shield(self._closing)

    async def _shut_down(self) -> None:
        if self._reaping is not None:
            self._reaping.cancel()
        await self._ending.end_all("server stopped")
        await self._registry.retry()
        await self._recorder.close()
        await self._tasks.close()

    async def create(
        self,
        request: CreateRequest,
        owner: str,
        progress: Progress = lambda _: None,
        filling: Filling | None = None,
    ) -> Sandbox:
        """Create a sandbox and return its active row; ``progress`` gets a sentence a step.

        What ``filling`` gives is in the workspace before the command starts, or the files of
        the snapshot that is asked for; what the request leaves open comes from that one then.

        Raises what was wrong with the request (``unknown_template``, ``invalid_*``,
        ``name_taken``, ``too_many_sandboxes``) or with the creation (``unknown_image``,
        ``setup_failed``, ``command_*``, ``engine_*``, ``link_failed``, ``disk_full`` …),
        after all that was made has been taken down. Cancelling it does the same. Of a request
        without ``wait`` it returns the creating row, and goes on by itself.
        """
        return await self._make(await self._beginning(request, owner, filling), owner, progress)

    async def _make(self, beginning: Beginning, owner: str, progress: Progress) -> Sandbox:
        if self._closing is not None:
            raise closing()
        request, template = beginning.request, beginning.template
        sandbox = draft(self._new_id(), owner, request, template, self._clock.now(), self._settings)
        return await self._creator.create(
            sandbox,
            template.setup,
            progress,
            start=request.start,
            wait=request.wait,
            content=beginning.content,
            secrets=request.secrets,
        )

    async def start(self, ref: str, owner: str) -> Sandbox:
        """Start the command of a sandbox that was created without ``start``; return it.

        Raises ``command_*``, ``invalid_directory``, ``sandbox_not_active``. Nothing happens
        where the command was started before.
        """
        entry, daemon = self._daemon(await self._resolve(ref, owner), waiting=True)
        self._activity.renew(entry)
        return await self._creator.start(entry, daemon)

    def step(self, sandbox_id: str) -> str | None:
        """Return what a sandbox's creation or stop is doing just now."""
        entry = self._registry.entry(sandbox_id)
        return entry.step if entry is not None else None

    async def get(self, ref: str, owner: str) -> Sandbox:
        """Return a sandbox. Raises ``sandbox_not_found`` and ``ambiguous_id``."""
        return await self._resolve(ref, owner)

    async def list(self, query: ListQuery, owner: str) -> Page:
        """Return a page of an owner's sandboxes, newest first."""
        page = await self._store.list(query, owner)
        rows = (self._registry.current(row) for row in page.sandboxes)
        kept = tuple(row for row in rows if not query.statuses or row.status in query.statuses)
        return Page(kept, page.next)

    async def stop(self, ref: str, owner: str) -> Sandbox:
        """End a sandbox and return its terminated row; it also ends one being created.

        Raises ``sandbox_not_active`` if it has ended, or another call ended it meanwhile.
        """
        sandbox = await self._resolve(ref, owner)
        entry = self._registry.entry(sandbox.id)
        if entry is None:
            raise not_active(sandbox)
        return await self._ending.end(entry, "stopped")

    async def clean(self, owner: str) -> builtins.list[Sandbox]:
        """End an owner's expired sandboxes now; return their terminated rows."""
        return await self._reaper.sweep(owner)

    async def exec(self, ref: str, request: ExecRequest, owner: str) -> ExecStream:
        """Run a command and return its stream, which the caller closes.

        Until the command has ended the sandbox does not expire. Raises
        ``sandbox_not_active``, ``command_not_found``, ``command_not_executable``,
        ``invalid_directory``.
        """
        sandbox = await self._resolve(ref, owner)

        async def start(daemon: Daemon) -> ExecStream:
            return await self._recorder.started(sandbox, request, owner, daemon.exec(request))

        return await self._held(sandbox, start, hold=request.hold)

    async def terminal(self, ref: str, request: TerminalRequest, owner: str) -> TerminalStream:
        """Open a terminal, or attach to one, and return its stream, which the caller closes.

        That ends nothing. What is typed and shown keeps the sandbox from expiring. Raises
        ``sandbox_not_active``, ``command_*``, ``terminal_*``, ``too_many_terminals``.
        """
        entry, daemon = self._daemon(await self._resolve(ref, owner))
        self._activity.renew(entry)
        return HeldTerminal(await daemon.terminal(request), self._activity, entry)

    async def usable(self, ref: str, owner: str) -> Sandbox:
        """Return a sandbox that commands can run in. Raises ``sandbox_not_active``."""
        return self._daemon(await self._resolve(ref, owner))[0].sandbox

    async def attach(self, ref: str, pid: int, owner: str) -> ExecStream:
        """Return the stream of a detached command, which the caller closes: that ends nothing.

        Raises ``sandbox_not_active``, ``process_not_found``.
        """
        sandbox = await self._resolve(ref, owner)

        async def attach(daemon: Daemon) -> ExecStream:
            return self._recorder.attached(sandbox.id, await daemon.attach(pid))

        return await self._held(sandbox, attach)

    async def _held(
        self,
        sandbox: Sandbox,
        opening: Callable[[Daemon], Awaitable[ExecStream]],
        *,
        hold: bool = True,
    ) -> ExecStream:
        entry, daemon = self._daemon(sandbox)
        self._activity.renew(entry)
        held = self._activity.hold(entry)
        try:
            async with explaining(entry):
                stream = await opening(daemon)
        except BaseException:
            await held.release()
            raise
        if hold:
            return HeldExec(stream, held)
        await held.release()
        return IdleExec(stream, self._activity, entry)

    async def processes(self, ref: str, owner: str) -> Sequence[Process]:
        """Return the commands that were started in a sandbox. Raises ``sandbox_not_active``."""
        entry, daemon = self._daemon(await self._resolve(ref, owner))
        found = await daemon.processes()
        self._recorder.seen(entry.sandbox.id, found)
        return found

    async def kill(self, ref: str, pid: int, signal: str, owner: str) -> None:
        """Signal a command. Raises ``sandbox_not_active``, ``process_not_found``."""
        entry, daemon = self._daemon(await self._resolve(ref, owner))
        self._activity.renew(entry)
        await daemon.kill(pid, signal)

    def _daemon(self, sandbox: Sandbox, *, waiting: bool = False) -> tuple[Entry, Daemon]:
        """Return what a sandbox is used by; ``waiting`` allows one whose command has to start."""
        entry = self._usable(sandbox)
        if entry.daemon is None:
            raise not_active(entry.sandbox)
        if entry.command_waits and not waiting:
            raise not_started(entry.sandbox)
        return entry, entry.daemon

    async def files(self, ref: str, request: FileRequest, owner: str) -> FileStream:
        """Begin an operation on a sandbox's files and return its stream, which the caller closes.

        Until it is done the sandbox does not expire. Raises ``sandbox_not_active``,
        ``file_not_found``, ``invalid_path`` and the like.
        """
        entry, daemon = self._daemon(await self._resolve(ref, owner), waiting=True)
        hold = self._activity.hold(entry)
        self._activity.renew(entry)
        try:
            stream = await daemon.files(request)
        except BaseException:
            await hold.release()
            raise
        return HeldFiles(stream, hold)

    async def connect(self, ref: str, port: int, owner: str) -> socket.socket:
        """Return a non-blocking socket of this process that leads to a port of a sandbox.

        It is broken off if nothing answers there, and when the sandbox ends. Its traffic
        keeps the sandbox from expiring. Raises ``sandbox_not_active``.
        """
        entry = self._usable(await self._resolve(ref, owner))
        self._activity.renew(entry)
        return self._hub.ports(entry.sandbox.id).connect(port)

    async def wait(self, ref: str, condition: Condition, seconds: float, owner: str) -> Sandbox:
        """Return a sandbox once a port of it is listened on, or a page is answered.

        Raises ``wait_timeout``, ``command_exited``, ``sandbox_lost``, ``sandbox_not_active``.
        """
        entry = self._usable(await self._resolve(ref, owner))
        return await self._waiter.wait(entry, condition, seconds)

    def last_stats(self, sandbox_id: str) -> Stats | None:
        """Return what an active sandbox used when its daemon last told it, some seconds ago."""
        entry = self._registry.entry(sandbox_id)
        return entry.gauge.latest if entry is not None and entry.usable else None

    async def stats(self, ref: str, owner: str) -> Stats:
        """Return what a sandbox uses now. It does not count as a use of it.

        Raises ``sandbox_not_active``.
        """
        entry, daemon = self._daemon(await self._resolve(ref, owner), waiting=True)
        usage = await daemon.stats()
        if entry.guard is not None and "cpus" in entry.guard.kinds:
            entry.throttled = (await entry.guard.counted()).throttled
        return entry.gauge.take(usage, self._clock.now(), entry.throttled)

    def _usable(self, sandbox: Sandbox) -> Entry:
        entry = self._registry.entry(sandbox.id)
        if entry is None or not entry.usable:
            raise not_active(sandbox, stopping=True)
        return entry

    async def engine_status(self) -> Mapping[str, Any]:
        """Return which engine is in use and why the others are not, JSON-ready."""
        return await self._engine.status()

    async def engine_pulse(self) -> object:
        """Return something that is another when the engine's status may be: cheap to ask."""
        return await self._engine.pulse()

    def current(self, row: Sandbox) -> Sandbox:
        """Return the newest that is known of a row's sandbox."""
        return self._registry.current(row)

    def active_ids(self, owner: str) -> Sequence[str]:
        """Return the ids of an owner's sandboxes that can be asked what they use."""
        mine = (entry for entry in self._registry if entry.sandbox.user_id == owner)
        return [entry.sandbox.id for entry in mine if entry.usable]

    async def _resolve(self, ref: str, owner: str) -> Sandbox:
        """Return the one sandbox that a reference means."""
        wanted = ref.strip().lower()
        if not NAME.fullmatch(wanted):
            raise not_found(ref)
        entry = self._registry.entry(wanted)
        if entry is not None and entry.sandbox.user_id == owner:
            return entry.sandbox  # what the store would lead to, without its thread and query
        rows = await self._store.find(wanted, owner)
        if not rows:
            raise not_found(ref)
        if len(rows) > 1:
            raise ambiguous(wanted, rows)
        return self._registry.current(rows[0])
