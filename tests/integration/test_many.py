"""Many at once: twenty creates that never keep the loop, the limit, and names."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from orkee_jupyter.client import Client, OrkeeError, Sandbox

from .processes import containers_of
from .servers import Server

CREATES = 20
#: What keeps the loop does so each time; a stall of the whole machine does not.
ROUNDS = 3
#: What the server's watchdog writes when something keeps its loop for more than 50 ms.
STALL = "the event loop was kept"


@pytest.mark.parametrize("link", ["direct", "forwarded"])
def test_twenty_creates_at_once_do_not_keep_the_loop(
    own_server: Callable[..., Server], link: str
) -> None:
    server = own_server(f"--OrkeeExtension.link={link}")

    create_and_use(server, -1)  # what is loaded once is loaded
    for _ in range(ROUNDS):
        begin = len(server.log())
        with ThreadPoolExecutor(CREATES) as pool:
            ids = list(pool.map(lambda number: create_and_use(server, number), range(CREATES)))
            assert len(set(ids)) == CREATES
            assert len(containers_of(ids)) >= CREATES
            list(pool.map(lambda each: stop(server, each), ids))
        assert containers_of(ids) == []
        stalls = [text for text in server.log()[begin:].split("[W ") if STALL in text]
        if not stalls:
            return
    raise AssertionError(stalls[0])


def create_and_use(server: Server, number: int) -> str:
    with server.client() as client:
        sandbox = client.create("debian", name=f"n{number}", command=["sleep", "600"])
        assert sandbox.exec(["echo", str(number)]).stdout == f"{number}\n"
        return sandbox.id


def stop(server: Server, sandbox_id: str) -> None:
    with server.client() as client:
        client.get(sandbox_id).stop()


def test_beyond_the_limit_a_create_is_refused_until_one_ends(
    own_server: Callable[..., Server],
) -> None:
    server = own_server("--OrkeeExtension.max_sandboxes=2")
    with server.client() as client, ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: attempt(server), range(4)))
        made = [each for each in results if isinstance(each, Sandbox)]
        refused = [each for each in results if isinstance(each, OrkeeError)]
        assert (len(made), {each.code for each in refused}) == (2, {"too_many_sandboxes"})
        assert "2" in refused[0].cause
        assert refused[0].details["limit"] == 2
        made[0].stop()
        with client.create("debian"):
            assert len(client.list(status="active")) == 2
    assert len(server.rows()) == 3, "a refused create has no row"


def attempt(server: Server, name: str | None = None) -> Sandbox | OrkeeError:
    client: Client = server.client()
    try:
        return client.create("debian", name=name)
    except OrkeeError as error:
        return error
    finally:
        client.close()


def test_of_two_creates_at_once_one_gets_the_name(direct: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: attempt(direct, "same"), range(4)))
    made = [each for each in results if isinstance(each, Sandbox)]
    assert len(made) == 1
    codes = {each.code for each in results if isinstance(each, OrkeeError)}
    assert codes == {"name_taken"}
    made[0].stop()
    with direct.client() as client, client.create("debian", name="same") as again:
        assert client.get("same").id == again.id
