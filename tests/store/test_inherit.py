"""What a server left that ended is taken in by whoever starts next."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from orkee_jupyter.sandbox.history import Event
from orkee_jupyter.sandbox.model import ListQuery
from orkee_jupyter.sandbox.records import EventRecord, ExecRecord
from orkee_jupyter.store.database import CONFIG, Database
from orkee_jupyter.store.repository import DuckDBStore
from tests.fakes.sandboxes import make_sandbox

from .conftest import Opener
from .processes import child

pytestmark = pytest.mark.asyncio


async def two(open_store: Opener) -> tuple[DuckDBStore, DuckDBStore]:
    """Open the stores of two servers, the first with sandbox 1, the second with 2 and 3."""
    first, second = await open_store(), await open_store()
    await first.insert(make_sandbox(1))
    for number in (2, 3):
        await second.insert(make_sandbox(number))
        await record(second, number)
    return first, second


async def record(store: DuckDBStore, number: int) -> None:
    sandbox = make_sandbox(number)
    event = EventRecord(sandbox.id, "ada", Event(float(number), "created", "by a test"))
    command = ExecRecord(f"exec-{number}", sandbox.id, "ada", "exec", "ls", float(number), pid=7)
    await store.history.keep([event], [command], [])


async def ids(store: DuckDBStore) -> list[str]:
    return [row.id for row in (await store.list(ListQuery(), None)).sandboxes]


def commands(path: Path) -> list[str]:
    """Return the commands in a file that was closed."""
    with duckdb.connect(str(path), read_only=True, config=CONFIG) as connection:
        found = connection.execute("SELECT id FROM sandbox_execs ORDER BY sequence").fetchall()
    return [row[0] for row in found]


def left(path: Path) -> set[str]:
    """Return what there is of a second server's file."""
    return {file.name for file in path.parent.glob("sandboxes-2.*")}


async def test_sandboxes_and_their_past_are_found_by_the_next_server(
    path: Path, open_store: Opener, notices: list[str]
) -> None:
    for store in await two(open_store):
        await store.close()
    notices.clear()
    again = await open_store()
    assert again.path == path
    assert await ids(again) == [make_sandbox(number).id for number in (3, 2, 1)]
    assert await again.get(make_sandbox(2).id) == make_sandbox(2)
    assert [each.text for each in await again.history.events(make_sandbox(3).id, 9)] == [
        "by a test"
    ]
    assert left(path) == {"sandboxes-2.duckdb.lock"}
    second = path.with_name("sandboxes-2.duckdb")
    assert notices == [f"Taken in from {second}, whose server has ended: 2 sandboxes."]
    await again.close()
    assert commands(path) == ["exec-2", "exec-3"]


async def test_what_a_killed_server_left_is_found_too(
    path: Path, open_store: Opener, notices: list[str]
) -> None:
    first = await open_store()
    with child("hold", path) as process:
        assert process.stdout
        process.stdout.readline()
        await first.close()
        held = await open_store()
        assert await ids(held) == []
        await held.close()
        assert "sandboxes-2.duckdb" in left(path), "a running server's file is left to it"
    again = await open_store()
    assert await ids(again) == [make_sandbox().id]
    assert left(path) == {"sandboxes-2.duckdb.lock"}


async def test_a_kill_before_the_files_are_removed_doubles_nothing(
    path: Path, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for store in await two(open_store):
        await store.close()

    def fails(self: Database, connection: duckdb.DuckDBPyConnection) -> None:
        self.abandon(connection)
        self.release()
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(Database, "discard", fails)
        await (await open_store()).close()
    assert "sandboxes-2.duckdb" in left(path)
    again = await open_store()
    assert len(await ids(again)) == 3
    assert left(path) == {"sandboxes-2.duckdb.lock"}
    await again.close()
    assert commands(path) == ["exec-2", "exec-3"]


async def test_a_second_server_takes_in_what_a_third_has_left(
    path: Path, open_store: Opener
) -> None:
    first, second = await two(open_store)
    third = await open_store()
    await third.insert(make_sandbox(4))
    await third.close()
    await second.close()
    again = await open_store()
    assert again.path == path.with_name("sandboxes-2.duckdb")
    assert await ids(again) == [make_sandbox(number).id for number in (4, 3, 2)]
    assert await ids(first) == [make_sandbox(1).id]


async def test_a_file_that_cannot_be_read_stays(
    path: Path, open_store: Opener, notices: list[str]
) -> None:
    for store in await two(open_store):
        await store.close()
    second = path.with_name("sandboxes-2.duckdb")
    with duckdb.connect(str(second)) as connection:
        connection.execute("INSERT INTO schema_migrations (version, name) VALUES (99, 'later')")
    notices.clear()
    again = await open_store()
    assert await ids(again) == [make_sandbox(1).id]
    assert second.exists()
    assert len(notices) == 1
    assert str(second) in notices[0]
    assert "schema version 99" in notices[0]


async def test_a_damaged_file_is_set_aside_and_costs_the_others_nothing(
    path: Path, open_store: Opener, notices: list[str]
) -> None:
    for store in await two(open_store):
        await store.close()
    path.with_name("sandboxes-2.duckdb").write_bytes(b"no database" * 4000)
    again = await open_store()
    assert await ids(again) == [make_sandbox(1).id]
    assert any("damaged" in name for name in left(path)), "set aside, never removed"
    assert any("was damaged" in notice for notice in notices)


async def test_many_rows_come_in_their_order(path: Path, open_store: Opener) -> None:
    first, second = await two(open_store)
    sandbox = make_sandbox(2).id
    events = [EventRecord(sandbox, "ada", Event(9.0, "step", str(n))) for n in range(9000)]
    await second.history.keep(events, [], [])
    await second.close()
    await first.close()
    again = await open_store()
    kept = await again.history.events(sandbox, 20_000)
    assert [each.text for each in kept] == ["by a test", *map(str, range(9000))]
