"""The Engine of the sandbox domain, on Dagger: one session, rebuilt when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..sandbox.errors import OrkeeError
from ..sandbox.model import Limits
from ..sandbox.ports import CacheUse, ContainerDefinition, Fence, Frozen, Guard, Progress
from ..sandbox.refusals import freeze_unsupported, links_unsupported, network_policy_unsupported
from ..sandboxd.binary import binary
from . import choice, memory_cap
from .cache import Cache, Kept
from .containers import Containers
from .installing import install_in_thread
from .loop_thread import LoopThread
from .native import NativeEngine
from .room import Room
from .session import Session, SessionConfig

log = logging.getLogger(__name__)

Lost = Callable[[Sequence[str], str], None]


@dataclass(slots=True)
class _Current:
    """What a running session consists of."""

    candidate: choice.Candidate
    session: Session
    containers: Containers
    room: Room  # on its disk
    hold: asyncio.Task[None] | None  # keeps the native engine running and notices its end
    listener: tuple[socket.socket, str] | None = None  # of the direct link
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class DaggerEngine:
    """Implements :class:`orkee_jupyter.sandbox.ports.Engine`.

    ``folder`` takes the session's log; ``session_memory`` is the most memory that the
    session's process may have, in bytes, 0 for no cap. Nothing is started before the first
    call that needs the engine.
    """

    def __init__(
        self,
        runner_host: str | None,
        folder: Path,
        *,
        native: NativeEngine | None = None,
        session_memory: int = memory_cap.DEFAULT,
    ) -> None:
        self._runner_host = runner_host
        self._log = folder / "logs" / f"session-{os.getpid()}.log"
        self._kept = Kept(folder / "workspaces")
        self._owed = Kept(folder / "workspaces-to-empty")  # as no engine was there to do it
        self._native = native or NativeEngine()
        self._session_memory = session_memory
        self._thread = LoopThread("orkee-dagger")
        self._lock: asyncio.Lock | None = None  # made in the thread
        self._current: _Current | None = None
        self._ends: set[asyncio.Task[None]] = set()  # of sessions that died
        self._settling: asyncio.Task[None] | None = None
        self._closing = False
        self._wanted: set[str] = set()  # sandboxes that were not given up since their start
        self._lost: Lost | None = None
        self._lost_loop: asyncio.AbstractEventLoop | None = None

    def on_lost(self, callback: Lost) -> None:
        """Have ``callback(sandbox_ids, reason)`` called on the loop that registers it."""
        self._lost = callback
        with contextlib.suppress(RuntimeError):
            self._lost_loop = asyncio.get_running_loop()

    async def prepare(self, progress: Progress) -> None:
        """Choose an engine, start it if it is ours, and connect to it."""
        await self._thread.call(self._ensure(_reporter(progress)))

    async def start(self, definition: ContainerDefinition, progress: Progress) -> str:
        """Start a container whose first process is sandboxd; return its host name."""
        report = _reporter(progress)

        sandbox = definition.sandbox_id

        async def run() -> str:
            self._wanted.add(sandbox)
            self._kept.note(sandbox)
            try:
                current = await self._ensure(report)
                with self._told_apart(current):
                    return await self._start(current, definition, report)
            except BaseException as error:
                self._wanted.discard(sandbox)
                if definition.fresh and isinstance(error, OrkeeError):
                    self._kept.forget(sandbox)  # as then nothing was left behind
                raise

        return await self._thread.call(run())

    async def stop(self, sandbox_id: str) -> None:
        """End the container at once, if there is one."""

        async def run() -> None:
            self._wanted.discard(sandbox_id)
            if (current := self._current) is not None:
                with self._told_apart(current):
                    await current.containers.stop(sandbox_id)

        if not self._closing:  # else it ends with all others
            await self._thread.call(run())

    async def limit(self, sandbox_id: str, limits: Limits) -> Guard | None:
        """Have the native engine's supervisor enforce limits; None with another engine."""
        current = self._current
        if current is None or current.candidate.kind != "native":
            return None
        return await self._native.limit(sandbox_id, limits)

    async def freeze(self, sandbox_id: str) -> Frozen:
        """Have the native engine's supervisor freeze a container.

        Raises OrkeeError ``freeze_unsupported`` with another engine.
        """
        current = self._current
        if current is None or current.candidate.kind != "native":
            raise freeze_unsupported("only the native engine does that")
        return await self._native.freeze(sandbox_id)

    async def police(self, sandbox_id: str, hosts: Sequence[str], link: str | None) -> Fence:
        """Have the native engine's supervisor keep a container from the network.

        Raises OrkeeError ``network_policy_unsupported`` with another engine.
        """
        current = self._current
        if current is None or current.candidate.kind != "native":
            raise network_policy_unsupported("only the native engine does that")
        return await self._native.police(sandbox_id, hosts, link)

    async def link(self, sandbox_id: str, name: str, target_id: str | None) -> None:
        """Have the native engine's supervisor lay a wire between two containers.

        Raises OrkeeError ``links_unsupported`` with another engine.
        """
        current = self._current
        if current is None or current.candidate.kind != "native":
            raise links_unsupported("only the native engine does that")
        await self._native.link(sandbox_id, name, target_id)

    async def empty_workspace(self, sandbox_id: str) -> None:
        """Empty the sandbox's cache volume, starting the engine if need be.

        Where that fails it is done once an engine has been connected to again, by whichever
        server of this user.
        """

        async def run() -> None:
            with contextlib.suppress(OrkeeError):  # a full disk is no reason not to try it now
                self._owed.note(sandbox_id)
            current = await self._ensure(lambda _: None)
            with self._told_apart(current):
                await self._empty(current, sandbox_id)

        await self._thread.call(run())

    async def empty_later(self, sandbox_id: str) -> None:
        """Write down that a workspace has to be emptied. Raises as files do: ``disk_full`` …"""
        self._owed.note(sandbox_id)

    async def cache(self) -> CacheUse:
        """Return what the engine's cache holds; unknown of an engine that does not run."""

        async def run() -> CacheUse:
            if self._current is None and not (await self._runs()):
                return CacheUse()
            current = await self._ensure(lambda _: None)
            with self._told_apart(current):
                return await Cache(current.session.client).use()

        return await self._thread.call(run())

    async def clean_cache(self, keep: Sequence[str]) -> int:
        """Remove from the cache what nothing uses, but no workspace; return the bytes freed.

        ``keep`` are sandboxes whose workspaces have to stay, beside all those that servers of
        this user have started and not emptied.
        """

        async def run() -> int:
            current = await self._ensure(lambda _: None)
            with self._told_apart(current):
                return await self._clean(current, keep)

        return await self._thread.call(run())

    async def _runs(self) -> bool:
        """Whether the native engine is there to be asked, without a start of it."""
        if choice.configured_host(self._runner_host) or not self._native.installed():
            return False
        try:
            return bool((await self._native.status()).get("ready"))
        except OrkeeError:
            return False

    async def install(self, progress: Progress) -> bool:
        """Install the native engine; return whether anything had to be built. Takes minutes."""
        return await install_in_thread(progress)

    async def direct_listener(self) -> tuple[socket.socket, str] | None:
        """Return a listener inside the native engine's network and its address, else None.

        The same one for as long as the engine lives: a new one says that the old is dead.
        The caller closes it.
        """

        async def run() -> tuple[socket.socket, str] | None:
            current = await self._ensure(lambda _: None)
            async with current.lock:  # callers at once get one listener
                if current.listener is None and current.candidate.kind == "native":
                    current.listener = await self._native.listener()
            return current.listener

        return await self._thread.call(run())

    async def status(self) -> Mapping[str, Any]:
        """Return which engine is used and why the others are not, JSON-ready."""
        report = dict(await choice.report(self._runner_host, self._native))
        current = self._current
        report["session"] = (
            {"pid": current.session.pid, "engine": current.candidate.kind} if current else None
        )
        return report

    async def pulse(self) -> object:
        """Return what tells a change of the status: no process is run, no network asked."""
        current, state = self._current, None
        if self._native.installed():
            try:
                told = await self._native.status()
                state = told.get("state"), told.get("ready"), told.get("pid")
            except OrkeeError as error:
                state = error.code, None, None
        return None if current is None else current.session.pid, state

    async def close(self) -> None:
        """End every container that this object started, and the session. May be called twice."""
        self._closing = True
        if self._thread.runs:
            with contextlib.suppress(OrkeeError):  # another close was quicker
                await self._thread.call(self._let_go())
        await self._thread.close()

    # What follows runs in the thread.

    async def _let_go(self) -> None:
        current, self._current = self._current, None
        if self._settling is not None:
            self._settling.cancel()
        if current is not None:
            self._end(current)
        if self._ends:
            await asyncio.wait(self._ends)

    async def _ensure(self, progress: Progress) -> _Current:
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            if self._closing:
                raise OrkeeError("engine_lost", "The server is stopping.")
            if (current := self._current) is not None and current.hold is None:
                with contextlib.suppress(OrkeeError), self._told_apart(current):
                    await current.containers.check()
            if self._current is None:
                self._current = await self._connect(progress)
                if self._current.room.is_full():
                    # The layer that filled it stays until another engine looks at it.
                    with contextlib.suppress(OrkeeError):
                        await self._clean(self._current, ())
                self._settling = asyncio.get_running_loop().create_task(self._settle(self._current))
            return self._current

    async def _start(
        self, current: _Current, definition: ContainerDefinition, report: Progress
    ) -> str:
        sandbox = definition.sandbox_id
        current.room.check()
        try:
            return await current.containers.start(
                definition, report, lambda: sandbox in self._wanted
            )
        except OrkeeError as error:
            if not current.room.is_full():
                raise
            current.room.give_up()
            raise current.room.full() from error

    async def _clean(self, current: _Current, keep: Sequence[str]) -> int:
        current.room.give_up()
        async with current.containers.standstill():
            kept = sorted({*keep, *self._kept.all()})
            freed = await Cache(current.session.client).clean(current.containers, kept)
        current.room.set_aside()
        return freed

    async def _empty(self, current: _Current, sandbox_id: str) -> None:
        current.room.give_up()
        await current.containers.empty(sandbox_id)
        self._kept.forget(sandbox_id)
        self._owed.forget(sandbox_id)
        current.room.set_aside()

    async def _settle(self, current: _Current) -> None:
        """Empty the workspaces that were given up while no engine was there to do it."""
        empty = (self._empty(current, sandbox) for sandbox in self._owed.all())
        for result in await asyncio.gather(*empty, return_exceptions=True):
            if isinstance(result, OrkeeError):
                log.warning("A workspace could not be emptied: %s It is tried again.", result)

    async def _connect(self, progress: Progress) -> _Current:
        candidate = await choice.choose(self._runner_host, self._native)
        hold: asyncio.Task[None] | None = None
        room = Room(self._native.state_dir if candidate.kind == "native" else None)
        if candidate.kind == "native":
            room.give_up()
            await self._native.start(progress)
            room.set_aside()
            hold = asyncio.get_running_loop().create_task(self._native.hold())
        try:
            command = choice.cli()
            if command is None:
                progress("downloading the Dagger command")
                command = await _download_cli()
            progress(f"connecting to the Dagger engine ({candidate.kind})")
            config = SessionConfig(
                command, candidate.runner_host, self._log, memory=self._session_memory
            )
            session = await Session.start(config, self._session_ended)
        except BaseException:
            if hold is not None:
                hold.cancel()
            raise
        if hold is not None:
            # A session outlives its engine and answers from a new, empty one:
            # so the end of the engine has to be the end of the session.
            hold.add_done_callback(lambda task: _engine_gone(task, session))
        return _Current(candidate, session, Containers(session.client, binary), room, hold)

    @contextlib.contextmanager
    def _told_apart(self, current: _Current) -> Iterator[None]:
        """End the session if its engine, which nobody watches for us, turns out to be gone.

        A session outlives its engine, and answers from a new, empty one that starts nothing.
        """
        try:
            yield
        except OrkeeError as error:
            if error.code == "engine_lost" and current.hold is None:
                current.session.kill()
                self._session_ended(current.session)
            raise

    def _session_ended(self, session: Session) -> None:
        current = self._current
        if current is None or current.session is not session or self._closing:
            return
        self._current = None
        engine_ended = current.hold is not None and current.hold.done()
        self._end(current)
        lost = current.containers.ids()
        reason = "the engine ended" if engine_ended else session.reason
        if self._lost is not None and self._lost_loop is not None and lost:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._lost_loop.call_soon_threadsafe(self._lost, lost, reason)

    def _end(self, current: _Current) -> None:
        """Begin to close a session; ``_ends`` says when that is done."""
        if current.hold is not None:
            current.hold.cancel()
        end = asyncio.get_running_loop().create_task(current.session.close())
        self._ends.add(end)
        end.add_done_callback(self._ends.discard)


def _engine_gone(hold: asyncio.Task[None], session: Session) -> None:
    if not hold.cancelled():
        hold.exception()  # however it ended, it does not hold the engine any more
        session.kill()


def _reporter(progress: Progress) -> Progress:
    """Return a ``progress`` for the SDK's thread that calls the given one on this loop."""
    loop = asyncio.get_running_loop()

    def report(step: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(progress, step)

    return report


async def _download_cli() -> Path:
    """Have the SDK fetch the command that fits it (a user with Docker and a network)."""
    from dagger.provisioning._download import Downloader

    try:
        return Path(await Downloader())
    except Exception as error:
        raise OrkeeError(
            "no_engine",
            f"The Dagger command could not be downloaded: {error}.",
            "Run `orkee engine install` to build it.",
        ) from error
