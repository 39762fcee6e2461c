"""What every engine does: the real one and the fake alike."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.ports import ContainerDefinition, Endpoint, Engine, Frozen
from tests.fakes.engine import FakeEngine
from tests.runner import RUNNER

# One loop and one engine for the module: to start the real one takes seconds.
pytestmark = pytest.mark.asyncio(loop_scope="module")

IMAGE = "python:3.11-slim"


async def make_engine(kind: str, folder: Path) -> Engine:
    """Return an engine, the real one imported only where it is wanted."""
    if kind == "fake":
        return FakeEngine()
    from orkee_jupyter.dagger.engine import DaggerEngine

    made: Engine = DaggerEngine(RUNNER, folder)
    return made


@pytest.fixture(scope="module", params=["fake", pytest.param("real", marks=pytest.mark.engine)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(kind: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    made = await make_engine(kind, tmp_path_factory.mktemp("engine"))
    yield made
    await made.close()


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    """A socket that accepts and never answers: a container runs on without its server's word."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(16)
        yield Endpoint("forwarded", secrets.token_hex(16), socket_path=str(path))


def definition(
    endpoint: Endpoint, image: str = IMAGE, setup: tuple[str, ...] = ()
) -> ContainerDefinition:
    return ContainerDefinition(secrets.token_hex(16), image, setup, "/app", endpoint)


async def code_of(engine: Engine, wanted: ContainerDefinition) -> str:
    """Return the code of the error that a start raises, after a stop that must do no harm."""
    with pytest.raises(OrkeeError) as caught:
        await engine.start(wanted, lambda _: None)
    await engine.stop(wanted.sandbox_id)
    assert caught.value.cause
    return caught.value.code


async def test_a_container_starts_with_an_id_and_says_what_it_does(
    engine: Engine, endpoint: Endpoint
) -> None:
    wanted = definition(endpoint)
    told: list[str] = []
    container_id = await engine.start(wanted, told.append)
    assert container_id
    assert told
    await engine.stop(wanted.sandbox_id)


async def test_two_containers_run_at_once_with_ids_of_their_own(
    engine: Engine, endpoint: Endpoint
) -> None:
    both = [definition(endpoint), definition(endpoint)]
    ids = {await engine.start(wanted, lambda _: None) for wanted in both}
    assert len(ids) == 2
    for wanted in both:
        await engine.stop(wanted.sandbox_id)


async def test_a_stop_may_come_twice_and_for_what_never_ran(
    engine: Engine, endpoint: Endpoint
) -> None:
    wanted = definition(endpoint)
    await engine.stop(wanted.sandbox_id)
    await engine.start(wanted, lambda _: None)
    await engine.stop(wanted.sandbox_id)
    await engine.stop(wanted.sandbox_id)


async def test_a_workspace_is_emptied_after_the_stop(engine: Engine, endpoint: Endpoint) -> None:
    wanted = definition(endpoint)
    await engine.start(wanted, lambda _: None)
    await engine.stop(wanted.sandbox_id)
    await engine.empty_workspace(wanted.sandbox_id)
    await engine.empty_workspace(wanted.sandbox_id)


async def test_setup_commands_that_work_are_no_error(engine: Engine, endpoint: Endpoint) -> None:
    wanted = definition(endpoint, setup=("true", "echo ready > /ready"))
    assert await engine.start(wanted, lambda _: None)
    await engine.stop(wanted.sandbox_id)


async def test_a_setup_command_that_fails_is_named(engine: Engine, endpoint: Endpoint) -> None:
    assert await code_of(engine, definition(endpoint, setup=("false",))) == "setup_failed"


async def test_an_image_that_does_not_exist_is_told(engine: Engine, endpoint: Endpoint) -> None:
    wanted = definition(endpoint, image="orkee-no-such-image:never")
    assert await code_of(engine, wanted) == "unknown_image"


async def test_the_status_is_json(engine: Engine) -> None:
    assert json.loads(json.dumps(dict(await engine.status())))


async def test_an_orderly_stop_is_no_loss(engine: Engine, endpoint: Endpoint) -> None:
    lost: list[str] = []
    engine.on_lost(lambda ids, _: lost.extend(ids))
    wanted = definition(endpoint)
    await engine.start(wanted, lambda _: None)
    await engine.stop(wanted.sandbox_id)
    assert lost == []


async def test_a_close_may_come_twice_and_without_a_start(kind: str, tmp_path: Path) -> None:
    made = await make_engine(kind, tmp_path)
    await made.close()
    await made.close()


async def frozen(engine: Engine, sandbox_id: str) -> Frozen | None:
    """Freeze a container as soon as its daemon is there; None where none can be frozen."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await engine.freeze(sandbox_id)
            except OrkeeError as error:
                if error.code == "freeze_unsupported":
                    return None
                if error.code != "engine_failed":
                    raise
            await asyncio.sleep(0.05)


async def test_a_container_is_frozen_as_often_as_it_was_thawed(
    engine: Engine, endpoint: Endpoint
) -> None:
    wanted = definition(endpoint)
    await engine.start(wanted, lambda _: None)
    if (first := await frozen(engine, wanted.sandbox_id)) is not None:
        await first.thaw()
        second = await engine.freeze(wanted.sandbox_id)
        await second.thaw()
    await engine.stop(wanted.sandbox_id)


async def test_what_does_not_run_can_not_be_frozen(engine: Engine) -> None:
    with pytest.raises(OrkeeError) as caught:
        await engine.freeze(secrets.token_hex(16))
    assert caught.value.code in ("engine_failed", "freeze_unsupported")


async def test_what_does_not_run_can_not_be_kept_from_the_network(engine: Engine) -> None:
    with pytest.raises(OrkeeError) as caught:
        await engine.police(secrets.token_hex(16), [], None)
    assert caught.value.code in ("engine_failed", "network_policy_unsupported")


async def test_what_does_not_run_can_not_be_linked(engine: Engine) -> None:
    with pytest.raises(OrkeeError) as caught:
        await engine.link(secrets.token_hex(16), "db", None)
    assert caught.value.code in ("engine_failed", "links_unsupported")
