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
    link: str | None = None  # "direct" or "forwarded", while active

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
    labels: Mapping[str, str] = field(default_factory=dict)
    source: str = "built-in"  # or the file it was read from


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What a user asks for; what is None comes from the template."""

    template: str = DEFAULT_TEMPLATE
    name: str | None = None
    image: str | None = None
    project: str | None = None
    ports: tuple[int, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    ttl: int | None = None  # seconds
    command: tuple[str, ...] | None = None
    working_directory: str | None = None


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """A command to run in a sandbox. ``timeout`` in seconds, 0 for none."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    stdin: bool = False
    timeout: float = 0.0


@dataclass(frozen=True, slots=True)
class Exit:
    """How a command ended: its own code, or 128 + the signal's number."""

    exit_code: int
    signal: str | None = None  # name without SIG
    timed_out: bool = False
    duration: float = 0.0  # seconds


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of a command's output."""

    stream: str  # "stdout" or "stderr"
    data: bytes


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
    """Which part of a log: after a sequence number or time, or its last lines; wait for more?"""

    follow: bool = False
    tail: int | None = None  # lines
    after: int = 0  # sequence number
    since: float | None = None  # seconds since 1970


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
        "step": step,
        "exit_code": sandbox.exit_code,
        "template": sandbox.template,
        "image": sandbox.image,
        "user_id": sandbox.user_id,
        "project_id": sandbox.project_id,
        "provider": sandbox.provider,
        "container_id": sandbox.container_id,
        "host_url": sandbox.host_url,
        "ports": list(sandbox.ports),
        "working_directory": sandbox.working_directory,
        "command": list(sandbox.command) if sandbox.command is not None else None,
        "env": sorted(sandbox.env),
        "labels": dict(sandbox.labels),
        "ttl": sandbox.ttl,
        "link": sandbox.link,
        "created_at": sandbox.created_at,
        "last_active_at": sandbox.last_active_at,
        "expires_at": sandbox.expires_at,
    }
