"""What only an engine in Docker can suffer: its container is killed, stopped, frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from orkee_jupyter.client import OrkeeError

from .processes import containers_of, until
from .servers import Server
from .world import World

pytestmark = pytest.mark.docker
Start = Callable[..., Server]
LOOPING = ["sh", "-c", "while :; do echo on; sleep 0.05; done"]


@pytest.fixture(autouse=True)
def _the_engine_runs_again(world: World) -> Iterator[None]:
    yield
    world.start_engine()


def test_the_end_of_the_engine_pauses_its_sandboxes(world: World, own_server: Start) -> None:
    server = own_server()
    with server.client() as client:
        sandbox = client.create("debian", command=LOOPING)
        assert sandbox.exec(["true"]).ok
        world.docker("kill")
        until(lambda: sandbox.refresh().status == "paused", 30)
        assert sandbox.reason
        assert containers_of([sandbox.id]) == []


def test_without_its_engine_a_create_fails_in_words_and_with_it_works_again(
    world: World, own_server: Start
) -> None:
    server = own_server()
    with server.client() as client:
        with client.create("debian") as before:
            assert before.exec(["true"]).ok
        world.docker("kill")
        with pytest.raises(OrkeeError) as caught:
            client.create("debian")
        assert caught.value.code in ("engine_lost", "no_engine", "engine_timeout")
        assert caught.value.remedy
        world.start_engine()
        with client.create("debian") as again:
            assert again.exec(["echo", "again"]).stdout == "again\n"


def test_a_command_under_way_ends_with_an_error_when_the_engine_dies(
    world: World, own_server: Start
) -> None:
    server = own_server()
    with server.client() as client:
        sandbox = client.create("debian", command=LOOPING)
        with sandbox.stream("echo on; sleep 600") as stream:
            assert next(stream) == ("stdout", b"on\n")
            world.docker("kill")
            with pytest.raises(OrkeeError) as caught:
                next(stream)
        assert caught.value.code == "sandbox_lost"
