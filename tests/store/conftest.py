"""Stores on real files, and crashes of them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import duckdb
import pytest
import pytest_asyncio

from orkee_jupyter.store import migrate
from orkee_jupyter.store.database import _CREATE
from orkee_jupyter.store.repository import DuckDBStore
from tests.fakes.sandboxes import make_sandbox

Opener = Callable[..., Awaitable[DuckDBStore]]


OLD = """
INSERT INTO sandbox_sessions (id, user_id, status, created_at, last_active_at, expires_at)
VALUES (?, 'ada', 'active', 7, 7, 7)
"""


def old_file(path: Path, rows: int) -> None:
    """Make a database of version 2, with rows 1 … ``rows`` of one second."""
    with duckdb.connect(str(path), config=_CREATE) as connection:
        migrate.up(connection, 2)
        for number in range(1, rows + 1):
            connection.execute(OLD, [make_sandbox(number).id])
        connection.execute("CREATE TABLE store_epoch (epoch BIGINT NOT NULL)")
        connection.execute("INSERT INTO store_epoch VALUES (?)", [rows])


@pytest.fixture
def notices() -> list[str]:
    """What the stores of this test had to say."""
    return []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sandboxes.duckdb"


@pytest_asyncio.fixture
async def open_store(path: Path, notices: list[str]) -> AsyncIterator[Opener]:
    """Open stores that are closed at the end of the test."""
    opened: list[DuckDBStore] = []

    async def open_one(at: Path | None = None) -> DuckDBStore:
        store = await DuckDBStore.open(at or path, on_notice=notices.append)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
def crash(tmp_path: Path) -> Callable[[DuckDBStore], Path]:
    """Return a function that copies an open store's files: as a kill -9 would have left them."""

    def copy(store: DuckDBStore) -> Path:
        folder = tmp_path / "crashed"
        folder.mkdir()
        for file in store.path.parent.glob(store.path.name + "*"):
            shutil.copy(file, folder)
        return folder / store.path.name

    return copy
