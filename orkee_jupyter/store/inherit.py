"""What servers of the same user have left that ended: the sandboxes in the files beside one's own.

A further server has a file of its own, which nobody would open again as long as one server
runs at a time. So whoever starts takes in what lies in the files that no server holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from ..sandbox.errors import OrkeeError
from . import failures, statements
from .database import RESERVE, Database, sandboxes
from .history import ADD_EVENTS, ADD_EXECS, EVENT_COLUMNS, EXEC_COLUMNS
from .migrate import transaction
from .rows import COLUMNS

_TYPES: Final = {
    "exit_code": "INTEGER",
    "created_at": "BIGINT",
    "last_active_at": "BIGINT",
    "expires_at": "BIGINT",
}
#: The tables of a file, each with its columns and with what adds rows of it.
_TABLES: Final = (
    (
        "sandbox_sessions",
        COLUMNS,
        statements.insert_many("sandbox_sessions", COLUMNS, _TYPES),
    ),
    ("sandbox_events", EVENT_COLUMNS, ADD_EVENTS),
    ("sandbox_execs", EXEC_COLUMNS, ADD_EXECS),
)
_PAGE: Final = 4000  # rows that are in memory at once
_IDS: Final = "SELECT id FROM sandbox_sessions"


@dataclass(frozen=True, slots=True)
class Left:
    """A file whose owner has ended, held by us."""

    database: Database
    connection: duckdb.DuckDBPyConnection


def take_in(
    own: Database,
    connection: duckdb.DuckDBPyConnection,
    paths: Sequence[Path],
    notice: Callable[[str], None],
) -> list[Left]:
    """Copy the rows of the files that nobody holds; return those whose rows are all here now.

    A file that cannot be opened, mended or copied stays as it is, for the next start. The
    caller sees to it that the rows are on disk before it removes what is returned: a kill in
    between costs nothing, as a sandbox that is there already is not copied again.
    """
    taken = []
    for path in paths:
        if not path.exists():
            continue
        database = Database(path, notice)
        try:
            left = Left(database, database.connect())
        except OrkeeError as error:
            if error.code != "store_locked":
                notice(f"The sandboxes in {path} were left where they are: {error.cause}")
            continue
        try:
            count = _copy(own, connection, left.connection)
        except (OrkeeError, duckdb.Error, OSError) as error:
            cause = failures.translate_error(error, own.path).cause
            notice(f"The sandboxes in {path} were left where they are: {cause}")
            database.finish(left.connection)
            continue
        taken.append(left)
        if count:
            notice(f"Taken in from {path}, whose server has ended: {sandboxes(count)}.")
    return taken


def _copy(
    own: Database, connection: duckdb.DuckDBPyConnection, source: duckdb.DuckDBPyConnection
) -> int:
    """Copy what is not there yet, in one transaction; return how many sandboxes that were."""
    here = {row[0] for row in connection.execute(_IDS).fetchall()}
    wanted = [row[0] for row in source.execute(_IDS).fetchall() if row[0] not in here]
    if not wanted:
        return 0
    if own.room() < 4 * RESERVE:
        raise failures.disk_full(own.path)
    with transaction(connection):
        for table, columns, add in _TABLES:
            for rows in _pages(source, table, columns, wanted):
                connection.execute(add, statements.by_column(columns, rows)).fetchall()
        epoch = connection.execute(statements.NEXT_EPOCH).fetchall()
    own.committed(int(epoch[0][0]), added=len(wanted))
    return len(wanted)


def _pages(
    source: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], wanted: Sequence[str]
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of some sandboxes in the order in which they were written."""
    key = "id" if table == "sandbox_sessions" else "sandbox_id"
    found = source.execute(
        f"SELECT {', '.join(columns)} FROM {table} "  # noqa: S608 - constants only
        f"WHERE {key} IN (SELECT unnest(CAST($wanted AS VARCHAR[]))) ORDER BY sequence",
        {"wanted": list(wanted)},
    )
    while rows := found.fetchmany(_PAGE):
        yield rows
