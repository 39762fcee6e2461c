"""The engine object on the real engine: its errors in our words, its deaths, and its end."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from orkee_jupyter.dagger.engine import DaggerEngine
from orkee_jupyter.dagger.native import NativeEngine
from orkee_jupyter.sandbox.errors import OrkeeError
from orkee_jupyter.sandbox.ports import ContainerDefinition, Endpoint
from tests.runner import RUNNER

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.engine,
    pytest.mark.skipif(not NativeEngine().installed(), reason="the native engine is not built"),
    pytest.mark.usefixtures("no_lost_errors", "nothing_left"),
]
IMAGE = "debian:bookworm-slim"


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[DaggerEngine]:
    made = DaggerEngine(RUNNER, tmp_path)
    yield made
    await made.close()


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    """Give a socket that accepts and never answers."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(16)
        yield Endpoint("forwarded", secrets.token_hex(16), socket_path=str(path))


def definition(endpoint: Endpoint, image: str = IMAGE, *setup: str) -> ContainerDefinition:
    return ContainerDefinition(secrets.token_hex(16), image, setup, "/app", endpoint)


def quiet(step: str) -> None: ...


async def failure(engine: DaggerEngine, wanted: ContainerDefinition) -> OrkeeError:
    with pytest.raises(OrkeeError) as caught:
        await engine.start(wanted, quiet)
    await engine.stop(wanted.sandbox_id)
    return caught.value


async def session_pid(engine: DaggerEngine) -> int:
    await engine.prepare(quiet)
    return int((await engine.status())["session"]["pid"])


async def test_images_that_cannot_be_had_say_why(engine: DaggerEngine, endpoint: Endpoint) -> None:
    causes = {
        "orkee-no-such-image:never": "does not exist or may not be pulled",
        "registry.invalid/x:1": "No registry answers",
        "localhost:9/x:1": "No registry answers",
        "Not A Name": "is not the name of an image",
        "python@sha256:abcd": "is not the name of an image",
    }
    for image, cause in causes.items():
        error = await failure(engine, definition(endpoint, image))
        assert error.code == "unknown_image"
        assert cause in error.cause


async def test_a_failing_setup_command_says_what_it_said(
    engine: DaggerEngine, endpoint: Endpoint
) -> None:
    error = await failure(engine, definition(endpoint, IMAGE, "true", "echo no luck >&2; exit 3"))
    assert error.code == "setup_failed"
    assert error.cause.endswith("ended with code 3: no luck.")
    assert error.details == {"exit_code": 3, "lines": ["no luck"]}


async def test_a_setup_command_that_fills_the_disk_is_told_as_that(
    engine: DaggerEngine, endpoint: Endpoint
) -> None:
    command = "dd if=/dev/zero of=/dev/full bs=1 count=1"
    assert (await failure(engine, definition(endpoint, IMAGE, command))).code == "disk_full"


async def test_a_sandbox_stopped_during_its_setup_gets_no_container(
    engine: DaggerEngine, endpoint: Endpoint
) -> None:
    wanted = definition(endpoint, IMAGE, f"sleep 1; : {secrets.token_hex(4)}")
    in_setup = asyncio.Event()
    start = asyncio.create_task(
        engine.start(wanted, lambda step: in_setup.set() if step.startswith("setup") else None)
    )
    await asyncio.wait_for(in_setup.wait(), 60)
    start.cancel()
    await asyncio.wait({start})
    await engine.stop(wanted.sandbox_id)
    again = definition(endpoint, IMAGE, *wanted.setup)
    await engine.start(again, quiet)  # waits for the same setup
    assert engine._current is not None
    assert engine._current.containers.ids() == [again.sandbox_id]


async def test_a_killed_session_is_told_and_replaced(
    engine: DaggerEngine, endpoint: Endpoint
) -> None:
    told: asyncio.Queue[tuple[list[str], str]] = asyncio.Queue()
    engine.on_lost(lambda ids, reason: told.put_nowait((list(ids), reason)))
    wanted = definition(endpoint)
    await engine.start(wanted, quiet)
    os.kill(await session_pid(engine), signal.SIGKILL)
    lost = await asyncio.wait_for(told.get(), 10)
    assert lost == ([wanted.sandbox_id], "the engine's session ended")
    await engine.start(definition(endpoint), quiet)


async def test_a_start_whose_session_is_killed_does_not_hang(
    engine: DaggerEngine, endpoint: Endpoint
) -> None:
    wanted = definition(endpoint, IMAGE, f"sleep 60; : {secrets.token_hex(4)}")
    in_setup = asyncio.Event()
    start = asyncio.create_task(
        engine.start(wanted, lambda step: in_setup.set() if step.startswith("setup") else None)
    )
    await asyncio.wait_for(in_setup.wait(), 60)
    os.kill(await session_pid(engine), signal.SIGKILL)
    with pytest.raises(OrkeeError) as caught:
        await asyncio.wait_for(start, 10)
    assert caught.value.code == "engine_lost"


@pytest.mark.native
async def test_callers_at_once_get_one_direct_listener(engine: DaggerEngine) -> None:
    first, second = await asyncio.gather(engine.direct_listener(), engine.direct_listener())
    assert first is not None
    assert first is second
    first[0].close()


async def test_a_stopped_session_does_not_hold_up_the_close(
    engine: DaggerEngine, endpoint: Endpoint
) -> None:
    await engine.start(definition(endpoint), quiet)
    os.kill(await session_pid(engine), signal.SIGSTOP)
    await asyncio.wait_for(engine.close(), 10)
