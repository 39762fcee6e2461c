"""The store of sandboxes on DuckDB."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import duckdb

from ..sandbox.errors import OrkeeError
from ..sandbox.model import ENDED, ListQuery, Page, Sandbox
from . import cursor, failures, statements
from .database import RESERVE, Database, all_held, candidates
from .history import DuckDBHistory
from .inherit import Left, take_in
from .migrate import transaction
from .rows import from_row, to_row
from .writer import Work, Writer

MIN_PREFIX: Final = 4  # digits of an id that may stand for the whole


class DuckDBStore:
    """The :class:`~orkee_jupyter.sandbox.ports.Store` of a server, in a file of its own.

    Every operation is done by one thread, in order. An insert or update returns
    once it is in the main file; a touch once it is in the log beside it.
    """

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self.history = DuckDBHistory(database, writer)

    @classmethod
    async def open(
        cls, path: Path, *, on_notice: Callable[[str], None] | None = None
    ) -> DuckDBStore:
        """Open or make the database at ``path``, or beside it if another server holds it.

        A further server takes ``NAME-2``, ``NAME-3`` … ``NAME-9`` in the same folder; which
        one is in :attr:`path`. What lies under a later one that no server holds is taken in.
        ``on_notice`` is called on the event loop with a sentence for each thing that a user
        should know: a damaged file set aside, rows lost, another name taken. Raises OrkeeError
        ``store_locked``, ``store_failed`` or ``disk_full``.
        """
        loop = asyncio.get_running_loop()

        def notice(sentence: str) -> None:
            if on_notice is not None and not loop.is_closed():
                loop.call_soon_threadsafe(on_notice, sentence)

        first: OrkeeError | None = None
        names = candidates(path)
        for number, candidate in enumerate(names, 1):
            database = Database(candidate, notice)
            writer = Writer(database)
            try:
                await writer.submit(lambda connection: None)
                await _inherit(database, writer, names[number:], notice)
            except BaseException as error:
                await writer.close()
                if not isinstance(error, OrkeeError) or error.code != "store_locked":
                    raise
                first = first or error
                continue
            if first is not None:
                notice(f"{first.cause} This server keeps its sandboxes in {candidate}.")
            await asyncio.sleep(0)  # whatever there was to say has been said when this returns
            return cls(database, writer)
        assert first is not None
        raise all_held(path, first)

    @property
    def path(self) -> Path:
        """The file in use."""
        return self._database.path

    async def insert(self, sandbox: Sandbox) -> None:
        """Add a row. Raises ``disk_full`` while there is still room to record stops."""
        row = to_row(sandbox)

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            if self._database.room() < 2 * RESERVE:
                raise failures.disk_full(self.path)
            if _fetch(connection, statements.GET, {"id": sandbox.id}):
                raise OrkeeError("store_failed", f"There is a sandbox {sandbox.id} already.")
            self._write(connection, statements.INSERT, row, added=1)

        await self._writer.submit(work, durable=True)

    async def update(self, sandbox: Sandbox) -> None:
        """Write every field of an existing row. Raises ``store_failed`` if there is none."""
        row = to_row(sandbox)

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            if not self._write(connection, statements.UPDATE, row):
                raise OrkeeError("store_failed", f"There is no row of sandbox {sandbox.id}.")

        try:
            await self._writer.submit(work, durable=True)
        except OrkeeError as error:
            # On a full disk a stop must still be recorded.
            if error.code != "disk_full" or not self._database.free_reserve():
                raise
            await self._writer.submit(work, durable=True)

    async def touch(self, sandbox_id: str, last_active_at: int, expires_at: int) -> None:
        """Renew a lifetime; never moves either value back, nor touches an ended sandbox."""
        values = {"id": sandbox_id, "last_active_at": last_active_at, "expires_at": expires_at}

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            if self._write(connection, statements.TOUCH, values):
                self._database.note_wal()

        await self._writer.submit(work)

    async def get(self, sandbox_id: str) -> Sandbox | None:
        """Return the row of a full id."""
        rows = await self._read(statements.GET, {"id": sandbox_id})
        return rows[0] if rows else None

    async def find(self, ref: str, user_id: str | None) -> Sequence[Sandbox]:
        """Return the rows that ``ref`` may mean, best first, as the protocol says."""

        def work(connection: duckdb.DuckDBPyConnection) -> Sequence[Sandbox]:
            by_id = {"id": ref.lower(), "user_id": user_id}
            if found := _fetch(connection, statements.FIND_ID, by_id):
                return found
            by_name = {"name": ref, "user_id": user_id}
            if found := _fetch(connection, statements.FIND_NAME, by_name):
                return [row for row in found if row.status not in ENDED] or found[:1]
            if len(ref) < MIN_PREFIX:
                return []
            return _fetch(connection, statements.FIND_PREFIX, by_id)

        return await self._writer.submit(work)

    async def list(self, query: ListQuery, user_id: str | None) -> Page:
        """Return a page, newest first. Raises ``invalid_request`` for a bad cursor or limit."""
        cursor.check_limit(query.limit)
        sql, values = statements.listing(query, user_id)

        def work(connection: duckdb.DuckDBPyConnection) -> Sequence[tuple[Any, ...]]:
            oldest = connection.execute(sql.oldest, values).fetchall()[0][0]
            if oldest is None:
                return []
            return connection.execute(sql.page, {**values, "oldest": oldest}).fetchall()

        rows = await self._writer.submit(work)
        page = tuple(from_row(row[:-1]) for row in rows[: query.limit])
        if len(rows) <= query.limit:
            return Page(page, None)
        return Page(page, cursor.encode(page[-1].created_at, rows[query.limit - 1][-1]))

    async def live(self) -> Sequence[Sandbox]:
        """Return all rows that are creating, active or paused, newest first."""
        return await self._read(statements.LIVE, {})

    async def expired(self, now: int) -> Sequence[Sandbox]:
        """Return the active and paused rows whose time is over, the longest overdue first."""
        return await self._read(statements.EXPIRED, {"now": now})

    async def close(self) -> None:
        """Close the file in order. May be called twice."""
        await self._writer.close()

    async def _read(self, sql: str, values: dict[str, Any]) -> Sequence[Sandbox]:
        work: Work[Sequence[Sandbox]] = lambda connection: _fetch(connection, sql, values)  # noqa: E731
        return await self._writer.submit(work)

    def _write(
        self,
        connection: duckdb.DuckDBPyConnection,
        sql: str,
        values: dict[str, Any],
        added: int = 0,
    ) -> bool:
        """Run one statement in a transaction that counts the epoch; say if a row was written."""
        with transaction(connection):
            written = connection.execute(sql, values).fetchall()
            if not written:
                return False
            epoch = connection.execute(statements.NEXT_EPOCH).fetchall()
        self._database.committed(int(epoch[0][0]), added=added)
        return True


async def _inherit(
    database: Database, writer: Writer, paths: Sequence[Path], notice: Callable[[str], None]
) -> None:
    """Take in the rows of servers that have ended; their files go once the rows are safe."""

    def copy(connection: duckdb.DuckDBPyConnection) -> list[Left]:
        return take_in(database, connection, paths, notice)

    def remove(_: duckdb.DuckDBPyConnection) -> None:
        for left in taken:
            with suppress(OSError):  # then it is looked at again at the next start
                left.database.discard(left.connection)

    if any(path.exists() for path in paths):
        taken = await writer.submit(copy, durable=True)
        await writer.submit(remove)


def _fetch(
    connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any]
) -> Sequence[Sandbox]:
    return [from_row(row) for row in connection.execute(sql, values).fetchall()]
