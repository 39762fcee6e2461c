"""Two servers of one user: each has a file, and is told which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from tests.fakes.sandboxes import make_sandbox

from .conftest import Opener
from .processes import child

pytestmark = pytest.mark.asyncio


async def test_a_file_held_by_another_process_is_left_to_it(
    path: Path, open_store: Opener, notices: list[str]
) -> None:
    with child("hold", path) as process:
        assert process.stdout
        holder = json.loads(process.stdout.readline())["pid"]
        store = await open_store()
        assert store.path == path.with_name("sandboxes-2.duckdb")
        assert await store.get(make_sandbox().id) is None
        await store.insert(make_sandbox())
        assert len(notices) == 1
        assert f"process {holder}" in notices[0]
        assert str(store.path) in notices[0]


async def test_a_file_of_a_dead_server_is_taken_over(
    path: Path, open_store: Opener, notices: list[str]
) -> None:
    with child("hold", path) as process:
        assert process.stdout
        process.stdout.readline()
    store = await open_store()
    assert store.path == path
    assert await store.get(make_sandbox().id) == make_sandbox()
    assert notices == []


async def test_two_stores_of_one_process_share_no_file(open_store: Opener) -> None:
    stores = [await open_store() for _ in range(3)]
    assert [store.path.name for store in stores] == [
        "sandboxes.duckdb",
        "sandboxes-2.duckdb",
        "sandboxes-3.duckdb",
    ]


async def test_the_second_file_keeps_its_rows(path: Path, open_store: Opener) -> None:
    first, second = await open_store(), await open_store()
    await second.insert(make_sandbox())
    await second.close()
    await first.close()
    again = await open_store(second.path)
    assert await again.get(make_sandbox().id) == make_sandbox()


async def test_two_servers_that_start_at_once_share_no_file(
    path: Path, open_store: Opener, notices: list[str]
) -> None:
    with child("hold", path) as one, child("hold", path) as other:
        for process in (one, other):
            assert process.stdout
            process.stdout.readline()
    for name in ("sandboxes-2.duckdb", "sandboxes.duckdb"):
        store = await open_store(path.with_name(name))
        assert await store.get(make_sandbox().id) == make_sandbox()
    assert notices == []


async def test_a_file_held_by_a_stranger_is_left_to_it(
    path: Path, open_store: Opener, notices: list[str]
) -> None:
    await (await open_store()).close()
    with child("look", path) as stranger:
        assert stranger.stdout
        stranger.stdout.readline()
        assert (await open_store()).path != path
        assert f"process {stranger.pid}" in notices[0]


async def test_a_closed_file_is_free_again(path: Path, open_store: Opener) -> None:
    await (await open_store()).close()
    assert (await open_store()).path == path


async def test_the_tenth_server_is_refused_by_name_of_the_holder(open_store: Opener) -> None:
    for _ in range(9):
        await open_store()
    with pytest.raises(OrkeeError) as caught:
        await open_store()
    assert caught.value.code == "store_locked"
    assert f"process {caught.value.details['pid']}" in caught.value.cause
