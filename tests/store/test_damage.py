# ruff: noqa: ASYNC240 - a test has its loop to itself
"""Files that were cut, overwritten, emptied or deleted: nothing is lost in silence."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
import pytest_asyncio

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ListQuery
from orkee_jupyter.store import database, mark, migrate
from orkee_jupyter.store.repository import DuckDBStore
from tests.fakes.sandboxes import make_sandbox

from .conftest import Opener, old_file

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]
ROWS = 5


def log_of(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def set_aside(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.glob("*.damaged-*"))


async def count(store: DuckDBStore) -> int:
    return len((await store.list(ListQuery(), None)).sandboxes)


@pytest_asyncio.fixture
async def crashed(open_store: Opener, crash: Callable[[DuckDBStore], Path]) -> Path:
    """Five rows in the main file, and a renewed lifetime of each in the log beside it."""
    store = await open_store()
    for number in range(ROWS):
        await store.insert(make_sandbox(number))
    for number in range(ROWS):
        await store.touch(make_sandbox(number).id, 2**40, 2**40)
    return crash(store)


async def test_a_crash_loses_nothing(crashed: Path, open_store: Opener, notices: list[str]) -> None:
    assert log_of(crashed).stat().st_size > 0
    store = await open_store(crashed)
    page = await store.list(ListQuery(), None)
    assert [row.expires_at for row in page.sandboxes] == [2**40] * ROWS
    assert notices == []


async def test_an_orderly_close_needs_no_probe(
    path: Path, open_store: Opener, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store()
    await store.insert(make_sandbox())
    await store.close()
    monkeypatch.delattr(database, "probe")
    assert await count(await open_store()) == 1
    assert notices == []
    assert not log_of(path).exists()


async def test_a_cut_log_loses_the_last_transactions_only(
    crashed: Path, open_store: Opener
) -> None:
    size = log_of(crashed).stat().st_size
    os.truncate(log_of(crashed), size - 3)
    store = await open_store(crashed)
    page = await store.list(ListQuery(), None)
    assert sum(row.expires_at == 2**40 for row in page.sandboxes) == ROWS - 1
    assert len(page.sandboxes) == ROWS


@pytest.mark.parametrize("seed", range(4))
async def test_a_log_cut_anywhere_keeps_the_rows(
    crashed: Path, open_store: Opener, seed: int
) -> None:
    os.truncate(log_of(crashed), random.Random(seed).randrange(log_of(crashed).stat().st_size))
    assert await count(await open_store(crashed)) == ROWS


@pytest.mark.parametrize("content", [b"", os.urandom(900)], ids=["emptied", "noise"])
async def test_a_lost_log_is_said(
    crashed: Path, open_store: Opener, notices: list[str], content: bytes
) -> None:
    log_of(crashed).write_bytes(content)
    store = await open_store(crashed)
    assert await count(store) == ROWS
    assert len(notices) == 1
    assert "the latest changes" in notices[0]


async def test_a_deleted_log_is_said(crashed: Path, open_store: Opener, notices: list[str]) -> None:
    log_of(crashed).unlink()
    await open_store(crashed)
    assert "the latest changes" in notices[0]


async def test_noise_in_place_of_the_log_is_kept(crashed: Path, open_store: Opener) -> None:
    noise = os.urandom(500)
    log_of(crashed).write_bytes(noise)
    await open_store(crashed)
    (kept,) = set_aside(crashed)
    assert (crashed.parent / kept).read_bytes() == noise


async def test_a_damaged_log_costs_the_log_only(
    crashed: Path, open_store: Opener, notices: list[str]
) -> None:
    flip(log_of(crashed), log_of(crashed).stat().st_size // 2)
    store = await open_store(crashed)
    assert await count(store) == ROWS
    assert len(notices) == 1
    assert "since the last checkpoint" in notices[0]
    assert [name.endswith(".wal") for name in set_aside(crashed)] == [True]


def flip(file: Path, position: int) -> None:
    with file.open("r+b") as handle:
        handle.seek(position)
        byte = handle.read(1)[0]
        handle.seek(position)
        handle.write(bytes([byte ^ 0x10]))


@pytest.mark.parametrize("position", [0, 8, 12, 100, 4104])
async def test_a_flipped_byte_in_the_head_sets_the_file_aside(
    crashed: Path, open_store: Opener, notices: list[str], position: int
) -> None:
    flip(crashed, position)
    if position == 4104:  # DuckDB has two such heads, and uses the later
        flip(crashed, position + 4096)
    store = await open_store(crashed)
    assert await count(store) == 0
    assert len(notices) == 1
    assert "a new one was made without any sandbox" in notices[0]
    assert [name.endswith(".wal") for name in set_aside(crashed)] == [False, True]


@pytest.mark.parametrize("seed", range(12))
async def test_a_flipped_byte_is_harmless_or_said(
    crashed: Path, open_store: Opener, notices: list[str], seed: int
) -> None:
    flip(crashed, random.Random(seed).randrange(3 * 4096, crashed.stat().st_size))
    store = await open_store(crashed)
    rows = (await store.list(ListQuery(), None)).sandboxes
    assert len(rows) == ROWS or notices
    for row in rows:
        await store.update(row.with_(user_id="bob", expires_at=7))
    await store.insert(make_sandbox(99))


@pytest.mark.parametrize("kind", ["empty", "noise"])
async def test_a_ruined_file_is_set_aside(
    crashed: Path, open_store: Opener, notices: list[str], kind: str
) -> None:
    crashed.write_bytes(b"" if kind == "empty" else os.urandom(20_000))
    store = await open_store(crashed)
    assert await count(store) == 0
    await store.insert(make_sandbox())
    assert len(notices) == 1
    assert str(crashed.parent / set_aside(crashed)[0]) in notices[0]


async def test_rows_that_can_be_read_outlive_a_lost_index(
    crashed: Path, open_store: Opener, notices: list[str]
) -> None:
    os.truncate(crashed, crashed.stat().st_size * 3 // 4)
    store = await open_store(crashed)
    rows = (await store.list(ListQuery(), None)).sandboxes
    assert [row.expires_at for row in rows] == [2**40] * ROWS
    await store.insert(make_sandbox(99))
    assert len(notices) == 1
    assert "with the 5 sandboxes that could be read" in notices[0]


async def test_rows_carried_over_keep_their_order_within_a_second(
    path: Path, open_store: Opener, crash: Callable[[DuckDBStore], Path], notices: list[str]
) -> None:
    store = await open_store()
    numbers = (3, 1, 4, 0, 2)
    for number in numbers:
        await store.insert(make_sandbox(number, created_at=7))
    crashed = crash(store)
    os.truncate(crashed, crashed.stat().st_size * 3 // 4)
    store = await open_store(crashed)
    await store.insert(make_sandbox(1000, created_at=7))
    rows = (await store.list(ListQuery(), None)).sandboxes
    assert [int(row.id, 16) for row in rows] == [1000, *reversed(numbers)]
    assert "with the 5 sandboxes that could be read" in notices[0]


async def test_a_suspect_file_of_version_2_is_built_anew_with_its_rows(
    path: Path, open_store: Opener, notices: list[str]
) -> None:
    old_file(path, ROWS)
    suspect = database.Database(path, notices.append)
    suspect.suspect()
    suspect.finish(suspect.connect())
    store = await open_store()
    await store.insert(make_sandbox(0, created_at=7))
    rows = (await store.list(ListQuery(), None)).sandboxes
    assert [int(row.id, 16) for row in rows] == [0, 5, 4, 3, 2, 1]
    assert "with the 5 sandboxes that could be read" in notices[0]


async def test_a_crash_while_mending_is_still_said(
    crashed: Path, open_store: Opener, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(crashed, 12)
    with monkeypatch.context() as patch:
        patch.setattr(database.Database, "_open_once", None)  # as if killed there
        with pytest.raises(TypeError):
            await open_store(crashed)
    assert await count(await open_store(crashed)) == 0
    assert "5 sandboxes" in notices[0]


async def test_damage_met_in_use_is_mended(
    path: Path, open_store: Opener, notices: list[str]
) -> None:
    store = await open_store()
    await store.insert(make_sandbox())
    met = iter([duckdb.IOException("Corrupt database file: computed checksum 1 …")])

    def work(connection: duckdb.DuckDBPyConnection) -> str:
        for error in met:
            raise error
        return "done"

    assert await store._writer.submit(work) == "done"
    assert await count(store) == 1
    assert len(set_aside(path)) == 1
    assert "with the 1 sandbox that could be read" in notices[0]


async def test_a_damaged_file_after_an_orderly_close_is_set_aside(
    path: Path, open_store: Opener, notices: list[str]
) -> None:
    await (await open_store()).close()
    flip(path, 12)
    assert await count(await open_store()) == 0
    assert "was damaged" in notices[0]


async def test_a_deleted_file_is_said_with_its_rows(
    crashed: Path, open_store: Opener, notices: list[str]
) -> None:
    crashed.unlink()
    assert await count(await open_store(crashed)) == 0
    assert len(notices) == 1
    assert "5 sandboxes" in notices[0]
    assert len(set_aside(crashed)) == 1  # the log, which belongs to no file any more


async def test_an_older_copy_is_said_with_the_rows_it_lacks(
    path: Path, open_store: Opener, notices: list[str]
) -> None:
    store = await open_store()
    await store.insert(make_sandbox(1))
    await store.close()
    old = path.read_bytes()
    store = await open_store()
    await store.insert(make_sandbox(2))
    await store.close()
    path.write_bytes(old)
    assert await count(await open_store()) == 1
    assert "1 sandbox of it is lost" in notices[0]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"epoch": "x"}'])
async def test_a_lost_mark_is_no_matter(
    crashed: Path, open_store: Opener, notices: list[str], content: bytes | None
) -> None:
    mark.place(crashed).unlink()
    if content is not None:
        mark.place(crashed).write_bytes(content)
    assert await count(await open_store(crashed)) == ROWS
    assert notices == []


async def test_a_replay_that_aborts_does_so_in_the_probe(
    crashed: Path,
    open_store: Opener,
    notices: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    python = sys.executable
    shell = tmp_path / "python"
    shell.write_text(f'#!/bin/sh\n[ -e "$3.wal" ] && kill -ABRT $$\nexec {python} "$@"\n')
    shell.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(shell))
    assert await count(await open_store(crashed)) == ROWS
    assert "since the last checkpoint" in notices[0]


async def test_a_probe_that_cannot_run_is_no_matter(
    crashed: Path, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    assert await count(await open_store(crashed)) == ROWS


async def test_a_file_of_a_later_version_is_left_alone(
    path: Path, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await open_store()).close()
    before = path.read_bytes()
    steps = migrate.load()
    monkeypatch.setattr(migrate, "load", lambda: steps[:1])
    with pytest.raises(OrkeeError) as caught:
        await open_store()
    assert caught.value.code == "store_failed"
    assert path.read_bytes() == before
    assert set_aside(path) == []


@pytest.mark.parametrize("where", ["folder", "file/below"])
async def test_an_impossible_path_is_an_error(
    tmp_path: Path, open_store: Opener, where: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OrkeeError) as caught:
        await open_store(tmp_path / where)
    assert caught.value.code == "store_failed"
