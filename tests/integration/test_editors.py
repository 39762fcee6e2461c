"""Full-screen programs of the distribution in ``orkee sandbox shell``: vim and top."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from orkee_jupyter.client import Sandbox

from .programs import TEMPLATE
from .servers import Server
from .terminals import ORKEE, Terminal
from .world import World

# The first create installs the packages.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(params=["direct", "forwarded"])
def editors(
    request: pytest.FixtureRequest, world: World, servers: dict[str, Server]
) -> Iterator[tuple[Server, Sandbox]]:
    """Give a sandbox that has vim and top, and its server, once for each link."""
    folder = world.folder / "config" / "orkee-jupyter" / "templates"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "editors.toml").write_text(TEMPLATE % "vim-tiny procps")
    server = servers[request.param]
    with server.client() as client, client.create("editors") as made:
        yield server, made


def opened(server: Server, sandbox: Sandbox, *words: str, rows: int = 24) -> Terminal:
    env = server.env | {"ORKEE_SOCKET": str(server.socket)}
    command = (*ORKEE, "sandbox", "shell", sandbox.id, *words)
    return Terminal(*command, env=env, cwd=server.project, rows=rows)


def test_vim_comes_back_on_another_screen(editors: tuple[Server, Sandbox]) -> None:
    first = opened(*editors, "--name", "notes", "--", "vi", "notes")
    first.until(r"\x1b\[\?1049h")
    first.until("notes")
    first.type("ihello wörld")
    first.until("w.*rld")
    os.kill(first.process.pid, signal.SIGKILL)
    again = opened(*editors, "--name", "notes", rows=30)
    again.until(r"\x1b\[\?1049h")
    again.until(r"hello w.*rld")
    again.until(r"\x1b\[29;1H")  # drawn anew, for as many rows as there are now
    again.type("\x1b:wq\r")
    assert again.end() == 0
    assert editors[1].files.read("notes").decode() == "hello wörld\n"
    first.close()
    again.close()


def test_top_fits_the_window_and_ends_at_its_key(editors: tuple[Server, Sandbox]) -> None:
    terminal = opened(*editors, "--", "top", "-d", "0.5")
    terminal.until("load average")
    terminal.until("PID")
    terminal.resize(10, 60)
    terminal.until("load average")
    terminal.type("q")
    assert terminal.end() == 0
    assert terminal.modes == terminal.before
    terminal.close()
