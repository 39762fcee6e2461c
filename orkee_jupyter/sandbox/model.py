"""What a sandbox is: its row, its states, and what is asked for at its creation."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

DEFAULT_TEMPLATE = "node"
DEFAULT_WORKING_DIRECTORY = "/app"
DEFAULT_TTL = 3600  # seconds: the plan's one-hour expiry


class Status(enum.StrEnum):
    """The states of a sandbox; :mod:`orkee_jupyter.sandbox.states` holds the legal moves."""

    CREATING = "creating"
    ACTIVE = "active"
    PAUSED = "paused"
    TERMINATED = "terminated"
    FAILED = "failed"


#: States in which a sandbox holds, or may hold, a container.
LIVE = frozenset({Status.CREATING, Status.ACTIVE})
#: States that a sandbox never leaves.
ENDED = frozenset({Status.TERMINATED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class PortMapping:
    """Where this host reaches a port of a sandbox. Kept in memory only."""

    port: int  # inside the sandbox
    host_port: int | None = None  # on 127.0.0.1; before it is open, the one wanted
    is_open: bool = False
    listening: bool = False  # a program in the sandbox listens on it
    asked: bool = False  # given at the creation, not found later

    @property
    def url(self) -> str | None:
        """Return the address on this host, None before it is open."""
        return f"http://127.0.0.1:{self.host_port}" if self.is_open else None

    def at(self, host_port: int) -> PortMapping:
        """Return it opened at a port of the host."""
        return replace(self, host_port=host_port, is_open=True)

    def seen(self, listening: bool) -> PortMapping:
        """Return it with what was found of it inside."""
        return replace(self, listening=listening)

    def to_json(self) -> dict[str, Any]:
        """Return the REST object."""
        return {
            "port": self.port,
            "host_port": self.host_port,
            "url": self.url,
            "listening": self.listening,
        }


#: The limits there are, in the order of the fields of :class:`Limits`.
LIMIT_KINDS = ("memory", "cpus", "pids")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a sandbox may use at most; None is no limit. It is false without any."""

    memory: int | None = None  # bytes
    cpus: float | None = None  # processors' time: 1.5 is one and a half
    pids: int | None = None  # processes and threads

    def kinds(self) -> tuple[str, ...]:
        """Return the names of the limits that there are."""
        return tuple(kind for kind in LIMIT_KINDS if getattr(self, kind) is not None)

    def __bool__(self) -> bool:
        return bool(self.kinds())

    def to_json(self) -> dict[str, Any]:
        """Return the REST object, with null where there is no limit."""
        return {kind: getattr(self, kind) for kind in LIMIT_KINDS}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a sandbox failed: an error's code and sentences, and the last lines of an output."""

    code: str
    detail: str
    remedy: str = ""
    lines: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the REST object."""
        return {
            "code": self.code,
            "detail": self.detail,
            "remedy": self.remedy,
            "lines": list(self.lines),
        }


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One row of ``sandbox_sessions``. Times are whole seconds since 1970 (UTC)."""

    id: str  # 32 hex digits: 16 random bytes
    user_id: str
    status: Status
    template: str
    image: str
    created_at: int
    last_active_at: int
    expires_at: int
    project_id: str | None = None
    name: str | None = None
    provider: str = "dagger"
    container_id: str | None = None
    host_url: str | None = None
    working_directory: str = DEFAULT_WORKING_DIRECTORY
    reason: str | None = None  # why it failed, paused or ended
    exit_code: int | None = None  # of the main command, once that has ended
    ports: tuple[int, ...] = ()
    command: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    ttl: int = DEFAULT_TTL  # seconds that each activity renews
    on_expiry: str = "stop"  # or "pause": what happens when they are over
    link: str | None = None  # "direct" or "forwarded", while active
    port_map: tuple[PortMapping, ...] = ()  # in memory only
    limits: Limits = Limits()
    timeout: int | None = None  # seconds that it may live in all, once it is active
    enforced: Mapping[str, str] = field(default_factory=dict)  # who keeps a limit; memory only
    setup: tuple[str, ...] | None = None  # its image's layers; None in rows of old servers
    host_ports: Mapping[int, int] = field(default_factory=dict)  # wanted, by the sandbox's port
    stop_at: float | None = None  # seconds since 1970 when it is to be stopped; memory only
    frozen: bool = False  # paused with its container and its memory; memory only
    problem: Problem | None = None  # of a failed one
    secrets: tuple[str, ...] = ()  # names of variables whose values are nowhere in a row
    network: str = "full"  # what it may reach: or "none", "allow:HOST,…"
    links: tuple[str, ...] = ()  # names of sandboxes of the same user that it reaches
    promised: int = 0  # seconds since 1970 until when it was asked to live, used or not
    given_up: bool = False  # its end has begun: its workspace may be empty already

    def with_(self, **changes: Any) -> Sandbox:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Template:
    """What a sandbox is made from."""

    name: str
    image: str
    description: str = ""
    setup: tuple[str, ...] = ()  # shell commands, each an image layer
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    command: tuple[str, ...] | None = None
    working_directory: str = DEFAULT_WORKING_DIRECTORY
    ttl: int = DEFAULT_TTL
    on_expiry: str = "stop"
    network: str = "full"  # what it may reach
    links: tuple[str, ...] = ()  # names of sandboxes that it reaches
    labels: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()
    timeout: int | None = None  # seconds
    source: str = "built-in"  # or the file it was read from


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What a user asks for; what is None comes from the template."""

    template: str = DEFAULT_TEMPLATE  # empty, where a snapshot's definition stands for it
    name: str | None = None
    image: str | None = None
    project: str | None = None
    ports: tuple[int, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    ttl: int | None = None  # seconds
    command: tuple[str, ...] | None = None
    working_directory: str | None = None
    host_ports: Mapping[int, int] = field(default_factory=dict)  # wanted, by the sandbox's port
    limits: Limits | None = None  # each that is None comes from the template
    timeout: int | None = None  # seconds
    start: bool = True  # else the command waits, until the workspace has been filled
    project_folder: str | None = None  # of the server's, copied into the workspace first
    wait: bool = True  # for it to be active; else it goes on by itself
    on_expiry: str | None = None
    snapshot: str | None = None  # by its name: the workspace begins with its files
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    network: str | None = None
    links: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """A command to run in a sandbox. ``timeout`` in seconds, 0 for none.

    With ``detach`` it goes on when nobody listens any more. Without ``hold`` it keeps the
    sandbox alive by its input and output only, not by running.
    """

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    stdin: bool = False
    timeout: float = 0.0
    detach: bool = False
    hold: bool = True
    origin: str = field(default="", compare=False)  # the way it came: "rest", "websocket"


@dataclass(frozen=True, slots=True)
class TerminalRequest:
    """A terminal to open in a sandbox; without a ``command`` it is a shell.

    One of that ``name`` that runs is attached to, whoever has it. Without a name it is the
    newest shell that nobody is attached to, if any. ``new`` starts one in any case,
    ``attach`` none. ``seen`` bytes of the output are known already.
    """

    rows: int = 24
    columns: int = 80
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    name: str | None = None
    new: bool = False
    attach: bool = False
    seen: int = 0


@dataclass(frozen=True, slots=True)
class Exit:
    """How a command ended: its own code, or 128 + the signal's number."""

    exit_code: int
    signal: str | None = None  # name without SIG
    timed_out: bool = False
    duration: float = 0.0  # seconds
    limit: str | None = None  # of the sandbox, for whose breach all was ended: "memory", "pids"


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of a command's output.

    Of a detached command ``stream`` may be "dropped": ``dropped`` bytes are missing here.
    """

    stream: str  # "stdout" or "stderr"
    data: bytes
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Process:
    """A command that was started in a sandbox.

    ``kind`` is "main", "exec", "detached" or "terminal".
    """

    pid: int
    command: tuple[str, ...]
    kind: str
    started: float  # seconds since 1970, as the container's clock had it
    exit: Exit | None = None  # None while it runs
    name: str = ""  # of a terminal


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file, folder or link in a sandbox. ``path`` counts from the folder that was listed."""

    path: str
    type: str  # "file", "directory", "symlink" or "other"
    size: int  # bytes
    mode: int  # permission bits
    mtime: float  # seconds since 1970
    target: str | None = None  # of a link


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A piece of the main command's log: at most 16 KiB, in order of ``seq``.

    ``stream`` is "stdout", "stderr" or "dropped"; for the last, ``data`` is
    empty and ``dropped`` says how many bytes are missing at this place.
    """

    seq: int
    time: float  # seconds since 1970, as the container's clock had it
    stream: str
    data: bytes
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part of a log: after a sequence number or time, or its last lines; wait for more?

    To follow one keeps its sandbox alive, unless ``hold`` says otherwise. A follower that is
    more than ``leap`` bytes behind the end is moved on, and told what it missed.
    """

    follow: bool = False
    tail: int | None = None  # lines
    after: int = 0  # sequence number
    since: float | None = None  # seconds since 1970
    hold: bool = True
    leap: int | None = None  # bytes


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Filters and page of a list, newest first. ``labels`` must all match."""

    statuses: frozenset[Status] | None = None
    project: str | None = None
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    limit: int = 100
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list; ``next`` is the cursor of the next page, None at the end."""

    sandboxes: tuple[Sandbox, ...]
    next: str | None = None


def to_json(sandbox: Sandbox, *, step: str | None = None) -> dict[str, Any]:
    """Return the REST ``sandbox`` object. Of the environment it shows the names only."""
    return {
        "id": sandbox.id,
        "short_id": sandbox.id[:12],
        "name": sandbox.name,
        "status": sandbox.status.value,
        "reason": sandbox.reason,
        "frozen": sandbox.frozen,
        "step": step,
        "problem": sandbox.problem.to_json() if sandbox.problem is not None else None,
        "exit_code": sandbox.exit_code,
        "template": sandbox.template,
        "image": sandbox.image,
        "user_id": sandbox.user_id,
        "project_id": sandbox.project_id,
        "provider": sandbox.provider,
        "container_id": sandbox.container_id,
        "host_url": sandbox.host_url,
        "ports": list(sandbox.ports),
        "port_map": [each.to_json() for each in sandbox.port_map if each.is_open],
        "working_directory": sandbox.working_directory,
        "command": list(sandbox.command) if sandbox.command is not None else None,
        "env": sorted(sandbox.env),
        "secrets": sorted(sandbox.secrets),
        "network": sandbox.network,
        "links": list(sandbox.links),
        "labels": dict(sandbox.labels),
        "ttl": sandbox.ttl,
        "on_expiry": sandbox.on_expiry,
        "timeout": sandbox.timeout,
        "limits": sandbox.limits.to_json(),
        "enforced": dict(sandbox.enforced),
        "link": sandbox.link,
        "created_at": sandbox.created_at,
        "last_active_at": sandbox.last_active_at,
        "expires_at": sandbox.expires_at,
        "stop_at": sandbox.stop_at,
    }


def show_bytes(size: int) -> str:
    """Return bytes for people: ``256 MiB``."""
    number = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.4g} {unit}"
        number /= 1024
    return f"{number:.4g} TiB"
