"""Numbered migrations from ``sql/``: each is run and recorded in one transaction."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import duckdb

from ..sandbox import failpoint
from ..sandbox.errors import OrkeeError

_NAME: Final = re.compile(r"(\d{4})_(\w+)\.(up|down)\.sql")

_RECORD_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    INTEGER PRIMARY KEY,
    name       VARCHAR NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT current_timestamp
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step between two versions of the schema: its SQL up and down."""

    version: int
    name: str
    up: str
    down: str


def folder() -> Traversable:
    """Return where the SQL files are: inside the installed package, or in a checkout's ``sql``."""
    packaged = importlib.resources.files("orkee_jupyter") / "_sql"
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[2] / "sql"


def load(source: Traversable | None = None) -> Sequence[Migration]:
    """Return every migration, 1 first. Raises ``store_failed`` if one is missing or half there."""
    texts: dict[int, dict[str, str]] = {}
    for file in (source or folder()).iterdir():
        if match := _NAME.fullmatch(file.name):
            number, name, direction = match.groups()
            texts.setdefault(int(number), {"name": name})[direction] = file.read_text("utf-8")
    numbers = sorted(texts)
    complete = all({"up", "down"} <= texts[number].keys() for number in numbers)
    if not numbers or numbers != list(range(1, len(numbers) + 1)) or not complete:
        raise OrkeeError(
            "store_failed",
            "The migrations of the database are not all there.",
            "Install orkee-jupyter again.",
        )
    return [Migration(n, texts[n]["name"], texts[n]["up"], texts[n]["down"]) for n in numbers]


def version(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the version of the schema in a database, 0 if it has none."""
    known = connection.execute(
        "SELECT count(*) FROM duckdb_tables() "
        "WHERE table_name = 'schema_migrations' AND database_name = current_database()"
    ).fetchall()
    if not known[0][0]:
        return 0
    found = connection.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchall()
    return int(found[0][0])


def up(
    connection: duckdb.DuckDBPyConnection,
    to: int | None = None,
    migrations: Sequence[Migration] | None = None,
) -> Sequence[int]:
    """Bring the schema up to version ``to`` (the newest); return the versions that were run.

    Raises ``store_failed`` for a database of a later version than any known here.
    DuckDB's own errors pass: a migration that fails leaves everything as it was before it.
    """
    steps = load() if migrations is None else migrations
    current = version(connection)
    if current > len(steps):
        raise OrkeeError(
            "store_failed",
            f"The database has schema version {current}, but this version of Orkee knows "
            f"{len(steps)} at most.",
            "Upgrade orkee-jupyter, or give another path for the database.",
        )
    wanted = [
        step for step in steps if current < step.version <= (len(steps) if to is None else to)
    ]
    if wanted:
        connection.execute(_RECORD_TABLE)
    for step in wanted:
        with transaction(connection):
            connection.execute(step.up)
            failpoint.reach_in_thread("migrate.schema")
            connection.execute(
                "INSERT INTO schema_migrations (version, name) VALUES (?, ?)",
                [step.version, step.name],
            )
            failpoint.reach_in_thread("migrate.record")
        failpoint.reach_in_thread("migrate.commit")
    return _checkpointed(connection, wanted)


def down(
    connection: duckdb.DuckDBPyConnection,
    to: int,
    migrations: Sequence[Migration] | None = None,
) -> Sequence[int]:
    """Bring the schema down to version ``to``; return the versions that were undone."""
    steps = load() if migrations is None else migrations
    current = version(connection)
    wanted = [step for step in reversed(steps) if to < step.version <= current]
    for step in wanted:
        with transaction(connection):
            connection.execute(step.down)
            connection.execute("DELETE FROM schema_migrations WHERE version = ?", [step.version])
    return _checkpointed(connection, wanted)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what is done inside, or nothing of it."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A failed COMMIT has rolled back already; the first error is the one to tell.
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise


def _checkpointed(
    connection: duckdb.DuckDBPyConnection, steps: Sequence[Migration]
) -> Sequence[int]:
    # A changed schema must not depend on a replay of the WAL, which is the least forgiving
    # part of opening a file.
    if steps:
        connection.execute("CHECKPOINT")
    return [step.version for step in steps]
