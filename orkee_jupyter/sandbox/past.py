"""The manager's verbs about the past: events, queries, and what of it is given up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from .activity import Activity, close_iterator, held_logs
from .errors import OrkeeError
from .history import KEPT, Event
from .log_lines import LineCutter
from .model import ListQuery, LogEntry, LogQuery, Sandbox, to_json
from .ports import DaemonHub, Store
from .recorder import Recorder
from .records import Answer
from .registry import Registry
from .settings import Settings

log = logging.getLogger(__name__)

#: The newest sandboxes that a query sees, and those of them whose logs it does.
SESSIONS: Final = 10_000
LOGS: Final = 50
#: Lines of each log, and seconds that reading them all may take.
LINES: Final = 1000
READING: Final = 5.0
_PAGE: Final = 1000
_LOGS: Final = re.compile("logs", re.IGNORECASE)


class Past(ABC):
    """A part of the manager: what was, as far as it is kept."""

    _store: Store
    _hub: DaemonHub
    _registry: Registry
    _recorder: Recorder
    _activity: Activity
    _settings: Settings

    @abstractmethod
    async def _resolve(self, ref: str, owner: str) -> Sandbox:
        """Return the one sandbox that a reference means."""

    async def events(self, ref: str, owner: str) -> Sequence[Event]:
        """Return what has happened to a sandbox, newest last, as far as it is kept."""
        sandbox = await self._resolve(ref, owner)
        kept = await self._recorder.events(sandbox.id, KEPT)
        return self._registry.history.of(sandbox.id) if kept is None else kept

    async def logs(self, ref: str, query: LogQuery, owner: str) -> AsyncIterator[LogEntry]:
        """Return a log, also of an ended sandbox as long as it is kept; else an empty one.

        To follow the log of an active sandbox keeps it from expiring, if it is to hold. Raises
        ``sandbox_not_found`` and ``ambiguous_id`` before the first entry.
        """
        sandbox = await self._resolve(ref, owner)
        entries = self._hub.logs(sandbox.id, query)
        entry = self._registry.entry(sandbox.id)
        if query.follow and query.hold and entry is not None and self._activity.renew(entry):
            return held_logs(entries, self._activity, entry)
        return entries

    async def query(self, query: str, rows: int, owner: str) -> Answer:
        """Return the answer to a SELECT over an owner's sandboxes, events, execs and logs.

        Raises ``invalid_sql`` with the database's sentence, ``query_too_large``, ``store_*``.
        """
        history = self._recorder.store
        if history is None:
            raise OrkeeError("store_failed", "This server keeps no history.")
        sandboxes, more = await self._sandboxes(owner)
        notes = [f"Of sessions the newest {SESSIONS} rows were looked at."] if more else []
        lines: Sequence[Mapping[str, object]] = ()
        if _LOGS.search(query):
            lines, said = await self._lines(sandboxes)
            notes += said
        await self._recorder.flush()
        shown = [to_json(each) for each in sandboxes]
        answer = await history.query(query, owner, shown, lines, rows)
        return Answer(answer.body, (*notes, *answer.notes))

    async def _sandboxes(self, owner: str) -> tuple[list[Sandbox], bool]:
        """Return an owner's newest sandboxes, and whether there are more."""
        found: list[Sandbox] = []
        cursor = None
        while True:
            page = await self._store.list(ListQuery(limit=_PAGE, cursor=cursor), owner)
            found += [self._registry.current(row) for row in page.sandboxes]
            cursor = page.next
            if cursor is None or len(found) >= SESSIONS:
                return found, cursor is not None

    async def _lines(
        self, sandboxes: Sequence[Sandbox]
    ) -> tuple[list[Mapping[str, object]], list[str]]:
        """Return the last lines of the newest sandboxes' logs, and what to know of them."""
        found: list[Mapping[str, object]] = []
        notes: list[str] = []
        read = 0
        try:
            async with asyncio.timeout(READING):
                for sandbox in sandboxes[:LOGS]:
                    cutter = LineCutter(sandbox.id)
                    query = LogQuery(tail=LINES, hold=False)
                    async with _closing(self._hub.logs(sandbox.id, query)) as entries:
                        async for entry in entries:
                            found += cutter.feed(entry)
                    found += cutter.finish()
                    read += 1
        except TimeoutError:
            notes.append(f"Logs: only those of the newest {read} sandboxes could be read in time.")
        if read == LOGS < len(sandboxes):
            notes.append(f"Logs: only those of the newest {LOGS} sandboxes were looked at.")
        return found, notes

    async def _give_up_the_old(self) -> None:
        """Remove what is kept for longer, or more of it, than the settings say."""
        await self._recorder.prune()
        live = [entry.sandbox.id for entry in self._registry]
        try:
            await self._hub.sweep(self._settings.log_days * 86400, self._settings.kept_logs, live)
        except Exception:
            log.exception("Old logs could not be removed.")


@contextlib.asynccontextmanager
async def _closing(entries: AsyncIterator[LogEntry]) -> AsyncIterator[AsyncIterator[LogEntry]]:
    try:
        yield entries
    finally:
        await close_iterator(entries)
