"""Events and execs in the tables of the past, beside the sandboxes in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from ..sandbox.history import Event
from ..sandbox.records import Answer, EventRecord, ExecRecord
from . import failures
from .database import RESERVE, Database
from .migrate import transaction
from .query import Asking, Table
from .statements import by_column, insert_many
from .writer import Writer

EVENT_COLUMNS: Final = ("sandbox_id", "user_id", "time", "event", "text")
EXEC_COLUMNS: Final = (
    "id",
    "sandbox_id",
    "user_id",
    "origin",
    "command",
    "pid",
    "started",
    "duration",
    "status",
    "exit_code",
    "signal",
    "timed_out",
    "error",
)
#: What the end of a command changes.
_END: Final = ("pid", "duration", "status", "exit_code", "signal", "timed_out", "error")
_TYPES: Final[Mapping[str, str]] = {
    "time": "DOUBLE",
    "started": "DOUBLE",
    "duration": "DOUBLE",
    "pid": "INTEGER",
    "exit_code": "INTEGER",
    "timed_out": "BOOLEAN",
}

#: Rows that one turn of the writer's thread reads for a query, and bytes of a table in all.
_PAGE: Final = 4000
_MOST: Final = 48 << 20

_LOST: Final = "UPDATE sandbox_execs SET status = 'unknown' WHERE status = 'running'"
_EVENTS: Final = """
SELECT time, event, text FROM sandbox_events
WHERE sandbox_id = $id ORDER BY sequence DESC LIMIT $most
"""


ADD_EVENTS: Final = insert_many("sandbox_events", EVENT_COLUMNS, _TYPES)
ADD_EXECS: Final = insert_many("sandbox_execs", EXEC_COLUMNS, _TYPES)
_CHANGE: Final = (
    f"UPDATE sandbox_execs SET {', '.join(f'{name} = ${name}' for name in _END)} "  # noqa: S608
    "WHERE id = $id"
)


@dataclass(frozen=True, slots=True)
class _Source:
    """A table of the past as a query is to see it."""

    name: str
    age: str  # the column that it is pruned by
    columns: tuple[str, ...]
    select: str

    @property
    def page(self) -> str:
        """Return what reads a user's rows, newest first, from a place on."""
        return (
            f"SELECT sequence, {', '.join(self.columns)} FROM {self.name} "  # noqa: S608
            "WHERE user_id = $owner AND sequence < $before ORDER BY sequence DESC LIMIT $rows"
        )

    def prune(self) -> tuple[str, str]:
        """Return what removes rows by age, and what removes them by number."""
        return (
            f"DELETE FROM {self.name} WHERE {self.age} < $before",  # noqa: S608
            f"DELETE FROM {self.name} WHERE sequence <= "  # noqa: S608
            f"(SELECT max(sequence) FROM {self.name}) - $most",
        )


_MOMENT: Final = "make_timestamp(CAST({0} * 1000000 AS BIGINT)) AS {0}"
_SOURCES: Final[Mapping[str, _Source]] = {
    "events": _Source(
        "sandbox_events",
        "time",
        ("sandbox_id", "time", "event", "text"),
        f"sandbox_id, {_MOMENT.format('time')}, event, text",
    ),
    "execs": _Source(
        "sandbox_execs",
        "started",
        tuple(name for name in EXEC_COLUMNS if name != "user_id"),
        f"id, sandbox_id, command, {_MOMENT.format('started')}, duration, status, exit_code, "
        "signal, timed_out, error, pid, origin",
    ),
}


class DuckDBHistory:
    """The :class:`~orkee_jupyter.sandbox.records.HistoryStore` of a store's file.

    A write is in the log beside the file when it returns, not in the file: a kill costs what was
    noted in the last second, and no state move waits for it.
    """

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._asking = Asking()

    async def begin(self) -> None:
        """Note that what an earlier server left running has ended in a way nobody knows."""
        await self._writer.submit(lambda connection: _run(connection, _LOST, {}))

    async def keep(
        self,
        events: Sequence[EventRecord],
        execs: Sequence[ExecRecord],
        changed: Sequence[ExecRecord],
    ) -> None:
        """Write them in one transaction. Raises ``disk_full`` while there is room for stops."""
        happened = [
            (each.sandbox_id, each.user_id, each.event.time, each.event.event, each.event.text)
            for each in events
        ]
        began = [tuple(getattr(each, name) for name in EXEC_COLUMNS) for each in execs]
        ends = [{name: getattr(each, name) for name in (*_END, "id")} for each in changed]

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            if self._database.room() < 4 * RESERVE:
                raise failures.disk_full(self._database.path)
            with transaction(connection):
                if happened:
                    _run(connection, ADD_EVENTS, by_column(EVENT_COLUMNS, happened))
                if began:
                    _run(connection, ADD_EXECS, by_column(EXEC_COLUMNS, began))
                for end in ends:
                    _run(connection, _CHANGE, end)
            self._database.note_wal()

        await self._writer.submit(work)

    async def events(self, sandbox_id: str, most: int) -> Sequence[Event]:
        """Return the newest events of a sandbox, the newest last."""
        values = {"id": sandbox_id, "most": most}
        rows = await self._writer.submit(lambda connection: _run(connection, _EVENTS, values))
        return [Event(*row) for row in reversed(rows)]

    async def prune(self, before: float, most: int) -> None:
        """Remove what is older than a time, and of each table what is beyond ``most`` rows."""

        def work(connection: duckdb.DuckDBPyConnection) -> None:
            for source in _SOURCES.values():
                by_age, by_number = source.prune()
                _run(connection, by_age, {"before": before})
                _run(connection, by_number, {"most": most})
            self._database.note_wal()

        await self._writer.submit(work)

    async def query(
        self,
        query: str,
        owner: str,
        sessions: Sequence[Mapping[str, object]],
        logs: Sequence[Mapping[str, object]],
        rows: int,
    ) -> Answer:
        """Return the answer of a process that gets these rows and the owner's, and no more."""
        tables = [Table.sessions(), Table.logs()]
        try:
            await tables[0].fill(sessions)
            await tables[1].fill(logs)
            for name, source in _SOURCES.items():
                types = {column: _TYPES.get(column, "VARCHAR") for column in source.columns}
                tables.append(Table(name, types, source.select))
                await self._fill(tables[-1], source, owner)
            body = await self._asking.ask(query, tables, rows)
            return Answer(body, tuple(note for table in tables for note in table.notes()))
        finally:
            for table in tables:
                table.close()

    async def _fill(self, table: Table, source: _Source, owner: str) -> None:
        """Copy a user's rows, newest first, a page at each turn of the writer's thread."""
        before = 1 << 62

        def work(connection: duckdb.DuckDBPyConnection) -> tuple[int, int, bytes]:
            values = {"owner": owner, "before": before, "rows": _PAGE}
            found = _run(connection, source.page, values)
            lines = [
                json.dumps(dict(zip(source.columns, row[1:], strict=True)), ensure_ascii=False)
                for row in found
            ]
            last = found[-1][0] if found else 0
            return last, len(found), "".join(f"{line}\n" for line in lines).encode()

        while True:
            before, count, data = await self._writer.submit(work)
            table.add(data, count)
            if count < _PAGE:
                return
            if table.size > _MOST:
                table.cut = True
                return

    async def close(self) -> None:
        """End the queries that are under way."""
        await self._asking.close()


def _run(connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any]) -> list[Any]:
    return connection.execute(sql, values).fetchall()
