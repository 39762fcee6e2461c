"""A store in memory, for unit tests of what stands above it.

It passes the same contract tests as the real one (``tests/contract``). Each
operation first awaits the loop once, as the real store does, so that races show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ENDED, ListQuery, Page, Sandbox, Status
from orkee_jupyter.store import cursor


class FakeStore:
    """A ``Store``. ``failures`` maps an operation's name to the error that it raises next."""

    def __init__(self) -> None:
        self.rows: dict[str, Sandbox] = {}  # in the order of insertion: an update keeps it
        self.failures: dict[str, OrkeeError] = {}
        self.closed = False

    async def insert(self, sandbox: Sandbox) -> None:
        await self._enter("insert")
        if sandbox.id in self.rows:
            raise OrkeeError("store_failed", f"There is a sandbox {sandbox.id} already.")
        self.rows[sandbox.id] = sandbox

    async def update(self, sandbox: Sandbox) -> None:
        await self._enter("update")
        if sandbox.id not in self.rows:
            raise OrkeeError("store_failed", f"There is no row of sandbox {sandbox.id}.")
        self.rows[sandbox.id] = sandbox

    async def touch(self, sandbox_id: str, last_active_at: int, expires_at: int) -> None:
        await self._enter("touch")
        row = self.rows.get(sandbox_id)
        if row is None or row.status in ENDED:
            return
        self.rows[sandbox_id] = row.with_(
            last_active_at=max(row.last_active_at, last_active_at),
            expires_at=max(row.expires_at, expires_at),
        )

    async def get(self, sandbox_id: str) -> Sandbox | None:
        await self._enter("get")
        return self.rows.get(sandbox_id)

    async def find(self, ref: str, user_id: str | None) -> Sequence[Sandbox]:
        await self._enter("find")
        rows = [row for row in self._newest() if user_id in (None, row.user_id)]
        digits = ref.lower()
        if exact := [row for row in rows if row.id == digits]:
            return exact
        named = [row for row in rows if row.name == ref]
        if named:
            return [row for row in named if row.status not in ENDED] or named[:1]
        if len(ref) < 4:
            return []
        begin = [row for row in rows if row.id.startswith(digits)]
        return sorted(begin, key=lambda row: row.status in ENDED)

    async def list(self, query: ListQuery, user_id: str | None) -> Page:
        await self._enter("list")
        cursor.check_limit(query.limit)
        rows = [row for row in self._newest() if _matches(row, query, user_id)]
        places = self._places()
        if query.cursor is not None:
            after = cursor.decode(query.cursor)
            rows = [row for row in rows if places[row.id] < after]
        page = tuple(rows[: query.limit])
        more = len(rows) > query.limit
        return Page(page, cursor.encode(*places[page[-1].id]) if more else None)

    async def live(self) -> Sequence[Sandbox]:
        await self._enter("live")
        return self._where(lambda row: row.status not in ENDED)

    async def expired(self, now: int) -> Sequence[Sandbox]:
        await self._enter("expired")
        held = (Status.ACTIVE, Status.PAUSED)
        found = self._where(lambda row: row.status in held and row.expires_at <= now)
        return sorted(found, key=lambda row: (row.expires_at, row.id))

    async def close(self) -> None:
        self.closed = True

    async def _enter(self, operation: str) -> None:
        await asyncio.sleep(0)
        if self.closed:
            raise OrkeeError("store_failed", "The database is closed.")
        if error := self.failures.pop(operation, None):
            raise error

    def _newest(self) -> Sequence[Sandbox]:
        places = self._places()
        return sorted(self.rows.values(), key=lambda row: places[row.id], reverse=True)

    def _places(self) -> dict[str, tuple[int, int]]:
        """Return the creation time and the sequence of each row by its id."""
        rows = enumerate(self.rows.values(), 1)
        return {row.id: (row.created_at, sequence) for sequence, row in rows}

    def _where(self, test: Callable[[Sandbox], bool]) -> Sequence[Sandbox]:
        return [row for row in self._newest() if test(row)]


def _matches(row: Sandbox, query: ListQuery, user_id: str | None) -> bool:
    return (
        user_id in (None, row.user_id)
        and (query.statuses is None or row.status in query.statuses)
        and (query.project is None or row.project_id == query.project)
        and (query.name is None or row.name == query.name)
        and all(row.labels.get(key) == value for key, value in query.labels.items())
    )
