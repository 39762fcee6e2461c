"""The sandboxes of this server in memory: the truth that the store's rows follow.

Every creating, active or paused sandbox has one :class:`Entry`. Decisions (is the
limit reached, is the name free, has the lifetime ended, is it being stopped) read and
change entries without an ``await`` in between, so no two of them can race.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from . import failpoint
from .errors import OrkeeError
from .history import History
from .model import ENDED, LIVE, Problem, Sandbox, Status
from .ports import Clock, Content, Daemon, Fence, Frozen, Guard, Store
from .refusals import name_taken, too_many
from .states import transition
from .usage import Gauge

log = logging.getLogger(__name__)


#: The reason of a paused sandbox whose container stands still.
FROZEN: Final = "frozen"


@dataclass(frozen=True, slots=True)
class Frost:
    """What a frozen sandbox needs to go on: the engine's handle, and what it was before."""

    frozen: Frozen
    before: Sandbox


class Entry:
    """One sandbox in memory, with all that belongs to it while it is not ended."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.step: str | None = None  # what a long creation or stop is doing
        self.daemon: Daemon | None = None
        self.placed = False  # the hub has a place for its daemon
        self.started = False  # a container was asked for
        self.workspace = False  # its cache volume may hold something
        self.filling: Content | None = None  # what its workspace is yet to be filled with
        self.command_waits = False  # for the call that starts it
        self.holds = 0  # execs and followed logs under way: they keep it alive
        self.touched = float("-inf")  # monotonic time of the last write of a renewal
        self.written = asyncio.Event()  # its first row is
        self.creation: asyncio.Task[Sandbox] | None = None
        self.steps: asyncio.Task[Any] | None = None
        self.aborted: tuple[Status, OrkeeError] | None = None
        self.ending: asyncio.Task[Sandbox] | None = None
        self.teardown: asyncio.Task[list[str]] | None = None
        self.watchers: list[asyncio.Task[None]] = []
        self.guard: Guard | None = None  # what the engine enforces from outside
        self.fence: Fence | None = None  # what keeps it from the network
        self.gauge = Gauge()
        self.failure: str | None = None  # the limit that it broke
        self.throttled = 0.0  # seconds, as the guard said last
        self.resuming: asyncio.Task[Sandbox] | None = None
        self.frost: Frost | None = None  # while it is frozen
        self.secrets: Mapping[str, str] = {}  # values by name: here and in the container alone
        self.had: dict[int, int] = {}  # the host's ports before it was paused
        self.began: float | None = None  # monotonic time since when it is active
        self.lived = 0.0  # seconds that it was active before that
        self.stopper: asyncio.Task[None] | None = None  # for a stop at a later time
        self.moving = asyncio.Lock()  # held by what ends or pauses it
        self.writing = asyncio.Lock()  # keeps writes of the row in order

    @property
    def being_created(self) -> bool:
        """Whether the creation has not come to its end, good or bad."""
        return self.creation is not None and not self.creation.done()

    @property
    def being_resumed(self) -> bool:
        """Whether a resume of it is under way."""
        return self.resuming is not None and not self.resuming.done()

    @property
    def usable(self) -> bool:
        """Whether commands can run in it."""
        return (
            self.sandbox.status is Status.ACTIVE and self.ending is None and self.daemon is not None
        )

    def abort(self, to: Status, error: OrkeeError) -> None:
        """Break the creation off: the sandbox goes to ``to``, the creator gets ``error``."""
        if self.aborted is None and self.being_created:
            self.aborted = (to, error)
            if self.steps is not None:
                self.steps.cancel()

    def interrupt(self) -> None:
        """Break a resume off; the sandbox stays paused."""
        if self.being_resumed and self.steps is not None:
            self.steps.cancel()

    def hurry(self) -> None:
        """Break the orderly part of an end off."""
        if self.teardown is not None:
            self.teardown.cancel()


class Registry:
    """The entries, their rows in the store, and the notices of their changes."""

    def __init__(
        self, store: Store, clock: Clock, publish: Callable[[Sandbox], None] = lambda _: None
    ) -> None:
        self._store = store
        self._clock = clock
        self._publish = publish
        self._entries: dict[str, Entry] = {}
        self._unsaved: dict[str, Sandbox] = {}  # ended, but the store refused the row
        self.history = History(clock)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def entry(self, sandbox_id: str) -> Entry | None:
        """Return the entry of a sandbox that has not ended."""
        return self._entries.get(sandbox_id)

    def secrets(self, sandbox_id: str) -> Mapping[str, str]:
        """Return the values of a sandbox's secrets, as far as they are known here."""
        entry = self._entries.get(sandbox_id)
        return {} if entry is None else entry.secrets

    def current(self, row: Sandbox) -> Sandbox:
        """Return what memory knows of a row's sandbox, which is never older than the row."""
        entry = self._entries.get(row.id)
        return entry.sandbox if entry is not None else self._unsaved.get(row.id, row)

    def admit(self, sandbox: Sandbox, limit: int) -> Entry:
        """Take a new sandbox in; from here on it counts and holds its name.

        Raises ``too_many_sandboxes`` and ``name_taken``.
        """
        self.make_room(limit)
        if sandbox.name is not None and (holder := self.named(sandbox.name, sandbox.user_id)):
            raise name_taken(holder.sandbox)
        return self.adopt(sandbox)

    def named(self, name: str, owner: str) -> Entry | None:
        """Return the entry that bears a name among an owner's, which is one at most.

        One that has ended bears none any more, also while its last row is being written.
        """
        for entry in self:
            sandbox = entry.sandbox
            if (sandbox.name, sandbox.user_id) == (name, owner) and sandbox.status not in ENDED:
                return entry
        return None

    def running(self) -> list[Sandbox]:
        """Return the sandboxes that use memory: active, on their way there, or frozen."""
        return [entry.sandbox for entry in self if _runs(entry)]

    def make_room(self, limit: int) -> None:
        """See that one more may run. Raises ``too_many_sandboxes``."""
        if sum(map(_runs, self)) >= limit:
            raise too_many(limit)

    def adopt(self, sandbox: Sandbox) -> Entry:
        """Take a sandbox in without a question, such as a paused one at the start."""
        entry = self._entries[sandbox.id] = Entry(sandbox)
        return entry

    def drop(self, entry: Entry) -> None:
        """Forget a sandbox whose row was never written."""
        self._entries.pop(entry.sandbox.id, None)

    async def insert(self, entry: Entry) -> None:
        """Write the first row of a sandbox. Raises ``store_*`` and ``disk_full``."""
        async with entry.writing:
            await failpoint.reach("row.creating")
            await self._store.insert(entry.sandbox)
        entry.written.set()
        self._notify(entry)

    async def move(
        self,
        entry: Entry,
        to: Status,
        reason: str | None,
        *,
        strict: bool = False,
        **changes: Any,
    ) -> None:
        """Make a state move in memory, then write and publish it.

        A store that refuses does not undo the move, for the container's state is a
        fact; the row of an ended sandbox is then written again by ``retry``. With
        ``strict`` the store's error is raised too.
        """
        now = self._clock.now()
        entry.sandbox = transition(entry.sandbox, to, now=now, reason=reason, **changes)
        await self.save(entry, strict=strict)

    async def save(self, entry: Entry, *, strict: bool = False) -> None:
        """Write and publish what memory knows. Raises only if ``strict``."""
        try:
            async with entry.writing:
                await failpoint.reach(f"row.{entry.sandbox.status.value}")
                await self._store.update(entry.sandbox)
        except OrkeeError as error:
            if strict:
                raise
            log.warning("The row of sandbox %s was not written: %s", entry.sandbox.id, error)
            if entry.sandbox.status in ENDED:
                self._unsaved[entry.sandbox.id] = entry.sandbox
        finally:
            if entry.sandbox.status in ENDED:
                self._entries.pop(entry.sandbox.id, None)
        self._notify(entry)

    def changed(self, entry: Entry) -> None:
        """Publish a change of what is in memory only."""
        self._notify(entry)

    def step(self, entry: Entry, sentence: str | None) -> None:
        """Note and publish what a creation or a stop is doing."""
        if entry.step != sentence:
            entry.step = sentence
            self._notify(entry)

    async def touch(self, entry: Entry) -> None:
        """Write and publish a renewed lifetime; a failure is only logged."""
        sandbox = entry.sandbox
        try:
            async with entry.writing:
                await self._store.touch(sandbox.id, sandbox.last_active_at, sandbox.expires_at)
        except OrkeeError as error:
            log.warning("The renewal of sandbox %s was not written: %s", sandbox.id, error)
        self._notify(entry)

    async def retry(self) -> None:
        """Try again to write the rows of ended sandboxes that the store refused."""
        for sandbox in list(self._unsaved.values()):
            try:
                await self._store.update(sandbox)
            except OrkeeError as error:
                log.warning("The row of sandbox %s is still not written: %s", sandbox.id, error)
                return
            self._unsaved.pop(sandbox.id, None)

    async def load(self, rows: Iterable[Sandbox], keep: Callable[[Entry], None]) -> None:
        """Take in what a dead server left: no container of it lives, workspaces may.

        ``keep`` gives those that are paused by it their time.
        """
        for row in rows:
            entry = self.adopt(row)
            entry.workspace = True
            self.history.known(row)
            if row.status is Status.CREATING:
                entry.sandbox = row.with_(
                    problem=Problem(
                        "sandbox_lost",
                        "The server ended while the sandbox was being created.",
                        "Create it again.",
                    )
                )
                await self.move(entry, Status.FAILED, "the server ended while it was being created")
            elif row.status is Status.ACTIVE and not row.given_up:
                keep(entry)
                await self.move(entry, Status.PAUSED, "the server ended without stopping it")
            elif row.status is Status.PAUSED and row.reason == FROZEN:
                entry.sandbox = row.with_(reason="the server ended while it was frozen")
                await self.save(entry)

    def _notify(self, entry: Entry) -> None:
        sandbox = entry.sandbox
        try:
            self.history.observe(sandbox, entry.step)
            self._publish(sandbox)
        except Exception:
            log.exception("A change of sandbox %s was not published.", sandbox.id)


def _runs(entry: Entry) -> bool:
    return entry.sandbox.status in LIVE or entry.being_resumed or entry.frost is not None
