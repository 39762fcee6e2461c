"""Links: one sandbox reaches another by its name, one way, and nobody else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from orkee_jupyter.client import Client, OrkeeError, Sandbox

from .processes import until
from .servers import Server
from .test_isolation import SERVE, reached
from .world import World

pytestmark = pytest.mark.native
SERVING = {"command": SERVE, "ports": [8000], "wait": "port:8000"}


@pytest.fixture
def client(direct: Server) -> Iterator[Client]:
    with direct.client() as made:
        yield made


def at_wires(sandbox: Sandbox) -> list[str]:
    """Return the addresses of both ends of a sandbox's wires, as HOST:8000."""
    found = sandbox.exec("awk '/32 host/ {print f} {f=$2}' /proc/net/fib_trie").stdout.split()
    own = {each for each in found if each.startswith("169.254.")}
    routes = sandbox.exec("awk '$1 ~ /^(in|out)/ {print $2}' /proc/net/route").stdout.split()
    far = {".".join(str(byte) for byte in bytes.fromhex(each)[::-1]) for each in routes}
    return sorted(f"{each}:8000" for each in own | far)


@pytest.mark.parametrize("policies", [("full", "full"), ("none", "none")])
def test_it_reaches_the_other_by_name_and_not_the_other_way(
    client: Client, policies: tuple[str, str]
) -> None:
    with client.create("python", name="db", network=policies[0], **SERVING) as db:
        linked = {"name": "web", "network": policies[1], "links": ["db"], **SERVING}
        with client.create("python", **linked) as web, client.create("python") as other:
            assert web.data["links"] == ["db"]
            assert reached(web, "db:8000") == ["db:8000"]
            ends = at_wires(db)
            assert len(ends) == 2
            assert len(reached(web, *ends)) == 2, "itself, and the other"
            assert reached(other, "db:8000", *ends) == []
            theirs = [each for each in ends if each not in reached(db, *ends)]
            assert len(theirs) == 1, "what answers begins nothing"


def test_both_come_and_go_and_the_name_is_found_again(client: Client) -> None:
    with client.create("python", name="db", **SERVING) as db:  # noqa: SIM117 (db ends first)
        with client.create("python", name="web", links=["db"]) as web:
            db.pause()
            assert reached(web, "db:8000") == []
            db.resume().wait_for("port:8000")
            assert reached(web, "db:8000") == ["db:8000"]
            web.pause().resume()
            assert reached(web, "db:8000") == ["db:8000"]
            db.stop()
            with client.create("python", name="db", **SERVING):
                assert reached(web, "db:8000") == ["db:8000"], "whoever bears the name"
                with web.fork("copy") as copy:
                    assert copy.data["links"] == ["db"]
                    assert reached(copy, "db:8000") == ["db:8000"]


def test_who_is_away_is_answered_at_once_and_not_looked_for_outside(client: Client) -> None:
    code = "import socket; socket.create_connection(('db', 1), 9)"
    with (
        client.create("python", name="db") as db,
        client.create("python", name="web", links=["db"]) as web,
    ):
        for _ in range(2):
            db.pause()
            tried = web.exec(["python3", "-c", code])
            assert "No route to host" in tried.stderr, tried.stderr
            web.pause().resume()


def test_nothing_passes_through(client: Client) -> None:
    """Of a chain each reaches the next, and not what is behind it."""
    with (
        client.create("python", name="last", **SERVING) as last,
        client.create("python", name="middle", links=["last"], **SERVING) as middle,
        client.create("python", name="first", links=["middle"], network="none") as first,
    ):
        behind = at_wires(last)
        assert reached(middle, "last:8000") == ["last:8000"]
        assert reached(first, "middle:8000", "last:8000", *behind) == ["middle:8000"]


def test_who_is_not_there_is_told_before_anything_is_made(client: Client) -> None:
    before = {each.id for each in client.list(status=["failed", "creating", "active"])}
    with pytest.raises(OrkeeError) as caught:
        client.create("debian", links=["nobody"])
    assert caught.value.code == "sandbox_not_found"
    after = {each.id for each in client.list(status=["failed", "creating", "active"])}
    assert after == before


def test_after_a_kill_of_the_server_the_first_to_come_waits_for_the_other(
    own_server: Callable[..., Server], world: World
) -> None:
    server = own_server()
    with server.client() as client:
        client.create("python", name="db", **SERVING)
        client.create("python", name="web", links=["db"])
    server.kill()
    server.start()
    with server.client() as client:
        web, db = client.get("web").resume(), client.get("db")
        assert reached(web, "db:8000") == []
        db.resume().wait_for("port:8000")
        until(lambda: reached(web, "db:8000") == ["db:8000"], what="the link")


def test_a_cell_and_the_command_line_link_too(direct: Server, client: Client) -> None:
    with client.create("python", name="db", **SERVING):
        made = direct.cli("sandbox", "create", "python", "--name", "web", "--link", "db")
        assert made.returncode == 0, made.stderr
        with client.get("web") as web:
            assert reached(web, "db:8000") == ["db:8000"]
