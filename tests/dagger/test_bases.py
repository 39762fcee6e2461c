"""Bases: one piece of work for equal wishes, tried again after a failure."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from graphql import GraphQLError

from orkee_jupyter.dagger.bases import Base, Bases
from orkee_jupyter.sandbox.errors import OrkeeError

from .fake_session import FakeSession, Steps, exec_error

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("no_lost_errors")]


@pytest_asyncio.fixture
async def bases(fake: FakeSession) -> AsyncIterator[Bases]:
    connection, client = await fake.connect()
    yield Bases(client)
    await connection.close()


class Gate:
    """An answer that waits: ``reached`` is set in the loop, ``open`` lets it go on."""

    def __init__(self, error: GraphQLError | None = None) -> None:
        self.reached = asyncio.Event()
        self.open = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._error = error

    def __call__(self, steps: Steps) -> None:
        if steps[-1][0] != "sync":
            return
        self._loop.call_soon_threadsafe(self.reached.set)
        assert self.open.wait(5)
        if self._error:
            raise self._error


def not_found() -> GraphQLError:
    return GraphQLError('failed to resolve image "docker.io/library/x:1": x:1: not found')


def get(bases: Bases, told: list[str] | None = None, *setup: str) -> asyncio.Task[Base]:
    listener = (told if told is not None else []).append
    return asyncio.create_task(bases.get("x:1", setup, "/app", listener))


async def test_equal_wishes_at_once_are_one_pull(bases: Bases, fake: FakeSession) -> None:
    gate = fake.answer = Gate()
    both = [get(bases), get(bases)]
    await asyncio.wait_for(gate.reached.wait(), 5)
    gate.open.set()
    first, second = await asyncio.gather(*both)
    assert first is second
    assert await get(bases) is first
    assert fake.count("sync") == 1


async def test_who_comes_second_is_told_the_steps_too(bases: Bases, fake: FakeSession) -> None:
    gate = fake.answer = Gate()
    told: tuple[list[str], list[str]] = ([], [])
    first = get(bases, told[0], "make it")
    await asyncio.wait_for(gate.reached.wait(), 5)
    second = get(bases, told[1], "make it")
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(first, second)
    assert told[0] == told[1] == ["pulling x:1", "setup 1 of 1: make it"]


async def test_a_failure_is_told_to_all_and_tried_again(bases: Bases, fake: FakeSession) -> None:
    gate = fake.answer = Gate(not_found())
    both = [get(bases), get(bases)]
    await asyncio.wait_for(gate.reached.wait(), 5)
    gate.open.set()
    errors = await asyncio.gather(*both, return_exceptions=True)
    assert [e.code for e in errors if isinstance(e, OrkeeError)] == ["unknown_image"] * 2
    fake.answer = lambda steps: None
    assert (await get(bases)).user == ""
    assert fake.count("sync") == 2


async def test_a_failure_that_nobody_waits_for_is_no_complaint(
    bases: Bases, fake: FakeSession
) -> None:
    gate = fake.answer = Gate(not_found())
    call = get(bases)
    await asyncio.wait_for(gate.reached.wait(), 5)
    call.cancel()
    await asyncio.wait({call})
    gate.open.set()
    with pytest.raises(OrkeeError, match="does not exist"):
        await get(bases)  # it is still the first pull, or the next one: both fail
    assert call.cancelled()


async def test_who_leaves_does_not_break_off_the_pull_for_others(
    bases: Bases, fake: FakeSession
) -> None:
    gate = fake.answer = Gate()
    first, second = get(bases), get(bases)
    await asyncio.wait_for(gate.reached.wait(), 5)
    first.cancel()
    gate.open.set()
    assert (await second).user == ""
    assert fake.count("sync") == 1


async def test_a_failed_setup_command_is_named(bases: Bases, fake: FakeSession) -> None:
    def answer(steps: Steps) -> None:
        if steps[-2][0] == "withExec" and steps[-1][0] == "sync":
            raise exec_error("make it", 2, "no such package")

    fake.answer = answer
    with pytest.raises(OrkeeError) as caught:
        await get(bases, None, "make it")
    assert caught.value.code == "setup_failed"
    assert caught.value.details["exit_code"] == 2


async def test_a_base_grows_old_and_its_tag_is_asked_for_anew(
    bases: Bases, fake: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await get(bases)
    monkeypatch.setattr("orkee_jupyter.dagger.bases.FRESH", 0.0)
    await get(bases)
    assert fake.count("sync") == 2


@pytest.mark.parametrize(
    ("user", "owner"), [("", ""), ("root", ""), ("0:0", ""), ("node", "node"), ("5:5", "5:5")]
)
async def test_the_images_user_and_folder_are_found_out(
    bases: Bases, fake: FakeSession, user: str, owner: str
) -> None:
    answers = {"user": user, "exists": True}
    fake.answer = lambda steps: answers.get(steps[-1][0])
    base = await get(bases)
    assert (base.user, base.has_workdir) == (owner, True)
