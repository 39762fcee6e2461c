"""What is kept of the past: the rows of events and execs, and who keeps them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from .history import Event
from .model import ExecRequest
from .problem import hide

#: Bytes of a command's text that are kept.
COMMAND_LIMIT: Final = 4096


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event, and whose it is."""

    sandbox_id: str
    user_id: str
    event: Event


@dataclass(slots=True)
class ExecRecord:
    """A command that was run in a sandbox. It changes until the end of the command is known.

    ``status`` is "running", "detached" (nobody followed it to its end), "ended", "broken_off"
    (by its client or the server's stop), "failed" (it did not start, see ``error``) or
    "unknown" (the server died before its end).
    """

    id: str
    sandbox_id: str
    user_id: str
    origin: str  # "rest", "websocket", or "" where it is not known
    command: str
    started: float  # seconds since 1970
    pid: int | None = None
    duration: float | None = None  # seconds
    status: str = "running"
    exit_code: int | None = None
    signal: str | None = None
    timed_out: bool = False
    error: str | None = None  # the code of why it failed
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A query's answer: JSON with ``columns``, ``rows`` and ``cut``, and what to know of it."""

    body: bytes
    notes: tuple[str, ...] = ()


class HistoryStore(Protocol):
    """Keeps events and execs. Raises OrkeeError ``store_*`` or ``disk_full``."""

    async def begin(self) -> None:
        """Note that what an earlier server left running has ended in a way nobody knows."""

    async def keep(
        self,
        events: Sequence[EventRecord],
        execs: Sequence[ExecRecord],
        changed: Sequence[ExecRecord],
    ) -> None:
        """Add events and execs, and write the ends of execs added before: all, or nothing."""

    async def events(self, sandbox_id: str, most: int) -> Sequence[Event]:
        """Return the newest events of a sandbox, the newest last."""

    async def prune(self, before: float, most: int) -> None:
        """Remove what is older than a time, and of each table what is beyond ``most`` rows."""

    async def query(
        self,
        query: str,
        owner: str,
        sessions: Sequence[Mapping[str, object]],
        logs: Sequence[Mapping[str, object]],
        rows: int,
    ) -> Answer:
        """Return the answer to a query over these rows and the owner's events and execs.

        Raises ``invalid_sql`` and ``query_too_large``.
        """

    async def close(self) -> None:
        """End the queries that are under way."""


def command_text(
    request: ExecRequest, env: Mapping[str, str], secrets: Mapping[str, str] | None = None
) -> str:
    """Return a command as a line of text, bounded, with values of environments hidden.

    Words are hidden before they are quoted, for a quoted value no longer looks like itself,
    and the line after it, for a value may be several words.
    """
    known = {**env, **request.env}
    words = (hide(word, known, secrets) for word in request.command)
    text = hide(shlex.join(words), known, secrets)
    data = text.encode("utf-8", "replace")
    if len(data) <= COMMAND_LIMIT:
        return data.decode()
    return data[: COMMAND_LIMIT - 3].decode("utf-8", "ignore") + "…"
