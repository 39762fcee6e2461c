"""What a shelf of snapshots does, of the fake and of the one in files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import Limits, Template
from orkee_jupyter.sandbox.snapshots import Shelf, Snapshot
from orkee_jupyter.store.shelf import SnapshotShelf
from tests.fakes.shelf import FakeShelf
from tests.sandbox.world import error_of

pytestmark = pytest.mark.asyncio

LIMIT = 3 << 20
TEMPLATE = Template(
    "node",
    "node:18-alpine",
    setup=("mkdir x",),
    env={"TOKEN": "s3cret"},
    ports=(3000, 80),
    command=("node", "x.js"),
    limits=Limits(memory=1 << 28),
    timeout=90,
    labels={"a": "b"},
    on_expiry="pause",
    source="snapshot",
)


@pytest.fixture(params=["fake", "files"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    if request.param == "fake":
        return FakeShelf(LIMIT)
    return SnapshotShelf(tmp_path / "snapshots", LIMIT)


def draft(name: str = "base", owner: str = "ada", number: int = 1) -> Snapshot:
    return Snapshot(
        f"{number:032x}", name, owner, 1000 + number, "f" * 32, TEMPLATE, project_id="demo"
    )


async def of(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def broken() -> AsyncIterator[bytes]:
    yield b"x"
    raise OrkeeError("sandbox_lost", "The sandbox ended.")


async def read(shelf: Shelf, snapshot: Snapshot) -> bytes:
    return b"".join([piece async for piece in shelf.pieces(snapshot)])


async def test_what_is_kept_comes_back_with_its_definition(shelf: Shelf) -> None:
    large = bytes(range(256)) * 8000
    told: list[int] = []
    kept = await shelf.add(draft(), of(b"ar", large, b"chive"), told=told.append)
    assert kept.size == len(large) + 7 == told[-1]
    assert await shelf.get("ada", "base") == kept
    assert kept.template == TEMPLATE
    assert await read(shelf, kept) == b"ar" + large + b"chive"


async def test_the_newest_comes_first_and_nobody_sees_anothers(shelf: Shelf) -> None:
    for number, name in enumerate(("one", "two", "three")):
        await shelf.add(draft(name, number=number), of(b"x"))
    await shelf.add(draft("one", "bob", 9), of(b"bob's"))
    assert [each.name for each in await shelf.list("ada")] == ["three", "two", "one"]
    assert [each.name for each in await shelf.list("bob")] == ["one"]
    assert await shelf.list("eve") == []
    for call in (shelf.get("eve", "one"), shelf.remove("eve", "one")):
        assert (await error_of(call)).code == "snapshot_not_found"
    assert await read(shelf, await shelf.get("ada", "one")) == b"x"


async def test_a_taken_name_is_refused_unless_it_is_to_be_replaced(shelf: Shelf) -> None:
    await shelf.check_free("ada", "base")
    first = await shelf.add(draft(), of(b"old"))
    assert (await error_of(shelf.check_free("ada", "base"))).code == "snapshot_exists"
    assert (await error_of(shelf.add(draft(number=2), of(b"new")))).code == "snapshot_exists"
    assert await read(shelf, await shelf.get("ada", "base")) == b"old"
    second = await shelf.add(draft(number=3), of(b"new"), replace=True)
    assert await shelf.list("ada") == [second]
    assert await read(shelf, second) == b"new"
    assert (await error_of(read(shelf, first))).code == "snapshot_not_found"


async def test_what_is_removed_is_gone(shelf: Shelf) -> None:
    kept = await shelf.add(draft(), of(b"x"))
    await shelf.remove("ada", "base")
    assert await shelf.list("ada") == []
    for call in (shelf.get("ada", "base"), shelf.remove("ada", "base"), read(shelf, kept)):
        assert (await error_of(call)).code == "snapshot_not_found"


async def test_an_archive_that_breaks_or_is_too_large_is_not_kept(shelf: Shelf) -> None:
    assert (await error_of(shelf.add(draft(), broken()))).code == "sandbox_lost"
    large = of(*[bytes(1 << 20)] * 3, b"x")
    assert (await error_of(shelf.add(draft(), large))).code == "archive_too_large"
    assert await shelf.list("ada") == []
    await shelf.add(draft(), of(*[bytes(1 << 20)] * 3))


async def test_an_empty_workspace_can_be_kept(shelf: Shelf) -> None:
    kept = await shelf.add(draft(), of())
    assert (kept.size, await read(shelf, kept)) == (0, b"")
