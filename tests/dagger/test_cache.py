"""The engine's cache, and what is mounted while it is cleaned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import dagger
import pytest
import pytest_asyncio
from graphql import GraphQLError

from orkee_jupyter.dagger.cache import Cache, Kept
from orkee_jupyter.dagger.containers import Containers
from orkee_jupyter.dagger.installing import install_in_thread
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.ports import CacheUse, ContainerDefinition, Endpoint, Progress

from .fake_session import FakeSession, Steps

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("no_lost_errors")]


@pytest_asyncio.fixture
async def client(fake: FakeSession) -> AsyncIterator[dagger.Client]:
    connection, made = await fake.connect()
    yield made
    await connection.close()


@pytest.fixture
def containers(client: dagger.Client) -> Containers:
    return Containers(client, lambda arch: Path(f"/somewhere/sandboxd-{arch}"))


def order(fake: FakeSession) -> list[str]:
    """Return the last words of what was asked for, those of this module alone."""
    words = [steps[-1][0] for steps in fake.asked]
    return [word for word in words if word in ("start", "prune", "stop")]


def mounted(fake: FakeSession) -> list[int]:
    """Return how many workspaces each container that was started held."""
    starts = [steps for steps in fake.asked if steps[-1][0] == "start"]
    return [sum(name == "withMountedCache" for name, _ in steps) for steps in starts]


async def test_a_cache_says_its_bytes_and_entries(client: dagger.Client) -> None:
    assert await Cache(client).use() == CacheUse(1000, 7)


async def test_workspaces_are_held_while_the_cache_is_cleaned(
    client: dagger.Client, containers: Containers, fake: FakeSession
) -> None:
    sizes = iter((5000, 2000))

    def answer(steps: Steps) -> Any:
        return next(sizes) if steps[-1][0] == "diskSpaceBytes" else None

    fake.answer = answer
    kept = [f"{number:032x}" for number in range(60)]
    assert await Cache(client).clean(containers, kept) == 3000
    assert order(fake) == ["start", "start", "prune", "stop", "stop"]
    assert mounted(fake) == [50, 10]


async def test_nothing_is_cleaned_if_a_workspace_cannot_be_held(
    client: dagger.Client, containers: Containers, fake: FakeSession
) -> None:
    def answer(steps: Steps) -> Any:
        if steps[-1][0] == "start":
            raise GraphQLError("no more containers")

    fake.answer = answer
    with pytest.raises(OrkeeError) as caught:
        await Cache(client).clean(containers, ["a"])
    assert caught.value.code == "engine_failed"
    assert "prune" not in order(fake)


async def test_no_container_starts_during_a_standstill(containers: Containers) -> None:
    definition = ContainerDefinition("a", "x:1", (), "/app", Endpoint("any", "t", "/l.sock"))
    async with containers.standstill():
        start = asyncio.create_task(containers.start(definition, lambda _: None))
        await asyncio.wait({start}, timeout=0.2)
        assert not start.done()
    assert await asyncio.wait_for(start, 5) == "host-1"


async def test_two_standstills_follow_each_other(containers: Containers) -> None:
    async def once() -> None:
        async with containers.standstill():
            await asyncio.sleep(0)

    await asyncio.wait_for(asyncio.gather(once(), once(), once()), 5)


async def test_workspaces_are_known_to_each_server_until_they_are_empty(tmp_path: Path) -> None:
    ours, theirs = Kept(tmp_path / "workspaces"), Kept(tmp_path / "workspaces")
    assert ours.all() == []
    ours.note("a")
    theirs.note("b")
    assert sorted(ours.all()) == ["a", "b"]
    theirs.forget("a")
    theirs.forget("a")
    assert ours.all() == ["b"]


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "workspaces").write_text("no folder")
    with pytest.raises(OrkeeError) as caught:
        Kept(tmp_path / "workspaces").note("a")
    assert caught.value.code == "disk_full"


async def test_an_install_tells_its_steps_on_the_loop_and_gives_its_result() -> None:
    told: list[tuple[str, bool]] = []
    loop = asyncio.get_running_loop()

    def run(progress: Progress) -> bool:
        progress("building")
        return True

    def tell(step: str) -> None:
        told.append((step, asyncio.get_running_loop() is loop))

    assert await install_in_thread(tell, run)
    assert told == [("building", True)]


async def test_an_install_that_fails_raises_what_it_failed_with() -> None:
    def run(progress: Progress) -> bool:
        raise OrkeeError("no_engine", "Root is needed.", "Ask an administrator.")

    with pytest.raises(OrkeeError, match="Root is needed"):
        await install_in_thread(lambda _: None, run)
