"""A real container whose first program is a hostile one in place of sandboxd."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hatch_build
from orkee_jupyter.client import OrkeeError
from tests.integration.processes import containers_of, session_of, until
from tests.integration.servers import Server
from tests.integration.world import World

from . import hostile_server
from .flood import GROWTH, MIB, peak
from .scene import SETTLE, Scene, Start
from .table import Row

pytestmark = [pytest.mark.faults, pytest.mark.engine, pytest.mark.slow, pytest.mark.native]

DAEMONS = {
    "garbage": "speaks garbage",
    "flood": "floods after a right HELLO",
    "length": "claims the longest frame and never ends it",
    "sizes": "claims sizes of 2^63",
    "silence": "greets and never answers",
    "absence": "never connects",
}
StartOn = Callable[[str, str], Server]
#: What is received is read by the same code on both links; on the direct one less is tried.
CASES = [*((word, "forwarded") for word in DAEMONS), ("garbage", "direct"), ("flood", "direct")]
#: Seconds in which a create has to be told that nothing comes of it.
BOUND = 60.0
#: The most memory that `dagger session` may have had: nothing piles up while the server reads.
SESSION = 256 * MIB


@pytest.fixture(scope="session")
def hostile_daemon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the hostile program."""
    made = tmp_path_factory.mktemp("hostile") / "daemon"
    source = Path(__file__).parent / "hostile_daemon" / "main.go"
    env = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
    command = [str(hatch_build.find_go()), "build", "-o", str(made), str(source)]
    subprocess.run(command, check=True, env=env, cwd=made.parent)
    made.chmod(0o755)
    return made


class HostileServer(Server):
    """A server whose containers run the hostile program first."""

    program = hostile_server.__name__


@pytest.fixture
def hostile(world: World, hostile_daemon: Path) -> Iterator[StartOn]:
    """Give what starts such a server on a link."""
    made: list[Server] = []

    def start(name: str, link: str) -> Server:
        env = {hostile_server.VARIABLE: str(hostile_daemon)}
        server = HostileServer(world, name, f"--OrkeeExtension.link={link}", env=env)
        made.append(server)
        return server.start()

    yield start
    for server in made:
        server.stop()


def put_template(server: Server, word: str) -> None:
    folder = server.project / ".orkee" / "templates"
    folder.mkdir(parents=True)
    text = f'image = "debian:bookworm-slim"\nsetup = ["echo {word} > /hostile"]\n'
    (folder / "hostile.toml").write_text(text)


def refused(server: Server) -> str:
    """Create a sandbox, which has to fail in time and leave nothing; return what was said."""
    before, began = peak(server.pid), time.monotonic()
    with server.client() as client, pytest.raises(OrkeeError) as caught:
        client.create("hostile")
    took = time.monotonic() - began
    assert caught.value.code in {"link_failed", "sandbox_lost"}, caught.value
    assert took < BOUND
    (failed,) = server.rows()
    assert failed["status"] == "failed"
    assert failed["reason"]
    until(lambda: not containers_of([failed["id"]]), SETTLE, what="the end of the container")
    grown, session = peak(server.pid) - before, peak(session_of(server.pid))
    assert grown < GROWTH, f"{grown / MIB:.0f} MiB"
    assert session < SESSION, f"{session / MIB:.0f} MiB"
    said = f"{failed['reason']} ({caught.value.code} after {took:.0f} s)"
    return f"{said}, {grown / MIB:.0f} MiB more memory"


@pytest.mark.parametrize(("word", "link"), CASES)
@pytest.mark.timeout(240)
def test_a_hostile_program_in_place_of_sandboxd_harms_nobody(
    world: World, own_server: Start, hostile: StartOn, row: Row, word: str, link: str
) -> None:
    row.fault = f"in place of sandboxd a program that {DAEMONS[word]}"
    row.moment, row.promise = f"during create, {link} link", "the create fails and says why"
    scene = Scene(world, own_server)
    server = hostile(f"hostile-{word}-{link}", link)
    put_template(server, word)
    with server.http() as http:
        assert http.get("engine/cache").is_success  # so that what the engine takes is there
    said = refused(server)
    server.stop()
    row.seen = f"{said}; {scene.aftermath()}"
