"""What the manager needs from outside, as protocols: store, engine, daemon.

The real ones live in ``store/``, ``dagger/`` and ``sandboxd/``; the fakes of the
unit tests pass the same contract tests (``tests/contract``).
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .files import FileRequest
from .model import (
    ExecRequest,
    Exit,
    FileEntry,
    Limits,
    ListQuery,
    LogEntry,
    LogQuery,
    Output,
    Page,
    Process,
    Sandbox,
    TerminalRequest,
)
from .usage import Usage

#: Gives a tar archive in pieces, for a workspace that is to be filled with it.
Filling = Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Content:
    """What a workspace begins with."""

    pieces: Filling
    what: str = "the project folder"
    alone: bool = False  # without what the image put there


#: Called with a sentence for each step of something long ("pulling node:18-alpine").
Progress = Callable[[str], None]


class Store(Protocol):
    """Rows of ``sandbox_sessions``. Raises OrkeeError ``store_*`` or ``disk_full``."""

    async def insert(self, sandbox: Sandbox) -> None: ...
    async def update(self, sandbox: Sandbox) -> None:
        """Write every field of an existing row."""

    async def touch(self, sandbox_id: str, last_active_at: int, expires_at: int) -> None:
        """Renew a lifetime. Never moves either value back."""

    async def get(self, sandbox_id: str) -> Sandbox | None: ...
    async def find(self, ref: str, user_id: str | None) -> Sequence[Sandbox]:
        """Return the rows that ``ref`` may mean, best first, of that user (None: of any).

        A full id gives that row. Else the live or paused rows of that name;
        else the newest ended row of that name; else the rows whose id begins with it
        (at least 4 digits).
        """

    async def list(self, query: ListQuery, user_id: str | None) -> Page: ...
    async def live(self) -> Sequence[Sandbox]:
        """Return all rows that are creating, active or paused."""

    async def expired(self, now: int) -> Sequence[Sandbox]:
        """Return the active and paused rows whose ``expires_at`` is at or before ``now``."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and with which token the daemon of one sandbox dials its server."""

    link: str  # "direct" or "forwarded"
    token: str = field(repr=False)
    socket_path: str | None = None  # forwarded: the unix socket to hand to Dagger
    address: str | None = None  # direct: "10.87.0.1:40123", as seen by the container


@dataclass(frozen=True, slots=True)
class ContainerDefinition:
    """What a container is made from. What differs in use goes over the control stream."""

    sandbox_id: str
    image: str
    setup: tuple[str, ...]
    working_directory: str
    endpoint: Endpoint
    fresh: bool = True  # its workspace is new, and nobody's loss if the start fails


@dataclass(frozen=True, slots=True)
class Counted:
    """What the kernel has counted of a container that is limited from outside."""

    breach: str | None = None  # "memory" or "pids", once that limit was broken
    throttled: float = 0.0  # seconds that its commands were held back


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What an engine's cache holds: layers, images and workspaces. None is not known."""

    bytes: int | None = None
    entries: int | None = None


class Guard(Protocol):
    """Limits of one container that its engine enforces from outside."""

    kinds: frozenset[str]  # the names of those limits

    async def counted(self) -> Counted:
        """Return what was counted until now; of a container that has ended, what was last."""

    def broken(self) -> Awaitable[str]:
        """Wait for a limit to be broken; gives "memory" or "pids"."""

    async def release(self) -> None:
        """Let go of it, when the container has ended. May be called twice."""


class Fence(Protocol):
    """A network policy that is kept up to date, until it is let go of."""

    async def release(self) -> None:
        """Let go of it, when the container has ended. May be called twice."""


class Frozen(Protocol):
    """The processes of one container, standing still."""

    async def thaw(self) -> None:
        """Let them go on. Nothing happens the second time. Raises ``engine_*`` if they can't."""


class Engine(Protocol):
    """Starts and ends containers.

    Raises OrkeeError ``no_engine``, ``engine_*``, ``unknown_image``, ``setup_failed``,
    ``disk_full``.
    """

    async def prepare(self, progress: Progress) -> None:
        """Start the engine and connect to it, where that was not done yet."""

    async def start(self, definition: ContainerDefinition, progress: Progress) -> str:
        """Start a container whose first process is sandboxd; return its container id."""

    async def stop(self, sandbox_id: str) -> None:
        """End the container at once, if there is one."""

    async def limit(self, sandbox_id: str, limits: Limits) -> Guard | None:
        """Hold a running container to limits, from outside; to be asked before it is used.

        None if this engine can't. The guard's kinds may be fewer than what was asked for.
        """

    async def freeze(self, sandbox_id: str) -> Frozen:
        """Have all that runs in a container stand still, but for its sandboxd.

        Raises ``freeze_unsupported`` where no container can be frozen, ``engine_failed`` where
        this one could not; it runs on then.
        """

    async def police(self, sandbox_id: str, hosts: Sequence[str], link: str | None) -> Fence:
        """Have a container reach these hosts only, and its server at ``link`` if that is given.

        To be asked before it is used. Raises ``network_policy_unsupported`` where that can't
        be, ``engine_failed`` where it was not done.
        """

    async def link(self, sandbox_id: str, name: str, target_id: str | None) -> None:
        """Have a container find another one by a name, and open connections to it.

        None where that one does not run: the name is known then, and nothing answers. To be
        asked again when it runs, or runs anew. The other one begins none, and nobody else
        comes by. Raises ``links_unsupported`` where that can't be, ``engine_failed``.
        """

    async def empty_workspace(self, sandbox_id: str) -> None:
        """Empty the sandbox's cache volume (it cannot be deleted by name)."""

    async def empty_later(self, sandbox_id: str) -> None:
        """Have a workspace emptied by whichever server connects to an engine next.

        Raises ``disk_full`` and the like where that cannot be written down.
        """

    async def cache(self) -> CacheUse:
        """Return what the engine's cache holds; does not start an engine."""

    async def clean_cache(self, keep: Sequence[str]) -> int:
        """Remove from the cache what nothing uses; return the bytes freed.

        The workspaces of these sandboxes stay, and of all that run.
        """

    async def install(self, progress: Progress) -> bool:
        """Install an engine of our own; return whether there was anything to do."""

    async def direct_listener(self) -> Any | None:
        """Return a listening ``socket.socket`` inside the engine's network.

        None if this engine has no direct link.
        """

    def on_lost(self, callback: Callable[[Sequence[str], str], None]) -> None:
        """Have ``callback(sandbox_ids, reason)`` called when running containers were lost."""

    async def status(self) -> Mapping[str, Any]:
        """Return which engine is in use and why the others are not, JSON-ready."""

    async def pulse(self) -> object:
        """Return something that is another when ``status`` may be; cheap to ask for."""

    async def close(self) -> None:
        """End every container that this engine object started, and the session."""


class ExecStream(Protocol):
    """A command that runs in a sandbox."""

    pid: int

    def __aiter__(self) -> AsyncIterator[Output]:
        """Yield output as it comes, until the command has ended."""

    async def write(self, data: bytes) -> None:
        """Send bytes to stdin; waits while the command does not read."""

    async def end_stdin(self) -> None: ...
    async def signal(self, name: str) -> None: ...
    async def exit(self) -> Exit:
        """Wait for the end. Raises OrkeeError ``sandbox_lost`` if the sandbox ended first."""

    async def close(self) -> None:
        """End the command if it still runs, and free the stream. May be called twice."""


class TerminalStream(ExecStream, Protocol):
    """A terminal in a sandbox. Closing the stream leaves it to itself."""

    name: str  # of the terminal
    reattached: bool  # it ran before
    position: int  # in its output, where what is new begins
    replay: int  # bytes that come before that: what brings a fresh terminal there

    async def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size in characters."""


class FileStream(Protocol):
    """An operation on files that is under way; its bytes, and what it says."""

    entry: FileEntry | None  # of the path, where the operation tells it

    async def read(self) -> bytes:
        """Return the next bytes, b"" at the proper end. Raises what broke the operation."""

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while the daemon is busy. Raises what broke the operation."""

    async def end_write(self) -> None:
        """Say that all was sent: now the daemon puts it in place."""

    async def close(self) -> None:
        """Break the operation off if it is not done, and free it. May be called twice."""


class Daemon(Protocol):
    """The sandboxd of one running sandbox."""

    async def start(
        self,
        command: Sequence[str] | None,
        env: Mapping[str, str],
        cwd: str,
        secrets: Mapping[str, str] | None = None,
    ) -> int | None:
        """Start the main command, once; return its pid.

        ``secrets`` are variables too, which no output shows.

        Raises ``command_not_found``, ``command_not_executable``, ``invalid_directory``.
        """

    async def exec(self, request: ExecRequest) -> ExecStream:
        """Run a command. Closing the stream of a detached one does not end it."""

    async def terminal(self, request: TerminalRequest) -> TerminalStream:
        """Open a terminal, or attach to one. Raises ``terminal_*``, ``too_many_terminals``."""

    async def attach(self, pid: int) -> ExecStream:
        """Return a detached command's kept output and what comes. Raises ``process_not_found``."""

    async def processes(self) -> Sequence[Process]:
        """Return the commands that run, and those that ran detached and ended last."""

    async def kill(self, pid: int, signal: str) -> None:
        """Signal a command's process group. Raises ``process_not_found``."""

    async def files(self, request: FileRequest) -> FileStream:
        """Begin an operation on files. Raises ``file_*``, ``invalid_path`` and the like."""

    async def limit(self, limits: Limits) -> None:
        """Hold the container's programs to limits from inside. To be called once, before start."""

    def broken(self) -> Awaitable[str]:
        """Wait for such a limit to be broken; gives "memory" or "pids"."""

    async def stats(self) -> Usage:
        """Return what the container's programs use."""

    def on_usage(self, told: Callable[[Usage], object]) -> None:
        """Have ``told`` called with the usage that the daemon tells now and then."""

    async def stop(self, grace: float) -> None:
        """Ask for an orderly end: TERM, ``grace`` seconds, KILL.

        Returns when the daemon has gone, at most a second after the grace.
        """

    def main_exit(self) -> Awaitable[Exit]:
        """Wait for the end of the main command. Cancelling the wait changes nothing."""

    def lost(self) -> Awaitable[str]:
        """Wait for the loss of the daemon; gives the reason."""


class PortMap(Protocol):
    """The listeners on this host's loopback that lead to ports of one sandbox."""

    used: Callable[[], None]  # called when bytes flow, at most once a second a connection

    @property
    def listening(self) -> frozenset[int]:
        """The ports that programs in the sandbox listen on, as its daemon last said."""

    async def change(self, known: frozenset[int]) -> frozenset[int]:
        """Return ``listening`` as soon as it is another set than ``known``."""

    def listen(self, port: int, host_port: int | None = None, *, same: bool = False) -> int:
        """Listen for a port of the sandbox and return the port of the host.

        ``host_port`` is the one wanted; without it a free one is chosen, with ``same``
        the number of the sandbox's port if that is free. Raises ``port_taken``.
        """

    async def unlisten(self, port: int) -> None:
        """Listen for a port no more."""

    def connect(self, port: int) -> socket.socket:
        """Return a non-blocking socket of this process that leads to a port of the sandbox.

        It is broken off if the port can't be reached, and when the sandbox ends.
        """


class DaemonHub(Protocol):
    """Where daemons dial in; one place per sandbox."""

    async def open(self, sandbox_id: str) -> Endpoint:
        """Make a place (token, socket, log spool) for a sandbox's daemon."""

    async def connected(self, sandbox_id: str, timeout: float) -> Daemon:
        """Wait for the daemon's hello. Raises ``link_failed`` after ``timeout`` seconds."""

    def ports(self, sandbox_id: str) -> PortMap:
        """Return the ports of a sandbox's place; ``close`` closes them. Raises ``sandbox_lost``."""

    def logs(self, sandbox_id: str, query: LogQuery) -> AsyncIterator[LogEntry]:
        """Yield the log.

        With ``follow`` until the command's output has ended or the place is closed.
        """

    async def close(self, sandbox_id: str) -> None:
        """End every stream, remove token and socket. The log stays readable until ``forget``."""

    async def forget(self, sandbox_id: str) -> None:
        """Remove the kept log."""

    async def sweep(self, max_age: float, most: int, live: Sequence[str]) -> None:
        """Remove kept logs: those without news for ``max_age`` seconds, and beyond the newest
        ``most``. Logs of ``live`` sandboxes and of other servers' stay."""

    async def shutdown(self) -> None: ...


class Clock(Protocol):
    """Time as the domain sees it; a parameter, so that tests own it."""

    def now(self) -> float:
        """Return seconds since 1970."""

    def monotonic(self) -> float:
        """Return seconds that neither a clock change nor a suspend moves."""

    async def sleep(self, seconds: float) -> None: ...
