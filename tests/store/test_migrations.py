"""Migrations: from empty, from every earlier version with rows in place, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Status
from orkee_jupyter.store import migrate
from orkee_jupyter.store.migrate import Migration

STEPS = migrate.load()
NEWEST = len(STEPS)
ID = "0123456789abcdef" * 2

FIRST = """
INSERT INTO sandbox_sessions
    (id, user_id, project_id, container_id, status, host_url, metadata,
     created_at, last_active_at, expires_at)
VALUES (?, 'ada', 'kitchen', 'c1', ?, 'http://127.0.0.1:1', '{"image":"i","command":null}', 1, 2, 3)
"""
SECOND = """
INSERT INTO sandbox_sessions
    (id, user_id, name, status, reason, exit_code, metadata, created_at, last_active_at, expires_at)
VALUES (?, 'ada', 'soup', ?, 'it''s gone', 137, '{"labels":{"a":"b"}}', 1, 2, 3)
"""


THIRD = """
INSERT INTO sandbox_sessions
    (id, user_id, status, created_at, last_active_at, expires_at, sequence)
VALUES (?, 'ada', ?, 1, 2, 3, 7)
"""
INSERTS = {1: FIRST, 2: SECOND, 3: THIRD, 4: THIRD}
TIMES = [(3, 5), (1, 9), (4, 5), (2, 5), (0, 4)]  # number and created_at
IN_ORDER = [0, 2, 3, 4, 1]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(tmp_path / "s.duckdb")) as connection:
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, what: str = "*") -> list[tuple[Any, ...]]:
    return connection.execute(f"SELECT {what} FROM sandbox_sessions ORDER BY id").fetchall()


def schema(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    tables = "SELECT sql FROM duckdb_tables() WHERE table_name <> 'schema_migrations'"
    indexes = "SELECT sql FROM duckdb_indexes()"
    return sorted(connection.execute(f"{tables} UNION ALL {indexes}").fetchall())


def test_versions_are_numbered_from_one() -> None:
    assert [step.version for step in STEPS] == list(range(1, NEWEST + 1))


def test_an_empty_database_has_version_zero(database: duckdb.DuckDBPyConnection) -> None:
    assert migrate.version(database) == 0


def test_up_runs_each_step_once(database: duckdb.DuckDBPyConnection) -> None:
    assert list(migrate.up(database)) == list(range(1, NEWEST + 1))
    assert list(migrate.up(database)) == []
    assert migrate.version(database) == NEWEST


@pytest.mark.parametrize("lowest", range(NEWEST))
def test_up_down_up_gives_the_same_schema(database: duckdb.DuckDBPyConnection, lowest: int) -> None:
    migrate.up(database, lowest)
    before = schema(database)
    migrate.up(database)
    newest = schema(database)
    assert list(migrate.down(database, lowest)) == list(range(NEWEST, lowest, -1))
    assert schema(database) == before
    migrate.up(database)
    assert schema(database) == newest


def test_the_table_has_the_plan_s_columns_and_indexes(database: duckdb.DuckDBPyConnection) -> None:
    migrate.up(database)
    database.execute(
        "INSERT INTO sandbox_sessions"
        " (id, user_id, status, created_at, last_active_at, expires_at, sequence)"
        " VALUES (?, 'ada', 'active', 1, 2, 3, 1)",
        [ID],
    )
    assert rows(database, "provider, working_directory, metadata") == [("dagger", "/app", "{}")]
    found = database.execute("SELECT index_name FROM duckdb_indexes() ORDER BY 1").fetchall()
    columns = ("expires_at", "project_id", "status", "user_id")
    assert found == [(f"sandbox_sessions_{column}",) for column in columns]


@pytest.mark.parametrize("status", ["active", "terminated"])
def test_rows_of_version_1_come_up_whole(database: duckdb.DuckDBPyConnection, status: str) -> None:
    migrate.up(database, 1)
    database.execute(FIRST, [ID, status])
    old = rows(database)
    migrate.up(database)
    assert rows(database, "name, reason, exit_code, status, sequence") == [
        (None, None, None, status, 1)
    ]
    migrate.down(database, 1)
    assert rows(database, "* EXCLUDE metadata") == [old[0][:8] + old[0][9:]]


@pytest.mark.parametrize("status", [status.value for status in Status])
def test_rows_of_version_2_survive_down_and_up(
    database: duckdb.DuckDBPyConnection, status: str
) -> None:
    migrate.up(database, 2)
    database.execute(SECOND, [ID, status])
    before = rows(database)
    migrate.down(database, 1)
    assert rows(database, "status") == [("active" if status == "active" else "terminated",)]
    migrate.up(database, 2)
    assert rows(database) == before


@pytest.mark.parametrize("version", [1, 2])
def test_rows_without_a_sequence_get_one_by_time_and_id(
    database: duckdb.DuckDBPyConnection, version: int
) -> None:
    migrate.up(database, version)
    for number, created_at in TIMES:
        row = f"{number:032x}"
        database.execute(INSERTS[version], [row, "active"])
        database.execute(
            "UPDATE sandbox_sessions SET created_at = ? WHERE id = ?", [created_at, row]
        )
    migrate.up(database)
    numbers = {sequence: int(row, 16) for row, sequence in rows(database, "id, sequence")}
    assert [numbers[place] for place in range(1, 6)] == IN_ORDER


@pytest.mark.parametrize("status", [status.value for status in Status])
def test_rows_of_version_3_survive_down_and_up(
    database: duckdb.DuckDBPyConnection, status: str
) -> None:
    migrate.up(database, 3)
    database.execute(THIRD, [ID, status])
    before = rows(database)
    migrate.down(database, 2)
    assert rows(database) == [before[0][:-1]]
    migrate.up(database, 3)
    assert rows(database) == [(*before[0][:-1], 1)]


@pytest.mark.parametrize("version", range(1, NEWEST + 1))
@pytest.mark.parametrize("bad", ["", "ABCDEF" + "0" * 26, "0" * 31, "0" * 33, "g" * 32, ID + "\n"])
def test_an_id_is_32_hex_digits(
    database: duckdb.DuckDBPyConnection, version: int, bad: str
) -> None:
    migrate.up(database, version)
    with pytest.raises(duckdb.ConstraintException, match="CHECK"):
        database.execute(INSERTS[version], [bad, "active"])


@pytest.mark.parametrize(
    ("version", "bad"),
    [(1, "paused"), (1, ""), (2, "running"), (2, ""), (3, "running"), (3, "")],
)
def test_a_status_is_one_of_the_states(
    database: duckdb.DuckDBPyConnection, version: int, bad: str
) -> None:
    migrate.up(database, version)
    with pytest.raises(duckdb.ConstraintException, match="CHECK"):
        database.execute(INSERTS[version], [ID, bad])


def test_a_step_that_fails_midway_leaves_nothing(database: duckdb.DuckDBPyConnection) -> None:
    broken = Migration(NEWEST + 1, "broken", "CREATE TABLE half (a INTEGER); SELECT nonsense;", "")
    migrate.up(database)
    before = schema(database)
    with pytest.raises(duckdb.Error):
        migrate.up(database, migrations=[*STEPS, broken])
    assert schema(database) == before
    assert migrate.version(database) == NEWEST


def test_a_database_of_a_later_version_is_refused(database: duckdb.DuckDBPyConnection) -> None:
    migrate.up(database)
    with pytest.raises(OrkeeError, match="Upgrade") as caught:
        migrate.up(database, migrations=STEPS[:1])
    assert caught.value.code == "store_failed"


@pytest.mark.parametrize(
    "names", [[], ["0001_a.up.sql"], ["0002_a.up.sql", "0002_a.down.sql"], ["notes.txt"]]
)
def test_missing_files_are_noticed(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(OrkeeError, match="not all there"):
        migrate.load(tmp_path)


def test_migrations_are_in_the_main_file_at_once(tmp_path: Path) -> None:
    connection = duckdb.connect(str(tmp_path / "s.duckdb"))
    migrate.up(connection)
    log = tmp_path / "s.duckdb.wal"
    assert not log.exists() or log.stat().st_size == 0
    connection.close()
