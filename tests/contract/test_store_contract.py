"""What every store does, the real one and the fake alike."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.model import ListQuery, Sandbox, Status
from orkee_jupyter.sandbox.ports import Store
from orkee_jupyter.store.repository import DuckDBStore
from tests.fakes.sandboxes import make_sandbox
from tests.fakes.store import FakeStore

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=["duckdb", "fake"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store
    made = FakeStore() if request.param == "fake" else await DuckDBStore.open(tmp_path / "s.duckdb")
    yield made
    await made.close()


FULL = make_sandbox(
    7,
    project_id="kitchen",
    name="soup",
    container_id="c0ffee",
    host_url="http://127.0.0.1:40001",
    working_directory="/srv/ä b",
    reason="The engine died.",
    exit_code=137,
    ports=(3000, 8080),
    command=("sh", "-c", 'echo "ü" \\ \x00\n'),
    env={"KEY": "va'lue", "EMPTY": ""},
    labels={"team": "x", "a/b~c.$[0]": '"'},
    ttl=90,
    link="direct",
    setup=("apt-get update", "echo 'ä'"),
    host_ports={3000: 8123},
)


async def test_an_inserted_row_comes_back_field_by_field(store: Store) -> None:
    await store.insert(FULL)
    assert await store.get(FULL.id) == FULL


async def test_absent_fields_come_back_absent(store: Store) -> None:
    await store.insert(make_sandbox())
    assert await store.get(make_sandbox().id) == make_sandbox()


async def test_no_command_differs_from_an_empty_one(store: Store) -> None:
    await store.insert(make_sandbox(1, command=()))
    await store.insert(make_sandbox(2, command=None))
    commands = [row.command for row in (await store.list(ListQuery(), None)).sandboxes]
    assert commands == [None, ()]


async def test_an_unknown_id_gives_none(store: Store) -> None:
    assert await store.get("f" * 32) is None


async def test_the_same_id_twice_is_refused(store: Store) -> None:
    await store.insert(make_sandbox())
    with pytest.raises(OrkeeError) as caught:
        await store.insert(make_sandbox(name="other"))
    assert caught.value.code == "store_failed"
    assert await store.get(make_sandbox().id) == make_sandbox()


@pytest.mark.parametrize("status", list(Status))
async def test_update_writes_every_field(store: Store, status: Status) -> None:
    await store.insert(make_sandbox(7))
    changed = FULL.with_(status=status)
    await store.update(changed)
    assert await store.get(FULL.id) == changed


async def test_update_of_an_unknown_row_is_an_error(store: Store) -> None:
    with pytest.raises(OrkeeError) as caught:
        await store.update(make_sandbox())
    assert caught.value.code == "store_failed"


async def test_one_row_is_updated_again_and_again(store: Store) -> None:
    await store.insert(make_sandbox())
    for second in range(20):
        await store.update(make_sandbox(status=[*Status][second % 5], expires_at=second))
    assert (await store.get(make_sandbox().id)) == make_sandbox(status=Status.FAILED, expires_at=19)


async def test_touch_moves_forward(store: Store) -> None:
    await store.insert(make_sandbox(last_active_at=10, expires_at=20))
    await store.touch(make_sandbox().id, 11, 21)
    assert await store.get(make_sandbox().id) == make_sandbox(last_active_at=11, expires_at=21)


@pytest.mark.parametrize(("active", "expires"), [(9, 21), (11, 19), (0, 0)])
async def test_touch_never_moves_back(store: Store, active: int, expires: int) -> None:
    await store.insert(make_sandbox(last_active_at=10, expires_at=20))
    await store.touch(make_sandbox().id, active, expires)
    row = await store.get(make_sandbox().id)
    assert row == make_sandbox(last_active_at=max(10, active), expires_at=max(20, expires))


@pytest.mark.parametrize("status", [Status.TERMINATED, Status.FAILED])
async def test_touch_leaves_history_alone(store: Store, status: Status) -> None:
    await store.insert(make_sandbox(status=status))
    await store.touch(make_sandbox().id, 2**40, 2**40)
    assert await store.get(make_sandbox().id) == make_sandbox(status=status)


async def test_touch_of_an_unknown_id_does_nothing(store: Store) -> None:
    await store.touch("f" * 32, 1, 2)
    assert await store.get("f" * 32) is None


async def ids(store: Store, ref: str, user: str | None = None) -> list[int]:
    return [int(row.id[-3:], 16) for row in await store.find(ref, user)]


async def test_find_by_full_id_in_either_case(store: Store) -> None:
    await store.insert(make_sandbox(0xABC))
    assert await ids(store, f"{0xABC:032x}") == [0xABC]
    assert await ids(store, f"{0xABC:032X}") == [0xABC]


async def test_find_prefers_an_id_to_a_name(store: Store) -> None:
    await store.insert(make_sandbox(1))
    await store.insert(make_sandbox(2, name=make_sandbox(1).id))
    assert await ids(store, make_sandbox(1).id) == [1]


async def test_find_by_name_prefers_what_lives(store: Store) -> None:
    await store.insert(make_sandbox(1, name="web", status=Status.PAUSED))
    await store.insert(make_sandbox(2, name="web", status=Status.TERMINATED))
    await store.insert(make_sandbox(3, name="web", status=Status.CREATING))
    assert await ids(store, "web") == [3, 1]


async def test_find_by_name_gives_the_newest_of_the_ended(store: Store) -> None:
    await store.insert(make_sandbox(1, name="web", status=Status.TERMINATED))
    await store.insert(make_sandbox(2, name="web", status=Status.FAILED))
    assert await ids(store, "web") == [2]
    assert await ids(store, "Web") == []


async def test_find_by_name_goes_before_a_prefix(store: Store) -> None:
    await store.insert(make_sandbox(1))
    await store.insert(make_sandbox(2, name="0000", status=Status.TERMINATED))
    assert await ids(store, "0000") == [2]


async def test_find_by_prefix_gives_all_live_ones_first(store: Store) -> None:
    await store.insert(make_sandbox(1))
    await store.insert(make_sandbox(2, status=Status.PAUSED))
    await store.insert(make_sandbox(3, status=Status.TERMINATED))
    assert await ids(store, "00000") == [2, 1, 3]


@pytest.mark.parametrize("ref", ["", "0", "000", "%", "____", "0" * 33, "0' OR 1=1 --"])
async def test_find_of_what_is_no_reference_gives_nothing(store: Store, ref: str) -> None:
    await store.insert(make_sandbox())
    assert await ids(store, ref) == []


async def test_find_hides_the_rows_of_others(store: Store) -> None:
    await store.insert(make_sandbox(1, user_id="bob", name="web"))
    for ref in (make_sandbox(1).id, "web", "0000"):
        assert await ids(store, ref, "ada") == []
        assert await ids(store, ref, "bob") == [1]


ROWS = [
    make_sandbox(1, project_id="p", labels={"k": "v"}),
    make_sandbox(2, project_id="q", labels={"k": "v", "a.b/~": "*"}, name="web"),
    make_sandbox(3, status=Status.PAUSED, labels={"k": "w"}),
    make_sandbox(4, status=Status.TERMINATED, name="web", project_id="p"),
    make_sandbox(5, user_id="bob"),
]
QUERIES: list[tuple[ListQuery, str | None, list[int]]] = [
    (ListQuery(), None, [5, 4, 3, 2, 1]),
    (ListQuery(), "ada", [4, 3, 2, 1]),
    (ListQuery(), "nobody", []),
    (ListQuery(statuses=frozenset({Status.PAUSED, Status.TERMINATED})), None, [4, 3]),
    (ListQuery(statuses=frozenset()), None, []),
    (ListQuery(project="p"), None, [4, 1]),
    (ListQuery(name="web"), None, [4, 2]),
    (ListQuery(name="web", project="p"), "ada", [4]),
    (ListQuery(labels={"k": "v"}), None, [2, 1]),
    (ListQuery(labels={"k": "v", "a.b/~": "*"}), None, [2]),
    (ListQuery(labels={"k": "v", "missing": ""}), None, []),
    (ListQuery(labels={"": ""}), None, []),
    (ListQuery(name="' OR true --"), None, []),
]


@pytest.mark.parametrize(("query", "user", "expected"), QUERIES)
async def test_list_filters(
    store: Store, query: ListQuery, user: str | None, expected: list[int]
) -> None:
    await asyncio.gather(*(store.insert(row) for row in ROWS))
    page = await store.list(query, user)
    assert [int(row.id, 16) for row in page.sandboxes] == expected
    assert page.next is None


async def read_all(
    store: Store, limit: int, between: Callable[[int], Sandbox] | None = None
) -> list[int]:
    seen: list[int] = []
    cursor: str | None = None
    for turn in range(100):
        page = await store.list(ListQuery(limit=limit, cursor=cursor), None)
        assert len(page.sandboxes) <= limit
        seen += [int(row.id, 16) for row in page.sandboxes]
        cursor = page.next
        if cursor is None:
            return seen
        if between:
            await store.insert(between(turn))
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 11])
async def test_pages_join_without_gap_or_repetition(store: Store, limit: int) -> None:
    # One second for all: the order within it must hold from page to page too.
    numbers = random.Random(4).sample(range(1000), 10)
    for number in numbers:
        await store.insert(make_sandbox(number, created_at=5 + number % 2))
    newest = numbers[::-1]
    expected = sorted(newest, key=lambda number: -(number % 2))
    assert await read_all(store, limit) == expected


async def test_rows_of_one_second_are_newest_first_everywhere(store: Store) -> None:
    numbers = random.Random(5).sample(range(1000), 10)
    for number in numbers:
        await store.insert(make_sandbox(number, name="web", created_at=5))
    # What changes later, changes no order.
    await store.update(make_sandbox(numbers[2], name="web", created_at=5, status=Status.PAUSED))
    await store.touch(make_sandbox(numbers[4]).id, 2**40, 2**40)
    newest = numbers[::-1]
    assert await read_all(store, 3) == newest
    assert [int(row.id, 16) for row in await store.live()] == newest
    assert await ids(store, "web") == newest
    assert await ids(store, "0000") == newest


async def test_pages_of_one_second_hold_while_rows_come_in(store: Store) -> None:
    for number in (3, 1, 4, 0, 2):
        await store.insert(make_sandbox(number, created_at=5))
    seen = await read_all(store, 2, between=lambda turn: make_sandbox(9 + turn, created_at=5))
    assert seen == [2, 0, 4, 1, 3]


async def test_pages_hold_while_rows_come_in(store: Store) -> None:
    for number in range(6):
        await store.insert(make_sandbox(number))
    seen = await read_all(store, 2, between=lambda turn: make_sandbox(100 + turn))
    assert seen == [5, 4, 3, 2, 1, 0]


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


NO_PLACES = [None, [], ["a", "b"], [1], [1, 2, 3], [1, True], [1, 2.0], [1, 2**63], {"a": 1}]
BY_ID = [1_800_000_001, "0" * 31 + "1"]  # what a cursor was before rows had a sequence


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "A" * 9999, "W" * 4000, *map(encoded, [*NO_PLACES, BY_ID])]
)
async def test_a_cursor_of_no_list_is_refused(store: Store, cursor: str) -> None:
    await store.insert(make_sandbox())
    with pytest.raises(OrkeeError) as caught:
        await store.list(ListQuery(cursor=cursor), None)
    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_page_of_nothing_is_refused(store: Store, limit: int) -> None:
    with pytest.raises(OrkeeError) as caught:
        await store.list(ListQuery(limit=limit), None)
    assert caught.value.code == "invalid_request"


async def test_live_rows_are_those_not_ended(store: Store) -> None:
    for number, status in enumerate(Status):
        await store.insert(make_sandbox(number, status=status))
    found = [row.status for row in await store.live()]
    assert found == [Status.PAUSED, Status.ACTIVE, Status.CREATING]


async def test_expired_rows_are_active_or_paused_and_due(store: Store) -> None:
    for number, status in enumerate(Status):
        await store.insert(make_sandbox(number, status=status, expires_at=100 - number))
    await store.insert(make_sandbox(9, expires_at=101))
    assert [row.status for row in await store.expired(100)] == [Status.PAUSED, Status.ACTIVE]
    assert await store.expired(97) == []


async def test_many_writers_at_once_lose_nothing(store: Store) -> None:
    await asyncio.gather(*(store.insert(make_sandbox(number)) for number in range(50)))
    await asyncio.gather(*(store.touch(make_sandbox(n).id, 2**40, 0) for n in range(50)))
    page = await store.list(ListQuery(limit=50), None)
    assert [row.last_active_at for row in page.sandboxes] == [2**40] * 50


async def test_close_may_be_called_twice_and_then_nothing_works(store: Store) -> None:
    await store.close()
    await store.close()
    with pytest.raises(OrkeeError) as caught:
        await store.get("f" * 32)
    assert caught.value.code == "store_failed"
