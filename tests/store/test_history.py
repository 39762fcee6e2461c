"""Events and commands on a real file, and queries in their own process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.history import Event
from orkee_jupyter.sandbox.model import to_json
from orkee_jupyter.sandbox.records import EventRecord, ExecRecord
from orkee_jupyter.store import query as asking
from orkee_jupyter.store.history import DuckDBHistory
from tests.fakes.sandboxes import make_sandbox
from tests.store.conftest import Opener

pytestmark = pytest.mark.asyncio

A, B = make_sandbox(1).id, make_sandbox(2).id


def event(number: int, user: str = "ada", sandbox: str = A) -> EventRecord:
    return EventRecord(sandbox, user, Event(float(number), "active", f"number {number}"))


def command(number: int, user: str = "ada", **fields: Any) -> ExecRecord:
    return ExecRecord(f"{user}{number}", A, user, "rest", f"echo {number}", float(number), **fields)


async def ask(history: DuckDBHistory, query: str, rows: int = 100, owner: str = "ada") -> Any:
    sessions = [to_json(make_sandbox(1, name="web", env={"TOKEN": "s3cret"}, labels={"a": "b"}))]
    line = {"sandbox_id": A, "seq": 1, "time": 1.5, "stream": "stdout", "text": "Grüße\x00 '\"{"}
    return json.loads((await history.query(query, owner, sessions, [line], rows)).body)


async def refused(history: DuckDBHistory, query: str) -> OrkeeError:
    with pytest.raises(OrkeeError) as caught:
        await ask(history, query)
    assert caught.value.remedy
    return caught.value


async def test_events_come_back_newest_last_and_outlive_the_store(open_store: Opener) -> None:
    first = await open_store()
    await first.history.keep([event(n) for n in range(5)], [], [])
    await first.history.keep([event(9, sandbox=B)], [], [])
    await first.close()
    history = (await open_store()).history
    assert [each.text for each in await history.events(A, 3)] == [
        "number 2",
        "number 3",
        "number 4",
    ]


async def test_a_command_is_added_and_then_changed(open_store: Opener) -> None:
    history = (await open_store()).history
    record = command(1)
    await history.keep([], [record], [])
    record.status, record.exit_code, record.duration = "ended", 3, 0.25
    await history.keep([], [], [record])
    found = await ask(history, "SELECT status, exit_code, duration, started FROM execs")
    assert found["rows"] == [["ended", 3, 0.25, "1970-01-01 00:00:01"]]


async def test_what_ran_when_a_server_died_has_an_unknown_end(open_store: Opener) -> None:
    first = await open_store()
    await first.history.keep([], [command(1), command(2, status="ended")], [])
    await first.close()
    history = (await open_store()).history
    await history.begin()
    found = await ask(history, "SELECT id, status FROM execs ORDER BY id")
    assert found["rows"] == [["ada1", "unknown"], ["ada2", "ended"]]


async def test_the_old_and_the_many_are_pruned(open_store: Opener) -> None:
    history = (await open_store()).history
    await history.keep([event(n) for n in range(10)], [command(n) for n in range(10)], [])
    await history.prune(3.0, 4)
    found = await ask(
        history, "SELECT (SELECT min(text) FROM events), (SELECT count(*) FROM execs)"
    )
    assert found["rows"] == [["number 6", 4]]


async def test_nobody_sees_anothers_rows(open_store: Opener) -> None:
    history = (await open_store()).history
    await history.keep([event(1), event(2, "eve")], [command(1), command(2, "eve")], [])
    query = "SELECT (SELECT count(*) FROM events), (SELECT max(command) FROM execs)"
    assert (await ask(history, query))["rows"] == [[1, "echo 1"]]
    assert (await ask(history, query, owner="eve"))["rows"] == [[1, "echo 2"]]
    assert (await ask(history, query, owner="mal"))["rows"] == [[0, None]]


async def test_columns_keep_their_types_and_values_are_json(open_store: Opener) -> None:
    history = (await open_store()).history
    found = await ask(
        history,
        "SELECT labels, env, limits, created_at, 1/0, 'nan'::DOUBLE, "
        "170141183460469231731687303715884105727, "
        "12.5::DECIMAL(4,1), [1, NULL], {'a': INTERVAL 1 DAY}, 'x'::BLOB, NULL FROM sessions",
    )
    assert found["rows"][0][:4] == [
        {"a": "b"},
        ["TOKEN"],
        {"memory": None, "cpus": None, "pids": None},
        "2027-01-15 08:00:01",
    ]
    assert found["rows"][0][4:6] in ([None, "NaN"], ["Infinity", "NaN"])
    assert found["rows"][0][6:] == [2**127 - 1, 12.5, [1, None], {"a": "1 day"}, "x", None]
    assert found["columns"][3] == {"name": "created_at", "type": "TIMESTAMP"}


async def test_a_log_is_lines_with_whatever_they_hold(open_store: Opener) -> None:
    found = await ask((await open_store()).history, "FROM logs")
    assert found["rows"] == [[A, 1, "1970-01-01 00:00:01.5", "stdout", "Grüße\x00 '\"{"]]


async def test_an_answer_is_cut_at_its_rows(open_store: Opener) -> None:
    history = (await open_store()).history
    found = await ask(history, "SELECT range AS n FROM range(1000)", rows=3)
    assert (found["rows"], found["cut"]) == ([[0], [1], [2]], True)
    assert not (await ask(history, "SELECT range FROM range(3)", rows=3))["cut"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "-- nothing",
        "SELEKT 1",
        "SELECT * FROM nowhere",
        "SELECT 1; SELECT 2",
        "INSERT INTO events VALUES (1)",
        "DROP TABLE execs",
        "CREATE TABLE t AS SELECT 1",
        "UPDATE sessions SET name = 'x'",
        "ATTACH '{db}' AS d",
        "COPY sessions TO '{out}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '{db}'",
        "SELECT * FROM read_json('/proc/self/fd/3')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_csv('http://127.0.0.1/')",
        "SELECT getenv('HOME')",
        "SELECT * FROM asked",
        "SELECT 'a'::INTEGER",
        ") SELECT 1 (",
        "SELECT 1) AS t; DROP TABLE execs; SELECT (1",
    ],
)
async def test_what_is_no_query_over_these_rows_is_refused(
    open_store: Opener, path: Path, tmp_path: Path, query: str
) -> None:
    history = (await open_store()).history
    out = tmp_path / "out.csv"
    error = await refused(history, query.replace("{db}", str(path)).replace("{out}", str(out)))
    assert error.code == "invalid_sql", error
    assert not out.exists()


async def test_no_environment_and_no_secret_reaches_a_query(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORKEE_TEST_SECRET", "s3cret")
    history = (await open_store()).history
    found = await ask(history, "SELECT * FROM duckdb_settings() WHERE value LIKE '%s3cret%'")
    assert found["rows"] == []
    everything = await ask(history, "SELECT * FROM sessions")
    assert "s3cret" not in json.dumps(everything)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
        "SELECT list(range) FROM range(1000000000)",
        "SELECT repeat('x', 100000000) FROM range(100)",
    ],
)
async def test_a_query_that_wants_too_much_is_ended(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    history = (await open_store()).history
    with monkeypatch.context() as patched:
        patched.setattr(asking, "SECONDS", 2)
        assert (await refused(history, query)).code == "query_too_large"
    assert (await ask(history, "SELECT 1"))["rows"] == [[1]]


async def test_one_who_stops_waiting_has_the_query_ended(open_store: Opener) -> None:
    history = (await open_store()).history
    query = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b"
    waiting = asyncio.create_task(ask(history, query))
    async with asyncio.timeout(10):
        while not history._asking._running:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    (process,) = history._asking._running
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert process.returncode is not None
