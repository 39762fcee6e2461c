"""Containers of one session: definition, start and end, and the emptying of workspaces."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import dagger
import pytest
import pytest_asyncio
from graphql import GraphQLError

from orkee_jupyter.dagger.containers import Containers
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.ports import ContainerDefinition, Endpoint

from .fake_session import FakeSession, Steps, exec_error

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("no_lost_errors")]
TOKEN = "token-of-the-sandbox"


@pytest_asyncio.fixture
async def client(fake: FakeSession) -> AsyncIterator[dagger.Client]:
    connection, made = await fake.connect()
    yield made
    await connection.close()


@pytest.fixture
def containers(client: dagger.Client) -> Containers:
    return Containers(client, lambda arch: Path(f"/somewhere/sandboxd-{arch}"))


def definition(sandbox: str = "a", address: str | None = None) -> ContainerDefinition:
    path = None if address else "/run/link.sock"
    return ContainerDefinition(sandbox, "x:1", (), "/app", Endpoint("any", TOKEN, path, address))


def asked(fake: FakeSession, field: str) -> list[Steps]:
    return [steps for steps in fake.asked if steps[-1][0] == field]


def emptied(fake: FakeSession) -> list[list[str]]:
    """Return the folders that each run of sandboxd's ``empty`` was given."""
    runs = [dict(steps)["withExec"]["args"] for steps in asked(fake, "sync") if len(steps) > 2]
    return [run[2:] for run in runs if run[1] == "empty"]


async def test_a_started_container_is_known_until_it_is_stopped(
    containers: Containers, fake: FakeSession
) -> None:
    assert await containers.start(definition(), lambda _: None) == "host-1"
    assert containers.ids() == ["a"]
    await containers.stop("a")
    await containers.stop("a")
    assert containers.ids() == []
    assert [steps[-1][1] for steps in asked(fake, "stop")] == [{"kill": True}]


async def test_a_container_whose_name_cannot_be_told_is_known_and_can_be_stopped(
    containers: Containers, fake: FakeSession
) -> None:
    def fail(steps: Steps) -> None:
        if steps[-1][0] == "hostname":
            raise GraphQLError("no name")

    fake.answer = fail
    with pytest.raises(OrkeeError):
        await containers.start(definition(), lambda _: None)
    assert containers.ids() == ["a"]
    await containers.stop("a")
    assert containers.ids() == []


@pytest.mark.parametrize(
    ("address", "where"),
    [(None, ["-socket", "/run/orkee/link.sock"]), ("10.0.0.1:5", ["-address", "10.0.0.1:5"])],
)
async def test_the_definition_says_where_to_dial_and_holds_no_secret(
    containers: Containers, fake: FakeSession, address: str | None, where: list[str]
) -> None:
    await containers.start(definition(address=address), lambda _: None)
    steps = dict(asked(fake, "start")[0])
    words = ["/run/orkee/sandboxd", *where, "-token-file", "/run/orkee/token"]
    assert steps["asService"]["args"] == words
    assert ("withUnixSocket" in steps) == (address is None)
    assert steps["withMountedSecret"].get("mode", 0o400) == 0o400  # Dagger's own
    assert TOKEN not in str(steps["asService"])


async def test_a_stop_that_failed_can_be_tried_again(
    containers: Containers, fake: FakeSession
) -> None:
    await containers.start(definition(), lambda _: None)

    def fail(steps: Steps) -> None:
        if steps[-1][0] == "stop":
            raise GraphQLError("failed to stop")

    fake.answer = fail
    with pytest.raises(OrkeeError, match="failed to stop"):
        await containers.stop("a")
    fake.answer = lambda steps: None
    await containers.stop("a")
    assert fake.count("stop") == 2
    assert containers.ids() == []


async def test_a_stop_in_the_middle_of_a_start_ends_what_was_started(
    containers: Containers, fake: FakeSession
) -> None:
    reached, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def wait(steps: Steps) -> None:
        if steps[-1][0] == "start":
            loop.call_soon_threadsafe(reached.set)
            assert go.wait(5)

    fake.answer = wait
    start = asyncio.create_task(containers.start(definition(), lambda _: None))
    await asyncio.wait_for(reached.wait(), 5)
    start.cancel()
    stop = asyncio.create_task(containers.stop("a"))
    await asyncio.wait({start})
    go.set()
    await stop
    assert fake.count("stop") == 1
    assert containers.ids() == []


async def test_a_failed_start_leaves_nothing_known(
    containers: Containers, fake: FakeSession
) -> None:
    def fail(steps: Steps) -> None:
        if steps[-1][0] == "start":
            raise GraphQLError("write: no space left on device")

    fake.answer = fail
    with pytest.raises(OrkeeError) as caught:
        await containers.start(definition(), lambda _: None)
    assert caught.value.code == "disk_full"
    assert containers.ids() == []


async def test_a_sandbox_given_up_meanwhile_gets_no_container(
    containers: Containers, fake: FakeSession
) -> None:
    with pytest.raises(OrkeeError) as caught:
        await containers.start(definition(), lambda _: None, lambda: False)
    assert caught.value.code == "sandbox_lost"
    assert fake.count("start") == 0


async def test_a_daemon_that_is_not_built_is_told_and_asked_for_again(
    client: dagger.Client, fake: FakeSession
) -> None:
    there: list[Path] = []

    def daemon(arch: str) -> Path:
        if not there:
            raise OrkeeError("internal", "The daemon is not built.")
        return there[0]

    containers = Containers(client, daemon)
    with pytest.raises(OrkeeError, match="not built"):
        await containers.start(definition(), lambda _: None)
    there.append(Path("/somewhere/sandboxd"))
    await containers.start(definition(), lambda _: None)


async def test_workspaces_at_about_one_time_are_emptied_in_one_go(
    containers: Containers, fake: FakeSession
) -> None:
    await asyncio.gather(*(containers.empty(sandbox) for sandbox in "abc"))
    assert emptied(fake) == [["/w/0", "/w/1", "/w/2"]]


async def test_more_workspaces_than_a_batch_are_emptied_all(
    containers: Containers, fake: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orkee_jupyter.dagger.containers._BATCH", 2)
    await asyncio.gather(*(containers.empty(sandbox) for sandbox in "abc"))
    assert emptied(fake) == [["/w/0", "/w/1"], ["/w/0"]]


async def test_the_failure_of_a_batch_is_told_to_all_of_it_and_no_other(
    containers: Containers, fake: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orkee_jupyter.dagger.containers._BATCH", 2)

    def fail_first(steps: Steps) -> None:
        if steps[-1][0] == "sync" and fake.count("sync") == 1:
            raise exec_error("empty", 1, "it is busy")

    fake.answer = fail_first
    emptyings = [containers.empty(sandbox) for sandbox in "abc"]
    results = await asyncio.gather(*emptyings, return_exceptions=True)
    assert [isinstance(each, OrkeeError) for each in results] == [True, True, False]


async def test_no_daemon_to_empty_with_is_an_error_and_no_wait(client: dagger.Client) -> None:
    def daemon(arch: str) -> Path:
        raise OrkeeError("internal", "The daemon is not built.")

    containers = Containers(client, daemon)
    emptyings = [containers.empty(sandbox) for sandbox in "ab"]
    results = await asyncio.wait_for(asyncio.gather(*emptyings, return_exceptions=True), 5)
    assert [str(each) for each in results] == ["The daemon is not built."] * 2
    with pytest.raises(OrkeeError):  # and the next one is not stuck either
        await asyncio.wait_for(containers.empty("c"), 5)


async def test_who_leaves_does_not_break_off_the_emptying_for_others(
    containers: Containers, fake: FakeSession
) -> None:
    first, second = (asyncio.create_task(containers.empty(sandbox)) for sandbox in "ab")
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()
    assert emptied(fake) == [["/w/0", "/w/1"]]
