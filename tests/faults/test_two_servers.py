"""Two servers of one user at once: each has its own sandboxes, and leaves the other's alone."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from orkee_jupyter.client import Client, Sandbox
from tests.integration.processes import containers_of, until
from tests.integration.servers import Server
from tests.integration.world import World

from .scene import TICK, Scene, Start
from .table import Row

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slow, pytest.mark.native]
SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM}


def works(sandbox: Sandbox) -> bool:
    return sandbox.refresh().status == "active" and sandbox.exec("echo on").stdout == "on\n"


def listed(server: Server) -> str:
    """Return what a shell of this user, in no Jupyter, is shown."""
    done = subprocess.run(
        [sys.executable, "-m", "orkee_jupyter.cli", "sandbox", "ls"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=server.env | {"COLUMNS": "200"},
        cwd=server.world.folder,
        timeout=60,
        check=True,
    )
    return done.stdout


def end(server: Server, name: str) -> None:
    server.signal(SIGNALS[name])
    server.wait()


def _second(scene: Scene, start: Start) -> tuple[Server, Client, Sandbox]:
    """Start a second server on the first one's database, and make a sandbox there."""
    second = start(database=scene.server.database)
    client = second.client()
    other = client.create("debian", name="other", command=TICK)
    other.files.write("written", b"by the second")
    return second, client, other


@pytest.mark.parametrize("how", SIGNALS)
@pytest.mark.timeout(180)
def test_the_end_of_one_server_is_none_of_the_others(
    world: World, own_server: Start, row: Row, how: str
) -> None:
    row.fault, row.moment = f"{how} of one of two servers of a user", "at rest"
    row.promise = "each leaves the other's sandboxes alone, at its start and at its end"
    scene = Scene(world, own_server)
    second, client, other = _second(scene, own_server)
    assert works(scene.kept)
    assert works(other)
    assert {"kept", "other"} <= set(listed(second).split())
    end(scene.server, how)
    assert works(other)
    assert {"other"} <= set(listed(second).split())
    scene.restart()
    assert works(other), "the start of one is none of the other's"
    assert [each["id"] for each in second.rows()] == [other.id]
    client.close()
    end(second, how)
    until(lambda: not containers_of([other.id]), 15, what="the end of its container")
    _its_sandbox_comes_back(second, other, how)
    row.seen = scene.aftermath()


@pytest.mark.timeout(180)
def test_one_server_finds_what_two_have_left(world: World, own_server: Start, row: Row) -> None:
    row.fault, row.moment = "SIGKILL of both servers of a user", "at rest"
    row.promise = "the one that starts again has the sandboxes of both, with their files"
    scene = Scene(world, own_server)
    second, client, other = _second(scene, own_server)
    client.close()
    end(second, "SIGKILL")
    end(scene.server, "SIGKILL")
    until(lambda: not containers_of([other.id]), 10, what="the end of its container")
    scene.restart()
    found = {each.id: each for each in scene.client.list(status="active,paused,terminated")}
    assert set(found) == {scene.kept.id, other.id}
    assert found[other.id].resume().files.read("written") == b"by the second"
    row.seen = scene.aftermath()


def _its_sandbox_comes_back(second: Server, other: Sandbox, how: str) -> None:
    """See that it finds its own again as a second server, and no other's."""
    second.start()
    with second.client() as client:
        (again,) = client.list(status="active,paused,terminated")
        ended = how == "SIGTERM"  # the tests' servers stop theirs at their end
        assert (again.id, again.status) == (other.id, "terminated" if ended else "paused")
        if not ended:
            assert again.resume().files.read("written") == b"by the second"
            again.stop()
    second.stop()
